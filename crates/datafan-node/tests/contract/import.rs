//! `import`, and commits over HTTP: valid and invalid rows, with the same rules for both.

use crate::common::{Member, TestDir, api::Api, string};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use std::io::Write;

#[test]
fn rows_become_items_as_they_stand() {
    let place = TestDir::new();
    let member = place.founder("a");
    member.put("gone", "x");
    let rows = concat!(
        "{\"key\":\"text\",\"value\":\"gr\\u00fcn\",\"owner\":\"a\"}\n",
        "{\"key\":\"json\",\"value\":{ \"b\" : 1.50 }}\n",
        "{\"key\":\"null\",\"value\":\"null\"}\n",
        "{\"key\":\"bytes\",\"value_base64\":\"AP8=\"}\n",
        "\n",
        "{\"key\":\"gone\",\"delete\":true}\n",
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
    let place = TestDir::new();
    let member = place.founder("a");
    let value = "v".repeat(900);
    let mut zip = GzEncoder::new(Vec::new(), Compression::fast());
    for n in 0..10_000 {
        writeln!(zip, "{{\"key\":\"key-{n}\",\"value\":\"{value}\"}}").unwrap();
    }
    // Detected by its content, not by its name.
    let file = place.file("rows", zip.finish().unwrap());
    let done = member.ask(&["import", &file, "--json"]).json();
    assert_eq!((&done["written"], &done["unchanged"]), (&json!(10_000), &json!(0)));
    let again = member.ask(&["import", &file, "--json"]).json();
    assert_eq!((&again["written"], &again["unchanged"]), (&json!(0), &json!(10_000)));
    assert_eq!(again["timestamp"], done["timestamp"]);
}

#[test]
fn a_malformed_line_is_named_and_what_was_imported_before_it() {
    let place = TestDir::new();
    let member = place.founder("a");
    for (name, bad, what) in [
        ("cut", "{\"key\":\"c\",\"val", "EOF while parsing a string"),
        ("no-key", "{\"value\":1}", "missing field `key`"),
        ("system", "{\"key\":\"_sys/x\",\"value\":1}", "key \"_sys/x\" is a system key"),
        (
            "both",
            "{\"key\":\"c\",\"value\":1,\"value_base64\":\"AA==\"}",
            "has more than one of value, value_base64 and delete",
        ),
    ] {
        let rows = format!(
            "{{\"key\":\"{name}/1\",\"value\":1}}\n{{\"key\":\"{name}/2\",\"value\":2}}\n\
             {bad}\n{{\"key\":\"d\"}}\n"
        );
        let file = place.file(&format!("{name}.jsonl"), rows);
        let done = member.ask(&["import", &file]);
        done.fails(1, &format!("{name}.jsonl: line 3: {what}"));
        done.fails(1, "the 2 rows before were imported");
        assert_eq!(member.ask(&["ls", "--json", "--prefix", &format!("{name}/")]).lines().len(), 2);
    }
    member.ask(&["import", "/nowhere/rows.jsonl"]).fails(1, "/nowhere/rows.jsonl");
}

#[test]
fn an_empty_file_changes_nothing() {
    let place = TestDir::new();
    let member = place.founder("a");
    let timestamp = member.put("k", "v");
    let file = place.file("empty.jsonl", "");
    let done = member.ask(&["import", &file, "--json"]).json();
    assert_eq!((&done["timestamp"], &done["written"]), (&json!(timestamp), &json!(0)));
}

/// Ambiguous rows, and what the error must name.
const UNCLEAR: [(&str, &[&str]); 5] = [
    (r#"{"key":"color","vaule":"green"}"#, &["vaule"]),
    (r#"{"key":"color"}"#, &["\"delete\": true", "\"value\""]),
    (r#"{"key":"color","value":null}"#, &["\"delete\": true", "\"value\": \"null\""]),
    (r#"{"key":"color","value":"x","delete":true}"#, &["more than one"]),
    (r#"{"key":"color","delete":true,"expires":"2026-01-31T23:59:59Z"}"#, &["expire"]),
];

#[test]
fn what_could_mean_two_things_is_an_error_in_import_and_in_a_commit() {
    let place = TestDir::new();
    let member = place.founder("a");
    member.put("color", "red");
    let mut api = Api::open(&member.dir).unwrap();
    for (row, named) in UNCLEAR {
        let done = member.ask_with(&["import", "-"], format!("\n{row}\n").as_bytes());
        done.fails(1, "line 2: ");
        let answer = api.post("/v1/commit", &format!(r#"{{"writes":[{row}]}}"#)).unwrap();
        assert_eq!(answer.status, 400, "{row}: {}", answer.body);
        // In the body it is JSON within JSON.
        let refused = string(&answer.json()["error"]);
        for text in named {
            assert!(done.err.contains(text), "{row}: {}", done.err);
            assert!(refused.contains(text), "{row}: {refused}");
        }
    }
    assert_eq!(member.get("a", "color"), "red", "it was neither deleted nor replaced");
}

#[test]
fn json_values_are_their_text_in_import_and_in_a_commit() {
    let place = TestDir::new();
    let member = place.founder("a");
    let mut api = Api::open(&member.dir).unwrap();
    for value in [r#"{ "b" : 1.50 }"#, "[1, null]", "1e2", "true", r#""plain""#] {
        let text = value.trim_matches('"');
        let row = format!(r#"{{"key":"k","value":{value}}}"#);
        let answer = api.post("/v1/commit", &format!(r#"{{"writes":[{row}]}}"#)).unwrap();
        assert_eq!((answer.status, member.get("a", "k")), (200, text.to_owned()), "{}", answer.body);
        let done = member.ask_with(&["import", "-", "--json"], row.as_bytes()).json();
        assert_eq!(done["unchanged"], 1, "import means the same: {value}");
    }
    let deleted = api.post("/v1/commit", r#"{"writes":[{"key":"k","delete":true}]}"#).unwrap();
    assert_eq!(deleted.json()["written"], 1);
    member.ask(&["get", "k"]).fails(4, "k");
}

#[test]
fn what_export_writes_comes_back_with_its_expiry() {
    let place = TestDir::new();
    let member = place.founder("a");
    member.put("stays", "1");
    assert_eq!(member.ask(&["put", "ends", "2", "--ttl", "1h"]).code, 0);
    let exported = member.ask(&["export"]).out;
    let again = member.ask_with(&["import", "-", "--json"], exported.as_bytes()).json();
    assert_eq!((&again["written"], &again["unchanged"]), (&json!(0), &json!(2)), "the expiry is the same");
    assert_eq!(member.ask(&["del", "stays", "ends"]).code, 0);
    assert_eq!(member.ask_with(&["import", "-"], exported.as_bytes()).code, 0);
    let expires = |text: &str| {
        let line: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        string(&line["expires"])
    };
    assert_eq!(expires(&member.ask(&["get", "ends", "--json"]).out), expires(&exported));
}

#[test]
fn rows_of_other_owners_are_taken_only_on_demand() {
    let place = TestDir::new();
    let (a, b) = two(&place);
    let exported = a.ask(&["export", "--all"]).out;
    assert_eq!(exported.lines().count(), 3);
    let import =
        |more: &[&str]| a.ask_with(&[&["import", "-", "--json"], more].concat(), exported.as_bytes());
    let refused = import(&[]);
    refused.fails(1, "of owner b");
    refused.fails(1, "--owner b");
    refused.fails(1, "--merge-owners");
    assert_eq!(a.get("a", "shared"), "of a");
    let taken = import(&["--owner", "b"]);
    assert_eq!((taken.json()["written"].as_u64(), a.get("a", "shared").as_str()), (Some(2), "of b"));
    assert!(taken.err.contains("1 row of other owners"), "{}", taken.err);
    import(&["--owner", "nobody"]).fails(4, "nobody");
    assert_eq!(import(&["--merge-owners"]).code, 0);
    assert_eq!(b.get("b", "only"), "of b");
}

#[test]
fn a_name_alone_says_whose_a_row_is_in_import_and_a_commit_too() {
    let place = TestDir::new();
    let a = place.founder("a");
    let mut api = Api::open(&a.dir).unwrap();
    let mut commit = |row: &str| api.post("/v1/commit", &format!(r#"{{"writes":[{row}]}}"#)).unwrap();
    for foreign in [
        r#"{"owner_name":"b","key":"k","value":"v"}"#,
        r#"{"owner":"b","key":"k","value":"v"}"#,
        r#"{"owner":"b","owner_name":"a","key":"k","delete":true}"#,
    ] {
        a.ask_with(&["import", "-"], foreign.as_bytes()).fails(1, "row of owner");
        let answer = commit(foreign);
        assert_eq!(answer.status, 400, "{foreign}: {}", answer.body);
        assert!(string(&answer.json()["error"]).contains("to owner \"b\""), "{}", answer.body);
    }
    a.ask(&["get", "k"]).fails(4, "k");
    let named =
        format!("{}\n{}\n", r#"{"owner_name":"b","key":"k","value":"v"}"#, r#"{"key":"l","value":"v"}"#);
    let taken = a.ask_with(&["import", "-", "--owner", "b", "--json"], named.as_bytes());
    assert_eq!(taken.json()["written"], 1);
    // Its own rows come back both ways, as they were exported.
    let line = a.ask(&["export"]).out;
    assert_eq!(a.ask_with(&["import", "-", "--json"], line.as_bytes()).json()["unchanged"], 1);
    let answer = commit(line.trim());
    assert_eq!((answer.status, answer.json()["unchanged"].as_u64()), (200, Some(1)), "{}", answer.body);
}

/// Members `a` and `b`; `a` holds everything that `b` wrote.
fn two(place: &TestDir) -> (Member, Member) {
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    a.put("shared", "of a");
    b.put("only", "of b");
    let last = b.put("shared", "of b");
    a.waits_for("b", last);
    (a, b)
}
