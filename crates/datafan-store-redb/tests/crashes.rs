//! Power cuts at every write of a store, and writes that fail.

mod medium;

use datafan_testkit::store::check_crashes;
use medium::File;
use std::env;

/// `DATAFAN_CRASH_POINTS=100000` sets the number of points, `DATAFAN_SEED` the first seed.
#[test]
fn a_power_cut_at_any_write_leaves_a_whole_state_since_the_last_sync() {
    let points = number("DATAFAN_CRASH_POINTS", 1_500);
    let tally = check_crashes(File::in_memory, number("DATAFAN_SEED", 1), points);
    println!("{tally}");
    assert!(tally.failed > 0 && tally.newer > 0, "{tally}");
}

fn number(variable: &str, otherwise: u64) -> u64 {
    env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}
