//! Seeds that have found something, kept for ever.

use datafan_sim::{Scenario, report, run::Unwatched, simulate};

#[test]
fn a_dropped_shard_is_gone_when_that_is_told() {
    holds("churn", 26);
}

#[test]
fn the_authority_is_asked_again_after_a_crash() {
    holds("churn", 85);
}

#[test]
fn a_relay_that_lies_signs_for_nobody() {
    holds("byzantine", 4);
}

#[test]
fn late_messages_are_no_idle_traffic() {
    holds("a26", 2);
    holds("a26", 3);
}

#[test]
fn what_a_clean_stop_wrote_may_be_told() {
    holds("small", 1_132);
}

#[test]
fn what_only_a_replaced_disk_had_is_not_asked_for() {
    holds("restore", 1_033);
}

fn holds(name: &str, seed: u64) {
    let scenario = Scenario::load(name).expect("it is shipped");
    let outcome = simulate(&scenario, seed, &mut Unwatched).expect("it is sound");
    let told = report::failure(&outcome, &scenario, name, "of this test");
    assert!(outcome.holds(), "{}", told.unwrap_or_default());
}
