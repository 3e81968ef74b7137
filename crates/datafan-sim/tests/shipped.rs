//! The shipped scenarios, each with several seeds: those scenarios of owned shards that can be random, by
//! their numbers, and the larger ones with fewer members. `tests/scenarios` has the others, step by step.

use datafan_sim::{Scenario, report, run::Unwatched, simulate};

/// Seeds of each scenario. An optimised build has time for more.
const SEEDS: u64 = if cfg!(debug_assertions) { 3 } else { 20 };
/// Seeds with discovery, which takes minutes of virtual time.
const DISCOVERY_SEEDS: u64 = if cfg!(debug_assertions) { 1 } else { 10 };

const HOUR: u64 = 3_600;

/// One test per scenario.
macro_rules! scenarios {
    ($($test:ident: $name:literal $(, $members:literal)?;)+) => {
        $(#[test]
        fn $test() {
            holds($name, [$($members)?].into_iter().next());
        })+

        #[test]
        fn every_shipped_scenario_is_a_test() {
            let told = [$($name),+];
            for (name, _) in datafan_sim::scenario::SHIPPED {
                assert!(told.contains(name), "{name} is no test");
            }
        }
    };
}

scenarios! {
    a01_line: "a01";
    a02_line2: "a02";
    a03_circle: "a03";
    a04_circle2: "a04";
    a05_full: "a05";
    a06_random3: "a06";
    a07_random4: "a07";
    a08_line_guarded: "a08";
    a09_line2_guarded: "a09";
    a10_circle_guarded: "a10";
    a11_circle2_guarded: "a11";
    a12_full_guarded: "a12";
    a13_random3_guarded: "a13";
    a14_random4_guarded: "a14";
    a15_growing_mesh: "a15";
    a16_cost_of_a_line: "a16";
    a17_demo: "a17";
    a21_lost_replies_between_deletes: "a21";
    a22_items_later_than_heads: "a22";
    a23_clocks_jump: "a23";
    a24_restarts_with_other_clocks: "a24";
    a26_late_answers: "a26";
    a27_many_writes_within_one_tick: "a27";
    a28_a_relay_that_lies: "a28";
    a30_back_after_all_tombstones_were_dropped: "a30";
    a31_large_commits: "a31";
    a32_crashes_at_any_instant: "a32";
    a33_links_too_slow_for_what_is_written: "a33";
    a34_transfers_that_break: "a34";
    a37_disks_that_fail_or_fill_up: "a37";
    a40_expiring_items: "a40";
    a43_newcomers_at_the_end_of_a_line: "a43";
    a44_first_copies_of_shards_that_never_rest: "a44";
    a46_revoked_while_writes_spread: "a46";
    a47_deltas_from_every_position: "a47";
    a50_crashes_with_clocks_behind: "a50";
    a59_disks_that_run_full_and_have_room_again: "a59";
    a51_halves_of_4: "a51_halves_of_4";
    a51_halves_of_10: "a51_halves_of_10";
    a51_halves_of_500_with_fewer: "a51_halves_of_500", 40;
    a51_many_dead_with_fewer: "a51_many_dead", 40;
    a51_side_below_its_minimum: "a51_side_below_its_minimum";
    a51_revoked_on_one_side: "a51_revoked_on_one_side";
    a51_parted_for_a_day: "a51_parted_for_a_day";
    a52_one_old_address: "a52_one_old_address";
    a61_many_die_at_once: "a61_many_die_at_once";
    a61_many_die_at_once_with_fewer: "a61_many_die_at_once", 30;
    a52_three_islands: "a52_three_islands";
    a52_moved_while_parted: "a52_moved_while_parted";
    a52_dial_only: "a52_dial_only";
    a52_again_and_again: "a52_again_and_again";
    restore_and_part: "restore_and_part";
    everything_at_once: "everything_at_once";
    small: "small";
    churn: "churn", 30;
    partition: "partition", 15;
    lossy: "lossy", 12;
    wan: "wan", 16;
    byzantine: "byzantine", 12;
    restore: "restore", 10;
    thousand_with_fewer: "thousand", 20;
    ten_thousand_with_fewer: "ten_thousand", 100;
    deliveries_with_fewer: "deliveries", 15;
}

/// The scenario, with fewer members if given, holds with each seed.
fn holds(name: &str, members: Option<usize>) {
    let scenario = Scenario::load(name).expect("it is shipped");
    let members = members.unwrap_or(scenario.members);
    let mut scenario = scenario.with_members(members);
    if cfg!(debug_assertions) && scenario.seconds > HOUR {
        // A day takes too long in an unoptimised build: it only has to be longer than lost links are dialled.
        (scenario.seconds, scenario.faults.cut_ms) = (HOUR, [3_300_000, 3_300_000]);
    }
    let last = if scenario.discovery.is_some() { DISCOVERY_SEEDS } else { SEEDS };
    for seed in 1..=last {
        let outcome = simulate(&scenario, seed, &mut Unwatched).expect("it is sound");
        let told = report::failure(&outcome, &scenario, name, "of this test");
        assert!(outcome.holds(), "{}", told.unwrap_or_default());
        assert!(outcome.equal && outcome.counts.deliveries > 0, "something was carried");
    }
}
