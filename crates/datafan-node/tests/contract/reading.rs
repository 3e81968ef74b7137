//! The output of `get`, `ls`, `export`, `del` and `status`, on terminals and in pipes.

use crate::common::{TestDir, datafan_bytes, string, text};
use serde_json::Value;
use std::process::{Command, Stdio};

#[test]
fn keys_are_listed_for_scripts() {
    let place = TestDir::new();
    let a = place.founder("a");
    for key in ["b/2", "b/1", "a\nb", "c"] {
        a.put(key, "v");
    }
    assert_eq!(a.ask(&["ls", "--keys"]).out, "a\nb\nb/1\nb/2\nc\n");
    assert_eq!(a.ask(&["ls", "--keys", "-0"]).out, "a\nb\0b/1\0b/2\0c\0");
    assert_eq!(a.ask(&["ls", "b/", "--keys"]).out, "b/1\nb/2\n");
    assert_eq!(a.ask(&["ls", "--prefix", "b/", "--keys"]).out, "b/1\nb/2\n");
    a.ask(&["ls", "b/", "--prefix", "b/"]).fails(2, "cannot be used with");
    a.ask(&["ls", "-0"]).fails(2, "--keys");
    a.ask(&["ls", "--keys", "--json"]).fails(2, "cannot be used together");
    let exported = a.ask(&["export", "--prefix", "b/"]).lines();
    assert_eq!(exported.iter().map(|line| string(&line["key"])).collect::<Vec<_>>(), ["b/1", "b/2"]);
}

#[test]
fn keys_are_removed_by_their_beginning_and_missing_ones_may_be_no_error() {
    let place = TestDir::new();
    let a = place.founder("a");
    let rows: String = (0..5_000).map(|n| format!("{{\"key\":\"b/{n}\",\"value\":{n}}}\n")).collect();
    let rows = place.file("rows", rows);
    assert_eq!(a.ask(&["import", &rows]).code, 0);
    a.put("c", "stays");
    let done = a.ask(&["del", "--prefix", "b/", "--json"]).json();
    assert_eq!((&done["written"], a.ask(&["ls", "--keys"]).out.as_str()), (&5_000.into(), "c\n"));
    a.ask(&["del", "--prefix", "b/"]).fails(4, "no key begins with \"b/\"");
    assert_eq!(a.ask(&["del", "--prefix", "b/", "--ignore-missing"]).code, 0);
    a.ask(&["del", "--prefix", ""]).fails(2, "every key");
    a.ask(&["del", "c", "--prefix", "c"]).fails(2, "cannot be used with");
    let done = a.ask(&["del", "none", "c", "--ignore-missing"]);
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    assert_eq!(a.ask(&["ls"]).out, "");
}

#[test]
fn get_names_who_else_has_the_key() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    a.waits_for("b", b.put("color", "red"));
    a.ask(&["get", "color"]).fails(4, "a has no key \"color\"; b has it: --owner b");
    let none = a.ask(&["get", "nothing"]);
    none.fails(4, "a has no key \"nothing\"");
    assert!(!none.err.contains("--owner"), "{}", none.err);
    b.ask(&["get", "nothing", "--owner", "a"]).fails(4, "a has no key \"nothing\"");
    let several = ["e", "d", "c"].map(|name| place.invited(&a, name, &[]));
    for (member, name) in several.iter().zip(["e", "d", "c"]) {
        a.waits_for(name, member.put("shape", "round"));
    }
    a.ask(&["get", "shape"]).fails(4, "; c, d, e have it: --owner NAME");
}

