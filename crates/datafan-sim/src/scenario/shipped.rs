//! The shipped scenarios.

/// Names and texts.
pub const SHIPPED: &[(&str, &str)] = &[
    ("small", include_str!("../../scenarios/small.toml")),
    ("churn", include_str!("../../scenarios/churn.toml")),
    ("partition", include_str!("../../scenarios/partition.toml")),
    ("lossy", include_str!("../../scenarios/lossy.toml")),
    ("wan", include_str!("../../scenarios/wan.toml")),
    ("byzantine", include_str!("../../scenarios/byzantine.toml")),
    ("restore", include_str!("../../scenarios/restore.toml")),
    ("thousand", include_str!("../../scenarios/thousand.toml")),
    ("ten_thousand", include_str!("../../scenarios/ten_thousand.toml")),
    ("deliveries", include_str!("../../scenarios/deliveries.toml")),
    ("a01", include_str!("../../scenarios/a01.toml")),
    ("a02", include_str!("../../scenarios/a02.toml")),
    ("a03", include_str!("../../scenarios/a03.toml")),
    ("a04", include_str!("../../scenarios/a04.toml")),
    ("a05", include_str!("../../scenarios/a05.toml")),
    ("a06", include_str!("../../scenarios/a06.toml")),
    ("a07", include_str!("../../scenarios/a07.toml")),
    ("a08", include_str!("../../scenarios/a08.toml")),
    ("a09", include_str!("../../scenarios/a09.toml")),
    ("a10", include_str!("../../scenarios/a10.toml")),
    ("a11", include_str!("../../scenarios/a11.toml")),
    ("a12", include_str!("../../scenarios/a12.toml")),
    ("a13", include_str!("../../scenarios/a13.toml")),
    ("a14", include_str!("../../scenarios/a14.toml")),
    ("a15", include_str!("../../scenarios/a15.toml")),
    ("a16", include_str!("../../scenarios/a16.toml")),
    ("a17", include_str!("../../scenarios/a17.toml")),
    ("a21", include_str!("../../scenarios/a21.toml")),
    ("a22", include_str!("../../scenarios/a22.toml")),
    ("a23", include_str!("../../scenarios/a23.toml")),
    ("a24", include_str!("../../scenarios/a24.toml")),
    ("a26", include_str!("../../scenarios/a26.toml")),
    ("a27", include_str!("../../scenarios/a27.toml")),
    ("a28", include_str!("../../scenarios/a28.toml")),
    ("a30", include_str!("../../scenarios/a30.toml")),
    ("a31", include_str!("../../scenarios/a31.toml")),
    ("a32", include_str!("../../scenarios/a32.toml")),
    ("a33", include_str!("../../scenarios/a33.toml")),
    ("a34", include_str!("../../scenarios/a34.toml")),
    ("a37", include_str!("../../scenarios/a37.toml")),
    ("a40", include_str!("../../scenarios/a40.toml")),
    ("a43", include_str!("../../scenarios/a43.toml")),
    ("a44", include_str!("../../scenarios/a44.toml")),
    ("a46", include_str!("../../scenarios/a46.toml")),
    ("a47", include_str!("../../scenarios/a47.toml")),
    ("a50", include_str!("../../scenarios/a50.toml")),
    ("a51_halves_of_4", include_str!("../../scenarios/a51_halves_of_4.toml")),
    ("a51_halves_of_10", include_str!("../../scenarios/a51_halves_of_10.toml")),
    ("a51_halves_of_500", include_str!("../../scenarios/a51_halves_of_500.toml")),
    ("a51_parted_for_a_day", include_str!("../../scenarios/a51_parted_for_a_day.toml")),
    ("a51_many_dead", include_str!("../../scenarios/a51_many_dead.toml")),
    ("a51_side_below_its_minimum", include_str!("../../scenarios/a51_side_below_its_minimum.toml")),
    ("a51_revoked_on_one_side", include_str!("../../scenarios/a51_revoked_on_one_side.toml")),
    ("a52_three_islands", include_str!("../../scenarios/a52_three_islands.toml")),
    ("a52_one_old_address", include_str!("../../scenarios/a52_one_old_address.toml")),
    ("a52_moved_while_parted", include_str!("../../scenarios/a52_moved_while_parted.toml")),
    ("a52_dial_only", include_str!("../../scenarios/a52_dial_only.toml")),
    ("a52_again_and_again", include_str!("../../scenarios/a52_again_and_again.toml")),
    ("a59", include_str!("../../scenarios/a59.toml")),
    ("a61_many_die_at_once", include_str!("../../scenarios/a61_many_die_at_once.toml")),
    ("restore_and_part", include_str!("../../scenarios/restore_and_part.toml")),
    ("everything_at_once", include_str!("../../scenarios/everything_at_once.toml")),
];

/// The text of a shipped scenario.
pub fn shipped(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// All names, for people.
pub(super) fn names() -> String {
    SHIPPED.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn every_shipped_scenario_is_sound_and_has_its_name() {
        for (name, text) in SHIPPED {
            let scenario = Scenario::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(scenario.name, *name);
            assert!(!scenario.about.is_empty(), "{name} says what it is about");
        }
    }

    #[test]
    fn every_shipped_scenario_is_sound_with_any_number_of_members() {
        for (name, text) in SHIPPED {
            for members in [2, 3, 5, 13, 500] {
                let mut scenario = Scenario::parse(text).expect("it is sound").with_members(members);
                // Some topologies need more members, and say so.
                scenario.topology = "line".parse().expect("a topology");
                scenario.check().unwrap_or_else(|error| panic!("{name} with {members} members: {error}"));
            }
        }
        let few = Scenario::load("byzantine").expect("it is shipped").with_members(2);
        assert_eq!(
            (few.faults.misbehaving, few.faults.joins),
            (1, 0),
            "what a scenario is about remains, no more"
        );
    }
}
