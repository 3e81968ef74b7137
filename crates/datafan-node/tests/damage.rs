//! Six bytes of an item are overwritten on disk, of another member's shard or the own one: what `verify`
//! reports, what `--repair` keeps, and what comes back.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{Away, Done, Member, TestDir, datafan, text};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// docs/disk-format.md: in files below this size, every page is checked when the file is opened.
const CHECKED_BYTES_MAX: u64 = 16 << 20;
const KEYS: usize = 300;

#[test]
fn six_wrong_bytes_of_an_item_are_named_and_that_item_comes_from_the_owner_again() {
    let place = TestDir::new();
    let (a, b) = apart(&place, 60_000);
    let store = b.dir.join("store.redb");
    assert!(fs::metadata(&store).unwrap().len() > CHECKED_BYTES_MAX);
    overwrite(&store, b"value-150.");

    let found = verify(&b.dir, &["--json"]);
    assert_eq!(found.code, 5, "{}", found.err);
    let found: Value = serde_json::from_str(&found.out).unwrap();
    let [damage] = &shard(&found, "a")["findings"].as_array().unwrap()[..] else { panic!("{found}") };
    assert_eq!((&damage["what"], &damage["from"]), (&json!("item"), &damage["to"]));
    assert_eq!(shard(&found, "b")["findings"], json!([]));
    let told = verify(&b.dir, &[]);
    assert!(
        told.out.contains(&format!("a  {}: an item is missing or differs", damage["from"])),
        "{}",
        told.out
    );

    // What can be read is kept for comparison, including the wrong item.
    let repaired = verify(&b.dir, &["--repair", "--json"]).json();
    let (kept, good) = (shard(&repaired, "a")["kept"].as_u64(), shard(&found, "a")["items"].as_u64());
    assert_eq!(kept, good.map(|good| good + 1));
    assert_eq!(shard(&repaired, "b").get("kept"), None, "what is sound is left alone");
    comes_back(&a, &b, "kept");
}

#[test]
fn of_a_small_file_that_redb_refuses_the_rows_are_kept_and_nothing_of_its_own_is_lost() {
    let place = TestDir::new();
    let (a, b) = apart(&place, 100);
    let store = b.dir.join("store.redb");
    assert!(fs::metadata(&store).unwrap().len() < CHECKED_BYTES_MAX);
    overwrite(&store, b"value-150.");
    let bytes = fs::read(&store).unwrap();

    // The member does not run on it, and no backup is made of it.
    let dir = text(&b.dir);
    datafan(&["run", "--data-dir", &dir, "--listen", "127.0.0.1:0"]).fails(1, "verify --repair");
    datafan(&["backup", &text(&place.path("saved")), "--data-dir", &dir]).fails(5, "verify --repair");
    let found = verify(&b.dir, &["--json"]);
    assert_eq!(found.code, 5, "{}", found.err);
    let found: Value = serde_json::from_str(&found.out).unwrap();
    let [damage] = &shard(&found, "a")["findings"].as_array().unwrap()[..] else { panic!("{found}") };
    assert_eq!((&found["sound"], &damage["what"]), (&json!(false), &json!("item")));
    assert_eq!(shard(&found, "b")["findings"], json!([]));
    assert_eq!(fs::read(&store).unwrap(), bytes, "nothing was changed");

    let repaired = verify(&b.dir, &["--repair", "--json"]).json();
    let (kept, good) = (shard(&repaired, "a")["kept"].as_u64(), shard(&found, "a")["items"].as_u64());
    assert_eq!((kept, shard(&repaired, "b").get("kept")), (good.map(|good| good + 1), None));
    assert_eq!(fs::read(repaired["moved_to"].as_str().unwrap()).unwrap(), bytes);
    comes_back(&a, &b, "kept");
}