#[test]
fn a_value_takes_no_effect_on_a_terminal_and_loses_no_byte_in_a_pipe() {
    let place = TestDir::new();
    let a = place.founder("a");
    let value = b"one\ttab\nline \x1b]0;title\x07 \xff \\";
    let file = place.file("value", value);
    assert_eq!(a.ask(&["put", "k", "--file", &file]).code, 0);
    let dir = text(&a.dir);
    let (_, bytes, _) = datafan_bytes(&["get", "k", "--data-dir", &dir], &[]);
    assert_eq!(bytes, value);
    let line = a.ask(&["get", "k", "--all"]).out;
    assert_eq!(line, "a\tone\\u{9}tab\\u{a}line \\u{1b}]0;title\\u{7} \\xff \\\\\n", "nothing is lost");
    let json: Value = serde_json::from_str(&a.ask(&["get", "k", "--all", "--json"]).out).unwrap();
    assert!(json["value_base64"].is_string());

    let Some(shown) = on_a_terminal(&["get", "k", "--data-dir", &dir]) else { return };
    assert!(!shown.contains(&0x1b) && !shown.contains(&0x07) && !shown.contains(&0xff), "{shown:?}");
    let shown = String::from_utf8(shown).unwrap();
    assert!(shown.contains("one\ttab\r\nline \\u{1b}]0;title\\u{7} \\xff \\"), "{shown}");
    let raw = on_a_terminal(&["get", "k", "--raw", "--data-dir", &dir]).unwrap();
    assert!(raw.windows(4).any(|bytes| bytes == b"\x1b]0;"), "{raw:?}");
}

/// The output of a command on a terminal; `None`, with a message, if `script` is not installed.
fn on_a_terminal(args: &[&str]) -> Option<Vec<u8>> {
    let quoted: Vec<String> = args.iter().map(|word| format!("'{word}'")).collect();
    let command = format!("'{}' {}", env!("CARGO_BIN_EXE_datafan"), quoted.join(" "));
    let made = Command::new("script").args(["-qec", &command, "/dev/null"]).stdin(Stdio::null()).output();
    match made {
        Ok(output) if output.status.success() => Some(output.stdout),
        other => {
            eprintln!("not shown on a terminal: script(1) is missing or differs: {other:?}");
            None
        }
    }
}

#[test]
fn a_time_stands_beside_every_timestamp() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    a.waits_for("b", b.put("k", "v"));
    let rows = place.file("rows", "{\"key\":\"x\",\"value\":1}\n");
    let all: [&[&str]; 10] = [
        &["put", "k", "v"],
        &["del", "k"],
        &["import", &rows],
        &["get", "x"],
        &["ls"],
        &["export", "--all"],
        &["status"],
        &["wait", "--timestamp", "1"],
        &["grant", "b", "--items", "7"],
        &["restamp"],
    ];
    for args in all {
        let done = a.ask(&[args, &["--json"]].concat());
        assert_eq!(done.code, 0, "{args:?}: {}", done.err);
        let mut seen = 0;
        done.out.lines().for_each(|line| each_has_its_time(&serde_json::from_str(line).unwrap(), &mut seen));
        assert!(seen > 0, "{args:?} names a timestamp: {}", done.out);
    }
}

/// Every `timestamp` has a `time` beside it: text, but null for 0 and null.
fn each_has_its_time(value: &Value, seen: &mut usize) {
    match value {
        Value::Object(fields) => {
            if let Some(timestamp) = fields.get("timestamp") {
                *seen += 1;
                let none = timestamp.is_null() || *timestamp == 0;
                assert!(fields["time"].is_string() != none, "{value}");
            }
            fields.values().for_each(|value| each_has_its_time(value, seen));
        }
        Value::Array(values) => values.iter().for_each(|value| each_has_its_time(value, seen)),
        _ => {}
    }
}

#[test]
fn tables_are_sorted_by_name_and_a_peer_has_one_row() {
    let place = TestDir::new();
    let a = place.founder("m");
    let peers: Vec<_> = ["z", "b"].map(|name| place.invited(&a, name, &[])).into();
    peers.iter().for_each(|peer| peer.waits_links(1));
    a.waits_links(2);
    let names = |text: &str, heading: &str| {
        let lines = text.lines().skip_while(|line| !line.starts_with(heading)).skip(1);
        let lines = lines.take_while(|line| !line.is_empty());
        lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let members = a.ask(&["members"]).out;
    assert_eq!(names(&members, "NAME"), ["b", "m", "z"], "{members}");
    let status = a.ask(&["status"]).out;
    assert_eq!(names(&status, "LINK"), ["b", "z"], "{status}");
    let shards: Vec<_> = names(&status, "SHARD OF").into_iter().filter(|name| name.len() == 1).collect();
    assert_eq!(shards, ["b", "m", "z"], "{status}");
    // Nobody has written anything: there are only system items.
    let own = status.lines().find(|line| line.starts_with("m ") && line.contains(" member ")).unwrap();
    assert!(own.contains(" 0 ") && own.contains("0 B"), "{own}");
}
