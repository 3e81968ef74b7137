//! A49, A50, A53: wall clocks that are wrong.

use crate::common::{Member, PATIENCE, TestDir, api::Api, clock::Clock, relayed::Relayed};
use datafan_testkit::relay::Relay;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

#[test]
fn a49_what_is_two_hours_ahead_of_a_members_clock_is_refused_once() {
    let place = TestDir::new();
    let Some(clock) = Clock::wrong(&place) else { return };
    let a = Relayed::run(&place.path("a"), 1, &[&["--init", "a"], &QUICK[..]].concat());
    let b = Relayed::invited(&place, &a, "b", 2);
    b.member.waits_for("a", a.member.put("k", "right"));
    a.member.waits_for("b", b.member.put("k", "right"));
    let (dir, relay) = (b.member.dir.clone(), b.relay);
    assert_eq!(b.member.terminate(), 0);

    let at = relay.address().to_string();
    let more = [&["--advertise", &at], &QUICK[..]].concat();
    let b = clock.run(&dir, -7_200, &more);
    relay.lead_to(b.address().parse().unwrap());
    b.waits_links(1);
    let (relays, address) = ([&a.relay, &relay], b.address());
    let idle = traffic(relays);
    let ahead = a.member.put("k", "two hours ahead");
    b.waits(|status| status["refusals"]["clock_ahead"].as_u64() >= Some(1));
    // The pauses between fruitless comparisons soon grow.
    let until = Instant::now() + PATIENCE;
    while traffic(relays) > idle * 3 / 2 {
        assert!(Instant::now() < until, "idle rounds stay idle");
    }
    let refused = b.ask(&["status", "--json"]).json()["refusals"].clone();
    // Once for the write, and once for each change of the owner's links.
    let n_refused = refused["clock_ahead"].as_u64().unwrap();
    assert!(n_refused <= 3 && refused.as_object().unwrap().len() == 1, "{refused}");
    assert_eq!(b.get("a", "k"), "right");

    // With a correct clock it is taken at last.
    assert_eq!(b.terminate(), 0);
    let b = Member::run_on(&address, &dir, &more);
    b.waits_for("a", ahead);
    a.member.waits(|_| a.member.roots() == b.roots());
}

/// Datagrams in five seconds, which are fifty rounds of each.
fn traffic(relays: [&Relay; 2]) -> u64 {
    let count = || relays.iter().map(|relay| relay.counts().arrived).sum::<u64>();
    let before = count();
    // Not a wait for an event: the traffic of this time is measured.
    thread::sleep(Duration::from_secs(5));
    count() - before
}

/// Ten rounds in a second.
const QUICK: [&str; 2] = ["--sync-period", "100ms"];

#[test]
fn a50_no_timestamp_is_used_twice_though_the_clock_is_behind_after_a_kill() {
    let place = TestDir::new();
    let Some(clock) = Clock::wrong(&place) else { return };
    let a = place.founder("a");
    let mut b = place.invited(&a, "b", &[]);
    a.waits_for("b", b.put("before", "v"));
    let (dir, mut used) = (b.dir.clone(), Used::default());
    for run in 1..=10 {
        let acknowledged = writes_until_killed(b, run);
        assert!(acknowledged.len() as u64 >= run);
        // What others were told, and what the writer was told.
        acknowledged.into_iter().chain(held(&a.dir, "b")).for_each(|write| used.note(write));
        // Each run has a clock that is further behind: the member's last timestamp is always ahead of it.
        b = clock.run(&dir, -300 * run as i64, &[]);
    }
    a.waits_for("b", b.put("last", "v"));
    held(&a.dir, "b").into_iter().for_each(|write| used.note(write));
    assert_eq!(held(&a.dir, "b"), held(&dir, "b"));
    a.waits(|_| a.roots() == b.roots());
}

#[test]
fn a53_what_the_mesh_acknowledged_is_listed_though_a_restored_member_has_passed_it() {
    let place = TestDir::new();
    let Some(clock) = Clock::wrong(&place) else { return };
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    a.waits_for("b", b.put("k", "1"));
    let dir = b.dir.clone();
    assert_eq!(b.terminate(), 0);
    let backup = fs::read(dir.join("store.redb")).unwrap();

    // 20 minutes ahead, which is within the bound.
    let b = clock.run(&dir, 1_200, &[]);
    b.put("k", "2");
    a.waits_for("b", b.put("after", "x"));
    assert_eq!(b.terminate(), 0);
    let a = a.leaves();

    // The old store with a correct clock, then alone until the time has passed what was lost.
    fs::write(dir.join("store.redb"), &backup).unwrap();
    let b = Member::run(&dir, &[]);
    b.put("alone", "v");
    assert_eq!(b.terminate(), 0);
    let b = clock.run(&dir, 1_500, &[]);
    let last = b.put("k", "alone");

    let a = a.returns();
    a.waits_for("b", last);
    b.waits(|status| !status["divergent"].is_null());
    let listed: BTreeSet<String> = b.ask(&["recovered", "--json"]).lines().iter().map(row).collect();
    assert!(listed.contains("k newer") && listed.contains("after lacking"), "{listed:?}");
    assert_eq!(b.ask(&["recovered", "--take", "--json"]).json()["written"], 1);
    a.waits_for("b", b.put("last", "v"));
    for member in [&a, &b] {
        assert_eq!(["k", "after", "alone"].map(|key| member.get("b", key)), ["alone", "x", "v"]);
    }
    assert_eq!(a.roots(), b.roots());
    for member in [a, b] {
        assert!(!member.log_so_far().iter().any(|line| line.contains("stolen")));
        assert_eq!(member.terminate(), 0);
    }
}

/// Key and state.
fn row(line: &Value) -> String {
    format!("{} {}", line["key"].as_str().unwrap(), line["state"].as_str().unwrap())
}

/// A timestamp, and the key and value written then.
type Written = (u64, (String, String));

/// Who wrote what at which timestamp, according to anybody.
#[derive(Default)]
struct Used(BTreeMap<u64, (String, String)>);

impl Used {
    fn note(&mut self, (timestamp, write): Written) {
        let known = self.0.entry(timestamp).or_insert_with(|| write.clone());
        assert_eq!(*known, write, "two writes at {timestamp}");
    }
}

/// Writes until some writes were acknowledged, kills the member, and returns those writes.
fn writes_until_killed(member: Member, run: u64) -> Vec<Written> {
    let mut api = Api::open(&member.dir).unwrap();
    let (acknowledge, acknowledged) = std::sync::mpsc::channel();
    let writer = thread::spawn(move || {
        for n in 0.. {
            let write = (format!("k{}", n % 7), format!("{run}/{n}"));
            let Ok(answer) = api.put(std::slice::from_ref(&write)) else { return };
            let timestamp = answer.json()["timestamp"].as_u64().unwrap();
            let _ = acknowledge.send((timestamp, write));
        }
    });
    let mut written: Vec<Written> = acknowledged.iter().take(run as usize).collect();
    member.kill();
    writer.join().unwrap();
    written.extend(acknowledged.try_iter());
    assert!(written.is_sorted_by(|one, next| one.0 < next.0), "timestamps go up");
    written
}

/// What the member in `dir` holds of an owner.
fn held(dir: &Path, owner: &str) -> Vec<Written> {
    let rows = Api::open(dir).unwrap().get(&format!("/v1/export?owner={owner}")).unwrap();
    assert_eq!(rows.status, 200, "{}", rows.body);
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |field: &str| row[field].as_str().unwrap().to_owned();
        (row["timestamp"].as_u64().unwrap(), (text("key"), text("value")))
    };
    rows.body.lines().map(row).collect()
}
