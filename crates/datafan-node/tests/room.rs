//! The disk space of a member's store, and reads that continue after an interruption.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{TestDir, api::Api, text};

#[test]
fn a56_a_list_goes_on_after_a_key_and_the_status_says_what_the_store_takes() {
    let place = TestDir::new();
    let a = place.founder("a");
    let dir = text(&a.dir);
    let mut api = Api::open(&a.dir).unwrap();
    let rows = ["a", "b/1", "b/2", "c"].map(|key| (key.to_owned(), "x".repeat(1_000)));
    assert_eq!(api.put(&rows).unwrap().status, 200);
    let mut keys = |path: &str| {
        let answer = api.get(path).unwrap();
        let lines = answer.body.lines().map(|line| serde_json::from_str(line).unwrap());
        (answer.status, lines.collect::<Vec<serde_json::Value>>())
    };
    let names = |rows: &[serde_json::Value]| {
        rows.iter().map(|row| row["key"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&keys("/v1/list?after=b/1").1), ["b/2", "c"]);
    // Nothing before the prefix is left out.
    assert_eq!(names(&keys("/v1/export?prefix=b&after=a").1), ["b/1", "b/2"]);
    let (_, all) = keys("/v1/export?all=true&after=b/2&after_owner=a");
    assert_eq!(names(&all), ["c"]);
    assert_eq!(keys("/v1/list?all=true&after=a").0, 400, "whose key?");
    assert_eq!(keys("/v1/list?after_owner=a").0, 400);
    let status = keys("/v1/status").1.remove(0);
    let (file, free) = (&status["store"]["file_bytes"], &status["store"]["free_bytes"]);
    assert!(file.as_u64().unwrap() > 4_000 && free.as_u64().unwrap() < file.as_u64().unwrap(), "{status}");
    assert!(status["store"]["oldest_read_ms"].is_null());
    // What is written after the count is not shown as free.
    let rows: Vec<_> = (0..60).map(|n| (format!("a/large/{n}"), "x".repeat(50_000))).collect();
    assert_eq!(Api::open(&a.dir).unwrap().put(&rows).unwrap().status, 200);
    let grown = a.waits(|status| status["store"]["file_bytes"].as_u64().unwrap() > 3_000_000);
    let (file, free) = (&grown["store"]["file_bytes"], &grown["store"]["free_bytes"]);
    assert!(free.as_u64().unwrap() < file.as_u64().unwrap() / 2, "{grown}");
    let listed = common::datafan(&["--data-dir", &dir, "ls", "--after", "b/2", "--json"]);
    assert_eq!((listed.code, listed.out.lines().count()), (0, 1), "{}", listed.out);
    let shown = common::datafan(&["--data-dir", &dir, "status"]);
    let told = shown.out.lines().any(|line| line.starts_with("store ") && line.contains("on disk"));
    assert!(told, "{}", shown.out);
}

#[test]
fn compact_makes_the_store_small_while_the_member_runs_and_while_it_does_not() {
    let place = TestDir::new();
    let a = place.founder("a");
    let dir = text(&a.dir);
    let mut api = Api::open(&a.dir).unwrap();
    let rows: Vec<_> = (0..60).map(|n| (format!("key/{n}"), "x".repeat(50_000))).collect();
    assert_eq!(api.put(&rows).unwrap().status, 200);
    let keys: Vec<_> = rows.iter().skip(1).map(|(key, _)| key.as_str()).collect();
    let deleted = common::datafan(&[&["--data-dir", &dir, "del"], &keys[..]].concat());
    assert_eq!(deleted.code, 0, "{}", deleted.err);
    let compacted = common::datafan(&["--data-dir", &dir, "compact", "--json"]);
    assert_eq!(compacted.code, 0, "{}", compacted.err);
    let answer: serde_json::Value = serde_json::from_str(&compacted.out).unwrap();
    let (before, after) = (answer["before"].as_u64().unwrap(), answer["after"].as_u64().unwrap());
    assert!(before > 2_000_000 && after < 400_000, "{answer}");
    assert_eq!(common::datafan(&["--data-dir", &dir, "get", "key/0"]).out.len(), 50_000);
    let _away = a.leaves();
    let compacted = common::datafan(&["--data-dir", &dir, "compact"]);
    assert_eq!(compacted.code, 0, "{}", compacted.err);
    assert!(compacted.out.starts_with("the store takes "), "{}", compacted.out);
    assert!(compacted.err.contains("store.redb"), "{}", compacted.err);
    let missing = common::datafan(&["--data-dir", &text(&place.path("nobody")), "compact"]);
    assert_eq!((missing.code, missing.err.contains("there is no store")), (1, true), "{}", missing.err);
}
