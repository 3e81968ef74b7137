//! A long first copy between real processes, over QUIC and onto redb.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{Member, TestDir};
use serde_json::Value;
use std::{fmt::Write, time::Instant};

const ROWS: usize = 12_000;
const VALUE_BYTES: usize = 4_000;

#[test]
fn a34_a_copy_goes_on_through_another_neighbour_and_after_a_kill() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    let c = place.invited(&a, "c", &[]);
    for (member, other) in [(&b, &c), (&c, &b)] {
        member.waits_for(&other.id(), 1);
    }
    let (b_dir, c_dir) = (b.dir.clone(), c.dir.clone());
    let (b_address, c_address) = (b.address(), c.address());
    assert_eq!(c.terminate(), 0);
    let imported = a.ask(&["import", &place.file("rows.jsonl", rows()), "--json"]).json();
    assert_eq!(imported["written"], ROWS);
    b.waits_for("a", imported["timestamp"].as_u64().unwrap());
    let (wanted, owner) = (b.roots(), a.id());
    assert_eq!(b.terminate(), 0);

    // Only A is there, and it is killed in the middle.
    let c = Member::run_on(&c_address, &c_dir, &[]);
    catches_copying(&c, &owner);
    a.kill();
    assert_ne!(c.roots(), wanted, "the copy was over before its source was gone");

    // B takes over; C itself is killed once on the way, and continues with what it has on disk.
    let b = Member::run_on(&b_address, &b_dir, &[]);
    c.waits_links(1);
    c.kill();
    let c = Member::run_on(&c_address, &c_dir, &[]);
    c.waits_for("a", imported["timestamp"].as_u64().unwrap());
    assert_eq!(c.roots(), b.roots());
    assert_eq!(c.get("a", "row/7"), value(7));
}

/// Polls until the shard of `owner` is being copied; each poll takes a process, so this is not a busy loop.
fn catches_copying(member: &Member, owner: &str) {
    let until = Instant::now() + common::PATIENCE;
    loop {
        let status = member.ask(&["status", "--json"]).json();
        let copies = |shard: &Value| shard["owner"] == owner && shard["state"] == "copying";
        if status["shards"].as_array().unwrap().iter().any(copies) {
            return;
        }
        assert!(Instant::now() < until, "{status}");
    }
}

fn rows() -> String {
    (0..ROWS).fold(String::new(), |mut rows, n| {
        writeln!(rows, "{{\"key\":\"row/{n}\",\"value\":\"{}\"}}", value(n)).unwrap();
        rows
    })
}

fn value(n: usize) -> String {
    format!("{n:08}").repeat(VALUE_BYTES / 8)
}
