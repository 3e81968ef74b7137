//! A40: expiry.

use crate::common::{Member, PATIENCE, TestDir, clock::Clock, string};
use datafan_core::time::Timestamp;
use datafan_node::http::wire::rfc3339;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

#[test]
fn a40_expired_items_are_gone_everywhere_at_once_and_their_owner_removes_them_later() {
    let place = TestDir::new();
    let Some(clock) = Clock::wrong(&place) else { return };
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    let c = place.invited(&a, "c", &[]);
    b.ask(&["put", "short", "v", "--ttl", "8s"]);
    let written = b.put("long", "v");
    [&a, &c].into_iter().for_each(|member| member.waits_for("b", written));
    let expires = string(&b.ask(&["get", "short", "--json"]).json()["expires"]);
    let held = a.n_items("b");

    // Not before its time, and whether its owner is there or not.
    let dir = b.dir.clone();
    assert_eq!(b.terminate(), 0);
    assert_eq!(c.get("b", "short"), "v", "not yet");
    [&a, &c].into_iter().for_each(|member| loses(member, "b", &expires));
    assert_eq!(
        (a.n_items("b"), c.n_items("b")),
        (held, held),
        "hidden, but there: clocks may be off by an hour"
    );
    assert_eq!(a.get("b", "long"), "v");

    // Nearly an hour later by its own clock, the owner removes it. Others tolerate that its clock is that far
    // ahead.
    let b = clock.run(&dir, 3_595, &[]);
    [&b, &a, &c].into_iter().for_each(|member| _ = member.waits(|_| member.n_items("b") == held - 1));
    assert_eq!(b.terminate(), 0);

    // Putting it again is a write, and so is a new expiry.
    let b = Member::run(&dir, &[]);
    let mut last = b.ask(&["get", "long", "--json"]).json()["timestamp"].as_u64().unwrap();
    for ttl in ["1h", "2h"] {
        let put = b.ask(&["put", "short", "v", "--ttl", ttl, "--json"]).json();
        assert_eq!(put["written"], 1);
        let before = std::mem::replace(&mut last, put["timestamp"].as_u64().unwrap());
        assert!(last > before);
        [&a, &c].into_iter().for_each(|member| member.waits_for("b", last));
        assert_eq!((a.get("b", "short").as_str(), c.get("b", "short").as_str()), ("v", "v"));
    }
}

/// Waits until a member no longer shows the item; until `expires` it must.
fn loses(member: &Member, owner: &str, expires: &str) {
    let until = Instant::now() + PATIENCE;
    while member.ask(&["get", "short", "--owner", owner]).code == 0 {
        assert!(Instant::now() < until, "it has expired");
    }
    assert!(*now() >= *expires, "gone before its time");
    member.ask(&["get", "short", "--all"]).fails(4, "short");
    let listed = member.ask(&["ls", "--owner", owner, "--json"]).lines();
    assert!(listed.iter().all(|item| item["key"] != "short"), "{listed:?}");
}

/// The current time, in the format of items.
fn now() -> String {
    rfc3339(Timestamp(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64))
}
