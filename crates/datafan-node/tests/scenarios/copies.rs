//! A30, A43, A44: copies that arrive late or slowly.

use crate::common::{Member, TestDir, api::Api, relayed::Relayed};
use datafan_core::limits::{COMMIT_WRITES_MAX, TOMBSTONES_MAX};
use datafan_testkit::relay::Line;
use serde_json::Value;
use std::{
    fmt::Write,
    path::Path,
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::Duration,
};

#[test]
fn a30_what_was_deleted_while_a_member_was_away_does_not_come_back_without_tombstones() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    let c = place.invited(&a, "c", &[]);
    let old = a.ask(&["import", &place.file("old.jsonl", rows("old", 1_000, "\"v\"")), "--json"]).json();
    c.waits_for("a", old["timestamp"].as_u64().unwrap());
    let c = c.leaves();

    // More deletions than tombstones are kept.
    for (name, rows, written) in [
        ("deleted", deletions("old", 1_000), 1_000),
        ("short", rows("short", N_TOMBSTONES, "0"), N_TOMBSTONES),
        ("gone", deletions("short", N_TOMBSTONES), N_TOMBSTONES),
    ] {
        let imported = a.ask(&["import", &place.file(&format!("{name}.jsonl"), rows), "--json"]).json();
        assert_eq!(imported["written"], written);
    }
    let last = a.put("new", "v");
    b.waits_for("a", last);

    let c = c.returns();
    c.waits_for("a", last);
    for member in [&a, &b, &c] {
        let listed = member.ask(&["ls", "--owner", "a", "--json"]).lines();
        assert!(listed.len() == 1 && listed[0]["key"] == "new", "{listed:?}");
    }
    c.waits(|_| c.roots() == a.roots() && c.roots() == b.roots());
}

/// More than a shard keeps, so that the first ones are dropped.
const N_TOMBSTONES: usize = TOMBSTONES_MAX as usize + COMMIT_WRITES_MAX;

/// Rows to import.
fn rows(prefix: &str, n: usize, value: &str) -> String {
    (0..n).fold(String::new(), |mut rows, n| {
        writeln!(rows, "{{\"key\":\"{prefix}/{n}\",\"value\":{value}}}").unwrap();
        rows
    })
}

/// Rows that delete.
fn deletions(prefix: &str, n: usize) -> String {
    (0..n).fold(String::new(), |mut rows, n| {
        writeln!(rows, "{{\"key\":\"{prefix}/{n}\",\"delete\":true}}").unwrap();
        rows
    })
}

#[test]
fn a43_a_member_that_was_away_hears_of_a_new_one_from_the_new_one_itself() {
    let place = TestDir::new();
    let a = place.founder("a");
    let away = place.invited(&a, "m5", &[]);
    let written = away.put("k", "v");
    a.waits_for("m5", written);
    let away = away.leaves();
    let new = place.invited(&a, "n", &[]);
    let here = new.put("k", "new");
    a.waits_for("n", here);
    new.waits_for("m5", written);
    let a = a.leaves();

    // Nobody else could announce it.
    let away = away.returns();
    away.waits_links(1);
    away.waits_for("n", here);
    assert_eq!(away.get("n", "k"), "new");
    assert_eq!(grants(&away), grants(&new));
    assert_eq!((away.refused("not_admitted"), new.refused("refused_by_peer")), (0, 0));
    let last = away.put("k", "w");
    let a = a.returns();
    a.waits_for("m5", last);
    a.waits(|_| a.roots() == away.roots() && a.roots() == new.roots());
}

/// The members in the roster, without what each sees of the others.
fn grants(member: &Member) -> Value {
    let mut members = member.ask(&["members", "--json"]).json();
    for row in members["members"].as_array_mut().unwrap() {
        row.as_object_mut()
            .unwrap()
            .retain(|name, _| !["dialling", "reach", "unreachable_since"].contains(&name.as_str()));
    }
    members
}

#[test]
fn a44_a_first_copy_of_a_shard_that_always_changes_completes_over_a_long_line() {
    let place = TestDir::new();
    let a = Relayed::founder(&place, "a", 1);
    let value = format!("\"{}\"", "0123456789".repeat(100));
    let rows = place.file("rows.jsonl", rows("row", ROWS, &value));
    let imported = a.member.ask(&["import", &rows, "--json"]).json();
    assert_eq!(imported["written"], ROWS);
    // A round trip takes twice as long.
    a.relay.set(Line { delay: Duration::from_millis(40), ..Line::GOOD });

    let writer = Writer::of(&a.member.dir);
    let b = place.invited(&a.member, "b", &[]);
    b.waits_for("a", imported["timestamp"].as_u64().unwrap());
    let (n_commits, last) = writer.stops();
    assert!(n_commits > 20, "{n_commits} commits while it was copied");
    b.waits_for("a", last);
    a.member.waits(|_| a.member.roots() == b.roots());
    assert_eq!(b.n_items("a"), a.member.n_items("a"));
    for member in [&a.member, &b] {
        VIOLATIONS.iter().for_each(|violation| assert_eq!(member.refused(violation), 0, "{violation}"));
    }
}

/// Refusals after which the announcing peer is backed off.
const VIOLATIONS: [&str; 7] =
    ["malformed", "signature", "node", "range", "wrong_answer", "frame", "penalized"];
/// Too much for a delta.
const ROWS: usize = 20_000;

/// Commits to a member every 20 ms.
struct Writer {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<(u64, u64)>,
}

impl Writer {
    fn of(dir: &Path) -> Self {
        let (mut api, (stop, stopped)) = (Api::open(dir).unwrap(), mpsc::channel());
        let thread = thread::spawn(move || {
            let (mut n_commits, mut last) = (0, 0);
            while stopped.recv_timeout(Duration::from_millis(20)) == Err(RecvTimeoutError::Timeout) {
                let answer = api.put(&[(format!("row/{}", n_commits * 37), n_commits.to_string())]).unwrap();
                last = answer.json()["timestamp"].as_u64().unwrap();
                n_commits += 1;
            }
            (n_commits, last)
        });
        Self { stop, thread }
    }

    /// The number of commits it made, and the timestamp of the last one.
    fn stops(self) -> (u64, u64) {
        drop(self.stop);
        self.thread.join().unwrap()
    }
}
