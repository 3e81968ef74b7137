//! The room that a member's store takes, and reads that go on where one was broken off.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{Place, api::Api, text};

#[test]
fn a56_a_list_goes_on_after_a_key_and_the_status_says_what_the_store_takes() {
    let place = Place::new();
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
    // Before the prefix nothing is left out.
    assert_eq!(names(&keys("/v1/export?prefix=b&after=a").1), ["b/1", "b/2"]);
    let (_, all) = keys("/v1/export?all=true&after=b/2&after_owner=a");
    assert_eq!(names(&all), ["c"]);
    assert_eq!(keys("/v1/list?all=true&after=a").0, 400, "whose key?");
    assert_eq!(keys("/v1/list?after_owner=a").0, 400);
    let status = keys("/v1/status").1.remove(0);
    let (file, free) = (&status["store"]["file_bytes"], &status["store"]["free_bytes"]);
    assert!(file.as_u64().unwrap() > 4_000 && free.as_u64().unwrap() < file.as_u64().unwrap(), "{status}");
    assert!(status["store"]["oldest_read_ms"].is_null());
    let listed = common::datafan(&["--data-dir", &dir, "ls", "--after", "b/2", "--json"]);
    assert_eq!((listed.code, listed.out.lines().count()), (0, 1), "{}", listed.out);
    let shown = common::datafan(&["--data-dir", &dir, "status"]);
    let told = shown.out.lines().any(|line| line.starts_with("store ") && line.contains("on disk"));
    assert!(told, "{}", shown.out);
}
