//! Members that reach each other only over bad lines, and through cuts.

use super::{
    common::{PATIENCE, TestDir, api::Api, relayed::Relayed},
    kills::all_equal,
};
use datafan_testkit::relay::{Line, Way};
use std::{
    fmt::Write,
    thread,
    time::{Duration, Instant},
};

/// A mesh of three behind relays, over good lines at first.
fn mesh(place: &TestDir) -> [Relayed; 3] {
    let a = Relayed::founder(place, "a", 1);
    let b = Relayed::invited(place, &a, "b", 2);
    let c = Relayed::invited(place, &a, "c", 3);
    for relayed in [&b, &c] {
        relayed.member.waits_links(1);
        relayed.member.waits_for("a", 1);
    }
    [a, b, c]
}

#[test]
fn members_become_equal_over_lines_that_lose_a_tenth() {
    let place = TestDir::new();
    let mesh = mesh(&place);
    mesh.iter().for_each(|relayed| relayed.relay.set(Line::BAD));
    let mut last = [0; 3];
    for round in 0..10 {
        for (relayed, last) in mesh.iter().zip(&mut last) {
            let writes: Vec<_> = (0..20).map(|n| (format!("{round}/{n}"), format!("{n:0100}"))).collect();
            let answer = Api::open(&relayed.member.dir).unwrap().put(&writes).unwrap();
            *last = answer.json()["timestamp"].as_u64().unwrap();
        }
    }
    all_have(&mesh, last);
    let counts = mesh[0].relay.counts();
    assert!(counts.lost > 0 && counts.late > 0, "{counts:?}");
}

#[test]
fn a_cut_in_the_middle_of_a_first_copy_only_delays_it() {
    let place = TestDir::new();
    let mesh = mesh(&place);
    let [a, b, c] = mesh.each_ref().map(|relayed| &relayed.member);
    // A line carries a third of it. The others then have less than one commit, or a part that nobody sees.
    mesh.iter().for_each(|relayed| relayed.relay.cut_after(4 << 20));
    a.ask(&["import", &place.file("rows.jsonl", rows(12_000)), "--json"]);
    let deadline = Instant::now() + PATIENCE;
    while !mesh.iter().any(|relayed| relayed.relay.is_cut()) {
        assert!(Instant::now() < deadline, "the copy is under way");
        thread::yield_now();
    }
    mesh.iter().for_each(|relayed| relayed.relay.set(Line::CUT));
    for (member, key) in [(a, "a"), (b, "b"), (c, "c")] {
        member.put("in the cut", key);
    }
    // Not a wait for an event: this is the duration of the cut.
    thread::sleep(Duration::from_secs(4));
    for other in [b, c] {
        assert_ne!(other.roots(), a.roots(), "the copy was over before the cut");
    }
    mesh.iter().for_each(|relayed| relayed.relay.set(Line::FAIR));
    all_have(&mesh, [a, b, c].map(|member| member.put("after", "the cut")));
}

/// Rows of slightly more than 1,000 bytes.
fn rows(n: usize) -> String {
    (0..n).fold(String::new(), |mut rows, n| {
        writeln!(rows, "{{\"key\":\"row/{n}\",\"value\":\"{}\"}}", format!("{n:08}").repeat(125)).unwrap();
        rows
    })
}

#[test]
fn a_member_that_hears_but_is_not_heard_is_caught_up_with_when_healed() {
    let place = TestDir::new();
    let mesh = mesh(&place);
    let [a, b, c] = mesh.each_ref().map(|relayed| &relayed.member);
    // Messages to B's relay are lost, but B's answers get through.
    mesh[1].relay.set_way(Way::There, Line::CUT);
    let last = [a, b, c].map(|member| member.put("one way", "only"));
    Api::open(&c.dir).unwrap().waits_for("a", last[0], PATIENCE);
    mesh[1].relay.set_way(Way::There, Line::FAIR);
    all_have(&mesh, last);
}

/// Waits until every member holds the last write of every member, then compares everything.
fn all_have(mesh: &[Relayed; 3], last: [u64; 3]) {
    for relayed in mesh {
        let mut api = Api::open(&relayed.member.dir).unwrap();
        for (owner, timestamp) in ["a", "b", "c"].into_iter().zip(last) {
            api.waits_for(owner, timestamp, 2 * PATIENCE);
        }
    }
    all_equal(&mesh.each_ref().map(|relayed| &relayed.member));
}
