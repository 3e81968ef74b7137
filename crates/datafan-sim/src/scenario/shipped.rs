//! The scenarios that come along.

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
}
