//! Seeds that have found bugs, kept for good.

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

#[test]
fn a_late_delta_answers_no_later_pull() {
    holds("a34", 700_077);
}

#[test]
fn a_clock_behind_takes_no_older_head() {
    holds("a50", 1_700_002);
    holds("a24", 1_700_011);
}

#[test]
fn what_a_restored_member_wrote_alone_may_be_kept_aside() {
    holds("everything_at_once", 22);
}

#[test]
fn who_compared_after_a_late_answer_lacks_tombstones_too() {
    holds("lossy", 530);
}

#[test]
fn a_link_that_went_just_before_the_rest_is_told_before_it() {
    holds(&format!("{}/mutants/dying.toml", env!("CARGO_MANIFEST_DIR")), 627);
}

#[test]
fn who_lost_all_peers_at_once_finds_others_in_time() {
    holds("a61_many_die_at_once", 32);
}

#[test]
fn a_liar_whom_nobody_lets_in_may_wait_for_ever() {
    let text = r#"
        name = "knocking"
        members = 4
        topology = "full"
        seconds = 30
        bound_seconds = 600
        workload = { updates_per_minute = 900, initial_items = [1, 1], keys = 3, deletes_per_mille = 300 }
        engine = { tombstones_max = 1 }
        faults = { misbehaving = 1, violations_per_mille = 900, misbehaving_forever = true, cuts = 20 }
    "#;
    played(&Scenario::parse(text).expect("it is sound"), 49);
}

fn holds(name: &str, seed: u64) {
    played(&Scenario::load(name).expect("it is shipped"), seed);
}

fn played(scenario: &Scenario, seed: u64) {
    let outcome = simulate(scenario, seed, &mut Unwatched).expect("it is sound");
    let told = report::failure(&outcome, scenario, &scenario.name, "of this test");
    assert!(outcome.holds(), "{}", told.unwrap_or_default());
}
