//! `datafan verify`: a store is valid, or the damage is located.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{Done, Member, TestDir, datafan, text};
use redb::{Database, ReadableTable, TableDefinition};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// docs/disk-format.md: shard and timestamp, big-endian, to the item.
const LOG: TableDefinition<'_, &[u8; 12], &[u8]> = TableDefinition::new("log");

#[test]
fn what_was_altered_on_disk_is_found_and_copied_anew() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    let last = (0..40).map(|n| a.put(&format!("k{n}"), &format!("value-{n}."))).max().unwrap();
    b.waits_for("a", last);
    b.ask(&["verify"]).fails(1, "another process uses");
    let (dir, held) = (b.dir.clone(), b.shard("a")["items"].as_u64().unwrap());
    assert_eq!(b.terminate(), 0);

    let sound = verify(&dir, true).json();
    assert_eq!(sound["sound"], true);
    // The member writes its links and addresses at any time.
    let items = shard(&sound, "a")["items"].as_u64().unwrap();
    let most = a.shard("a")["items"].as_u64().unwrap();
    assert!((held..=most).contains(&items), "{items} items: {held} before the end, {most} at their owner");
    assert_eq!(shard(&sound, "a")["findings"], json!([]));
    assert_eq!(sound["shards"].as_array().unwrap().len(), 3, "a, b and the roster");
    let told = verify(&dir, false);
    assert!(told.code == 0 && told.out.contains("sound") && !told.out.contains("damaged"), "{}", told.out);

    let at = alter(&dir, b"value-7.", |row| *row.last_mut().unwrap() ^= 1);
    let found = damaged(&dir);
    assert_eq!(shard(&found, "a")["findings"], json!([{"what": "item", "from": at, "to": at}]));
    assert_eq!(shard(&found, "b")["findings"], json!([]));
    let told = verify(&dir, false);
    assert!(told.out.contains("damaged in one place") && told.out.contains(&at.to_string()), "{}", told.out);
    assert!(told.code == 5 && told.err.contains("verify --repair"), "{}", told.err);

    // No backup is made of it: an existing backup may be the last good one.
    let backup = place.file("b.backup", "good");
    let saved = datafan(&["backup", &backup, "--force", "--data-dir", &text(&dir)]);
    saved.fails(5, "verify --repair");
    assert_eq!(fs::read(&backup).unwrap(), b"good");

    alter(&dir, b"value-9.", |row| row.truncate(1));
    let found = damaged(&dir);
    let last = shard(&found, "a")["findings"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["what"], "unreadable");
    assert_eq!(shard(&found, "b")["findings"], json!([]), "the others are looked at all the same");

    fs::remove_file(dir.join("store.redb")).unwrap();
    datafan(&["verify", "--data-dir", &text(&dir)]).fails(1, "store.redb is missing");
    let b = Member::run(&dir, &[]);
    b.waits_for("a", a.put("k0", "afterwards"));
    assert_eq!(b.get("a", "k7"), "value-7.");
    assert_eq!(b.terminate(), 0);
    assert_eq!(verify(&dir, true).json()["sound"], true);
}

#[test]
fn damaged_ranges_are_repaired_from_the_neighbours() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    let rows = |of: &str| -> String {
        (0..3_000).map(|n| format!("{{\"key\":\"k{n}\",\"value\":\"{of}-{n}.\"}}\n")).collect()
    };
    assert_eq!(a.ask(&["import", &place.file("a.rows", rows("a"))]).code, 0);
    assert_eq!(b.ask(&["import", &place.file("b.rows", rows("b"))]).code, 0);
    a.waits_for("b", b.put("mine", "v"));
    b.waits_for("a", a.put("last", "v"));
    let dir = b.dir.clone();
    assert_eq!(b.terminate(), 0);

    // In each shard, one item is wrong and one cannot be read.
    for of in ["a", "b"] {
        alter(&dir, format!("{of}-700.").as_bytes(), |row| *row.last_mut().unwrap() ^= 1);
        alter(&dir, format!("{of}-1900.").as_bytes(), |row| row.truncate(1));
    }
    damaged(&dir);
    let repaired = datafan(&["verify", "--repair", "--json", "--data-dir", &text(&dir)]).json();
    for of in ["a", "b"] {
        let (kept, all) = (shard(&repaired, of)["kept"].as_u64().unwrap(), 3_002);
        assert!(kept == all || kept == all - 1, "all but what cannot be read: {kept}");
    }

    let (address, home) = (a.address(), a.dir.clone());
    assert_eq!(a.terminate(), 0);
    let b = Member::run(&dir, &[]);
    // Alone, it neither writes nor shows what may be wrong.
    b.ask(&["get", "k1", "--owner", "a"]).fails(4, "");
    let a = Member::run_on(&address, &home, &[]);
    a.waits_for("b", b.put("mine", "afterwards"));
    b.waits_for("a", a.put("last", "afterwards"));
    for of in ["a", "b"] {
        let values = ["k1", "k700", "k1900", "k2999"].map(|key| b.get(of, key));
        assert_eq!(values, ["1", "700", "1900", "2999"].map(|n| format!("{of}-{n}.")));
    }
    assert_eq!(a.roots(), b.roots());
    assert_eq!(b.terminate(), 0);
    assert_eq!(verify(&dir, true).json()["sound"], true);
}

