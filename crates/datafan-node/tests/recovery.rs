//! A25, A29, A36, A41 with processes: lost disks, restored backups, one identity running twice.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{Member, TestDir, copy, datafan, text};
use serde_json::Value;
use std::fs;

#[test]
fn a25_a_member_without_its_store_gets_its_shard_back_before_it_writes() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    b.put("color", "red");
    a.waits_for("b", b.put("size", "7"));
    let dir = b.dir.clone();
    b.kill();
    fs::remove_file(dir.join("store.redb")).unwrap();

    let b = Member::run(&dir, &[]);
    let last = b.put("color", "blue");
    a.waits_for("b", last);
    assert_eq!((a.get("b", "color").as_str(), a.get("b", "size").as_str()), ("blue", "7"));
    let rows: Vec<String> = b.ask(&["recovered", "--json"]).lines().iter().map(row).collect();
    assert_eq!(rows, ["size back"], "the other one was written since");
    let told = b.ask(&["recovered"]);
    assert!(told.code == 0 && told.out.contains("size") && told.out.contains("back"), "{}", told.out);
    assert_eq!(b.ask(&["status", "--json"]).json()["divergent"], Value::Null);
    let status = b.ask(&["status"]).out;
    assert!(status.contains("came back from the mesh: see `datafan recovered`"), "{status}");
}

#[test]
fn a29_a41_a_restored_backup_takes_back_what_the_mesh_has() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    a.waits_for("b", b.put("k", "yesterday"));
    let dir = b.dir.clone();
    assert_eq!(b.terminate(), 0);
    let backup = fs::read(dir.join("store.redb")).unwrap();
    let b = Member::run(&dir, &[]);
    b.put("k", "today");
    a.waits_for("b", b.put("new", "today"));
    assert_eq!(b.terminate(), 0);

    // Linked at once: everything comes back before anything is written.
    fs::write(dir.join("store.redb"), &backup).unwrap();
    let b = Member::run(&dir, &[]);
    a.waits_for("b", b.put("more", "v"));
    for member in [&a, &b] {
        assert_eq!((member.get("b", "k").as_str(), member.get("b", "new").as_str()), ("today", "today"));
    }
    assert_eq!(
        b.ask(&["recovered", "--json"]).lines().iter().map(row).collect::<Vec<_>>(),
        ["k back", "new back"]
    );
    assert_eq!(b.terminate(), 0);

    // Alone at first: it continues to write, then learns what the mesh had, and takes it back with one
    // command.
    let (address, home) = (a.address(), a.dir.clone());
    assert_eq!(a.terminate(), 0);
    fs::write(dir.join("store.redb"), &backup).unwrap();
    let b = Member::run(&dir, &[]);
    b.put("k", "alone");
    let a = Member::run_on(&address, &home, &[]);
    b.waits_links(1);
    let here = loop {
        let rows: Vec<String> = b.ask(&["recovered", "--json"]).lines().iter().map(row).collect();
        if !rows.is_empty() {
            break rows;
        }
    };
    assert_eq!(here, ["k newer", "new lacking", "more lacking"]);
    assert!(b.ask(&["status"]).out.contains("datafan recovered"));
    let taken = b.ask(&["recovered", "--take", "--json"]).json();
    assert_eq!(taken["written"], 2);
    a.waits_for("b", b.put("last", "v"));
    let values = ["k", "new", "more", "last"].map(|key| a.get("b", key));
    assert_eq!(values, ["alone", "today", "v", "v"]);
    assert!(b.ask(&["recovered", "--json"]).lines().is_empty());
    b.waits_for("a", a.put("here", "v"));
    assert_eq!(a.roots(), b.roots());
}

#[test]
fn a36_of_two_processes_with_one_identity_the_later_one_stops() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    a.waits_for("b", b.put("k", "v"));
    let (dir, twin) = (b.dir.clone(), place.path("twin"));
    assert_eq!(b.terminate(), 0);
    copy(&dir, &twin);

    let b = Member::run(&dir, &[]);
    a.waits_for("b", b.put("from", "b"));
    // The same identity again, from an older copy.
    for _ in 0..2 {
        Member::start_on("127.0.0.1:0", &twin, &[]).ends(7, "with this member's key began before this one");
    }

    // The existing process continues, and nobody else was harmed.
    a.waits_for("b", b.put("still", "here"));
    assert_eq!(a.get("b", "from"), "b");
    assert_eq!(b.terminate(), 0);
    let twin = Member::run(&twin, &[]);
    twin.put("from", "its twin");
    a.waits_for("b", twin.put("alone", "now"));
    assert_eq!(twin.terminate(), 0);
    let b = Member::run(&dir, &[]);
    a.waits_for("b", b.put("back", "again"));
    assert_eq!(a.get("b", "still"), "here");
}

#[test]
fn a_lost_shard_can_be_abandoned() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    a.waits_for("b", b.put("old", "v"));
    let dir = b.dir.clone();
    b.kill();
    fs::remove_file(dir.join("store.redb")).unwrap();
    let b = Member::run(&dir, &["--abandon"]);
    a.waits_for("b", b.put("anew", "v"));
    a.ask(&["get", "old", "--owner", "b"]).fails(4, "b has no key \"old\"");
    assert_eq!(a.get("b", "anew"), "v");
    let dir = text(&dir);
    datafan(&["recovered", "--take", "--forget", "--data-dir", &dir]).fails(2, "--forget");
}

/// Key and state.
fn row(line: &Value) -> String {
    format!("{} {}", line["key"].as_str().unwrap(), line["state"].as_str().unwrap())
}
