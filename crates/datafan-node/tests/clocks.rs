//! A45 over processes: a clock that is two years ahead for a while.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{Member, TestDir, clock::Clock};

#[test]
fn a45_what_was_written_two_years_ahead_is_restamped() {
    let place = TestDir::new();
    let Some(clock) = Clock::wrong(&place) else { return };
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    a.waits_for("b", b.put("k", "right"));
    b.ask(&["restamp"]).is("no timestamp is ahead of the clock");
    let dir = b.dir.clone();
    assert_eq!(b.terminate(), 0);

    let ahead = clock.run(&dir, 2 * 365 * 86_400, &[]);
    let future = ahead.put("k", "two years ahead");
    ahead.put("n", "two years ahead");
    ahead.waits_links(1);
    assert_eq!(a.get("b", "k"), "right", "nobody takes it");
    let told = ahead.ask(&["status"]).out;
    assert!(told.contains("s ahead of those of most peers"), "{told}");
    assert_eq!(ahead.terminate(), 0);

    let b = Member::run(&dir, &[]);
    b.waits_links(1);
    b.ask(&["put", "k", "v"]).fails(1, "restamp");
    let done = b.ask(&["restamp", "--json"]).json();
    assert!(done["timestamp"].as_u64().unwrap() < future, "{done}");
    assert!(done["restamped"].as_u64().unwrap() >= 2, "{done}");
    a.waits_for("b", b.put("after", "v"));
    assert_eq!(["k", "n", "after"].map(|key| a.get("b", key)), ["two years ahead", "two years ahead", "v"]);
    b.waits_for("a", a.put("here", "v"));
    assert_eq!(a.roots(), b.roots());
}

#[test]
fn a_newcomer_whose_clock_is_behind_is_told_so() {
    let place = TestDir::new();
    let Some(clock) = Clock::wrong(&place) else { return };
    let a = place.founder("a");
    let ticket = a.ask(&["invite", "b", "--json"]).json();
    let ticket = place.file("b.ticket", ticket["ticket"].as_str().unwrap());
    let dir = place.path("b");
    let b = clock.run(&dir, -7_200, &["--ticket", &ticket]);
    let status = b.waits(|status| status["refusals"]["clock_ahead"].as_u64() > Some(0));
    assert_eq!(status["state"], "joining", "{status}");
    assert!(status["reason"].as_str().unwrap().contains("correct the clock"), "{status}");
    b.ask(&["put", "k", "v", "--timeout", "3s"]).fails(6, "correct the clock");
    assert_eq!(b.terminate(), 0);

    // Nothing was damaged.
    let b = Member::run(&dir, &[]);
    a.waits_for("b", b.put("k", "v"));
}