#[test]
fn of_its_own_shard_what_can_be_read_is_listed_and_taken_back() {
    let place = TestDir::new();
    let (a, b) = apart(&place, 100);
    overwrite(&b.dir.join("store.redb"), b"own-value-of-b");
    let found = verify(&b.dir, &["--json"]);
    let found: Value = serde_json::from_str(&found.out).unwrap();
    let [damage] = &shard(&found, "b")["findings"].as_array().unwrap()[..] else { panic!("{found}") };
    assert_eq!(damage["what"], "item");
    let told = verify(&b.dir, &["--repair"]);
    assert!(told.code == 0 && told.err.contains("datafan recovered"), "{}", told.err);
    assert_eq!(verify(&b.dir, &["--json"]).json()["sound"], true, "all that is there can be believed");

    let (b, a) = (b.returns(), a.returns());
    // The mesh's data is back before anything is written; items that only the divergent copy has are listed.
    a.waits_for("b", b.put("later", "of b"));
    assert_eq!((b.get("b", "mine").as_str(), b.get("b", "third").as_str()), ("of b", "own-value-of-b"));
    b.ask(&["get", "alone"]).fails(4, "alone");
    let lacking = lacking(&b);
    assert_eq!(lacking, ["alone"]);
    assert_eq!(b.ask(&["recovered", "--take", "--json"]).json()["written"], 1);
    a.waits_for("b", b.put("last", "of b"));
    assert_eq!((a.get("b", "alone").as_str(), b.get("b", "alone").as_str()), ("kept", "kept"));
    assert!(b.ask(&["status", "--json"]).json()["divergent"].is_null());
    assert_eq!(a.roots(), b.roots());
}

#[test]
fn who_is_alone_begins_its_damaged_shard_anew_and_takes_back_what_can_be_read() {
    let place = TestDir::new();
    let a = place.founder("a");
    a.put("good", "value");
    a.put("bad", "own-value-of-a");
    let a = a.leaves();
    overwrite(&a.dir.join("store.redb"), b"own-value-of-a");
    assert!(verify(&a.dir, &["--repair"]).err.contains("run --abandon"));
    let a = Member::run(&a.dir, &["--abandon"]);
    a.put("new", "value");
    assert_eq!(lacking(&a), ["good"]);
    assert_eq!(a.ask(&["recovered", "--take", "--json"]).json()["written"], 1);
    assert_eq!((a.get("a", "good").as_str(), a.get("a", "new").as_str()), ("value", "value"));
    a.ask(&["get", "bad"]).fails(4, "bad");
}

/// Keys that only the divergent copy has.
fn lacking(member: &Member) -> Vec<String> {
    let rows = member.ask(&["recovered", "--json"]).lines();
    let rows = rows.iter().filter(|row| row["state"] == "lacking");
    rows.map(|row| row["key"].as_str().unwrap().to_owned()).collect()
}

/// A stopped founder and a stopped invited member that hold each other's data; the second one has written
/// `alone`, which nobody else has.
fn apart(place: &TestDir, value_bytes: usize) -> (Away, Away) {
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    let rows: String = (0..KEYS)
        .map(|n| {
            let value = format!("{:x<value_bytes$}", format!("value-{n}."));
            format!("{{\"key\":\"k{n}\",\"value\":\"{value}\"}}\n")
        })
        .collect();
    let last = a.ask(&["import", &place.file("rows", rows), "--json"]).json()["timestamp"].as_u64().unwrap();
    b.waits_for("a", last);
    b.put("third", "own-value-of-b");
    a.waits_for("b", b.put("mine", "of b"));
    let a = a.leaves();
    b.put("alone", "kept");
    (a, b.leaves())
}

/// The member runs, keeps its own shard, and gets the other one as its owner has it.
fn comes_back(a: &Away, b: &Away, alone: &str) {
    let b = b.returns();
    let a = a.returns();
    a.waits_for("b", b.put("later", "of b"));
    b.waits_for("a", a.put("later", "of a"));
    assert!(b.get("a", "k150").starts_with("value-150.x"));
    assert_eq!((b.get("b", "mine").as_str(), b.get("b", "alone").as_str()), ("of b", alone));
    assert_eq!(a.roots(), b.roots());
    let dir = b.dir.clone();
    assert_eq!(b.terminate(), 0);
    assert_eq!(verify(&dir, &["--json"]).json()["sound"], true);
}

/// Overwrites six bytes wherever this text occurs in a file, including old copies.
fn overwrite(store: &Path, text: &[u8]) {
    let mut bytes = fs::read(store).unwrap();
    let places: Vec<_> = bytes.windows(text.len()).enumerate().filter(|(_, part)| *part == text).collect();
    let places: Vec<usize> = places.into_iter().map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| bytes[at..at + 6].fill(b'?'));
    fs::write(store, bytes).unwrap();
}

fn verify(dir: &Path, more: &[&str]) -> Done {
    datafan(&[&["verify", "--data-dir", &text(dir)], more].concat())
}

fn shard<'a>(report: &'a Value, owner: &str) -> &'a Value {
    report["shards"].as_array().unwrap().iter().find(|shard| shard["owner_name"] == owner).unwrap()
}