#[test]
fn a_file_that_cannot_be_read_at_all_is_moved_aside_and_comes_back_from_the_mesh() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    b.put("mine", "of b");
    a.waits_for("b", b.put("other", "of b"));
    b.waits_for("a", a.put("k", "of a"));
    let mut b = b.leaves();
    let store = b.dir.join("store.redb");
    // The primary page, and in the second round one in the middle, which redb's own check detects.
    for round in 0..2 {
        let mut bytes = fs::read(&store).unwrap();
        let pages = if round == 0 { vec![0] } else { pages_with(&bytes, b"of b") };
        pages.into_iter().for_each(|page| bytes[page * PAGE_BYTES..][..PAGE_BYTES].fill(0x5a));
        fs::write(&store, &bytes).unwrap();
        let told = verify(&b.dir, true);
        assert_eq!((told.code, told.out.as_str()), (5, ""), "{}", told.err);
        assert!(told.err.contains("verify --repair"), "{}", told.err);
        assert_eq!(fs::read(&store).unwrap(), bytes, "nothing was changed");
        let moved = datafan(&["verify", "--repair", "--json", "--data-dir", &text(&b.dir)]).json();
        let moved = moved["moved_to"].as_str().unwrap().to_owned();
        assert!(!store.exists() && fs::read(&moved).unwrap() == bytes, "{moved}");
        let back = b.returns();
        back.waits_for("a", a.put("k", &format!("of a, {round}")));
        // A write waits until the own shard is back.
        a.waits_for("b", back.put("round", &round.to_string()));
        assert_eq!((back.get("b", "mine").as_str(), back.get("b", "other").as_str()), ("of b", "of b"));
        assert_eq!(a.roots(), back.roots());
        b = back.leaves();
    }
    assert_eq!(verify(&b.dir, true).json()["sound"], true);
}

/// The page size of redb.
const PAGE_BYTES: usize = 4_096;

/// The pages that contain this text, including old copies.
fn pages_with(bytes: &[u8], text: &[u8]) -> Vec<usize> {
    let pages = bytes.chunks(PAGE_BYTES).enumerate();
    pages.filter(|(_, page)| page.windows(text.len()).any(|part| part == text)).map(|(n, _)| n).collect()
}

fn verify(dir: &Path, json: bool) -> Done {
    let dir = text(dir);
    let args = ["verify", "--data-dir", &dir, "--json"];
    datafan(if json { &args } else { &args[..3] })
}

/// The output of `verify --json` for a damaged store.
fn damaged(dir: &Path) -> Value {
    let done = verify(dir, true);
    assert_eq!(done.code, 5, "{}", done.err);
    let found: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(found["sound"], false);
    found
}

fn shard<'a>(report: &'a Value, owner: &str) -> &'a Value {
    report["shards"].as_array().unwrap().iter().find(|shard| shard["owner_name"] == owner).unwrap()
}

/// Changes the row of the log that has `value`, and returns its timestamp.
fn alter(dir: &Path, value: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> u64 {
    let store = Database::open(dir.join("store.redb")).unwrap();
    let write = store.begin_write().unwrap();
    let mut log = write.open_table(LOG).unwrap();
    let rows = log.iter().unwrap().map(|row| row.map(|(key, row)| (*key.value(), row.value().to_vec())));
    let has = |row: &[u8]| row.windows(value.len()).any(|part| part == value);
    let (key, mut row) = rows.map(Result::unwrap).find(|(_, row)| has(row)).unwrap();
    change(&mut row);
    log.insert(&key, &row[..]).unwrap();
    drop(log);
    write.commit().unwrap();
    u64::from_be_bytes(key[4..].try_into().unwrap())
}
