//! `datafan import`: files of rows, good and bad.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::Place;
use flate2::{Compression, write::GzEncoder};
use serde_json::json;
use std::io::Write;

#[test]
fn rows_become_items_as_they_stand() {
    let place = Place::new();
    let member = place.founder("a");
    member.put("gone", "x");
    let rows = concat!(
        "{\"key\":\"text\",\"value\":\"gr\\u00fcn\",\"owner\":\"whoever\"}\n",
        "{\"key\":\"json\",\"value\":{ \"b\" : 1.50 }}\n",
        "{\"key\":\"null\",\"value\":null}\n",
        "{\"key\":\"bytes\",\"value_base64\":\"AP8=\"}\n",
        "\n",
        "{\"key\":\"gone\"}\n",
    );
    let done = member.ask_with(&["import", "-", "--json"], rows.as_bytes()).json();
    assert_eq!((&done["written"], &done["unchanged"]), (&json!(5), &json!(0)));
    for (key, value) in [("text", "grün"), ("json", "{ \"b\" : 1.50 }"), ("null", "null")] {
        assert_eq!(member.ask(&["get", key]).out, value, "{key}");
    }
    assert_eq!(member.ask(&["get", "bytes", "--json"]).json()["value_base64"], "AP8=");
    member.ask(&["get", "gone"]).fails(4, "gone");
}

#[test]
fn large_files_go_in_many_commits_also_zipped() {
    let place = Place::new();
    let member = place.founder("a");
    let value = "v".repeat(900);
    let mut zip = GzEncoder::new(Vec::new(), Compression::fast());
    for n in 0..10_000 {
        writeln!(zip, "{{\"key\":\"key-{n}\",\"value\":\"{value}\"}}").unwrap();
    }
    // Known by its content: the name does not say it.
    let file = place.file("rows", zip.finish().unwrap());
    let done = member.ask(&["import", &file, "--json"]).json();
    assert_eq!((&done["written"], &done["unchanged"]), (&json!(10_000), &json!(0)));
    let again = member.ask(&["import", &file, "--json"]).json();
    assert_eq!((&again["written"], &again["unchanged"]), (&json!(0), &json!(10_000)));
    assert_eq!(again["timestamp"], done["timestamp"]);
}

#[test]
fn a_malformed_line_is_named_and_what_was_imported_before_it() {
    let place = Place::new();
    let member = place.founder("a");
    for (name, bad, what) in [
        ("cut", "{\"key\":\"c\",\"val", "EOF while parsing a string"),
        ("no-key", "{\"value\":1}", "missing field `key`"),
        ("system", "{\"key\":\"_sys/x\",\"value\":1}", "key \"_sys/x\" is the system's"),
        ("both", "{\"key\":\"c\",\"value\":1,\"value_base64\":\"AA==\"}", "has both value and value_base64"),
    ] {
        let rows = format!(
            "{{\"key\":\"{name}/1\",\"value\":1}}\n{{\"key\":\"{name}/2\",\"value\":2}}\n{bad}\n{{\"key\":\"d\"}}\n"
        );
        let file = place.file(&format!("{name}.jsonl"), rows);
        let done = member.ask(&["import", &file]);
        done.fails(1, &format!("{name}.jsonl: line 3: {what}"));
        done.fails(1, "the 2 rows before it were imported");
        assert_eq!(member.ask(&["ls", "--json", "--prefix", &format!("{name}/")]).lines().len(), 2);
    }
    member.ask(&["import", "/nowhere/rows.jsonl"]).fails(1, "/nowhere/rows.jsonl");
}

#[test]
fn an_empty_file_changes_nothing() {
    let place = Place::new();
    let member = place.founder("a");
    let timestamp = member.put("k", "v");
    let file = place.file("empty.jsonl", "");
    let done = member.ask(&["import", &file, "--json"]).json();
    assert_eq!(done, json!({"timestamp": timestamp, "written": 0, "unchanged": 0}));
}
