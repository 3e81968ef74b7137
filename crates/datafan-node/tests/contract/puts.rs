//! `put` reports "written" only if somebody can read the value, and otherwise says why not.

use crate::common::{Member, TestDir, api::Api, datafan, string, text};
use serde_json::json;
use std::time::{Duration, Instant};

#[test]
fn who_was_revoked_writes_nothing() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    b.put("before", "1");
    a.waits_for("b", b.put("last", "2"));
    assert_eq!(a.ask(&["revoke", "b", "--yes"]).code, 0);
    b.waits(|status| status["state"] == "refused");
    b.ask(&["put", "after", "3"]).fails(1, "revoked");
    b.ask(&["del", "before"]).fails(1, "revoked");
    b.ask(&["get", "after"]).fails(4, "after");
    // The same after a restart, when its disk alone does not tell.
    let b = b.leaves().returns();
    b.waits(|status| status["state"] == "refused");
    b.ask(&["put", "after", "3"]).fails(1, "revoked");
}

#[test]
fn who_was_not_admitted_is_told_its_id_and_the_command_and_writes_once_it_is() {
    let place = TestDir::new();
    let a = place.founder("a");
    let mesh = string(&a.ask(&["id", "--json"]).json()["mesh"]);
    let dir = place.path("b");
    assert_eq!(datafan(&["init", "--mesh", &mesh, "--name", "b", "--data-dir", &text(&dir)]).code, 0);
    let b = Member::run(&dir, &["--connect", &a.address()]);
    b.waits(|status| status["state"] == "refused");
    let command = format!("datafan admit {} --name b", b.id());
    b.ask(&["put", "k", "v"]).fails(1, &command);
    b.ask(&["get", "k"]).fails(4, "\"k\"");
    assert_eq!(a.ask(&["admit", &b.id(), "--name", "b"]).code, 0);
    b.waits_links(1);
    b.put("k", "v");
}

#[test]
fn a_reader_writes_nothing() {
    let place = TestDir::new();
    let a = place.founder("a");
    let ticket = a.ask(&["invite", "r", "--role", "reader", "--json"]).json();
    let ticket = place.file("r.ticket", string(&ticket["ticket"]));
    let reader = Member::run(&place.path("r"), &["--ticket", &ticket]);
    reader.waits_links(1);
    reader.ask(&["put", "k", "v"]).fails(1, "datafan grant r --role member");
}

#[test]
fn a_write_that_waits_says_for_what() {
    let place = TestDir::new();
    let founder = place.founder("a");
    let mesh = string(&founder.ask(&["id", "--json"]).json()["mesh"]);
    let dir = place.path("b");
    assert_eq!(datafan(&["init", "--mesh", &mesh, "--name", "b", "--data-dir", &text(&dir)]).code, 0);
    let alone = Member::run(&dir, &[]);
    assert_eq!(alone.ask(&["status", "--json"]).json()["state"], json!("joining"));
    let late = alone.ask(&["put", "k", "v"]);
    late.fails(6, "for a peer to confirm its own shard");
    late.fails(6, &format!("datafan admit {} --name b", alone.id()));
    late.fails(6, "no link is up");
    // With a shorter timeout the reason still arrives in time; with a longer one the write waits longer.
    let hurried = alone.ask(&["put", "k", "v", "--timeout", "3s"]);
    hurried.fails(6, "not written within 2.5s: the write waits for a roster with this member");
    let began = Instant::now();
    alone.ask(&["put", "k", "v", "--timeout", "12s"]).fails(6, "not written within 11.5s: the write waits");
    assert!(began.elapsed() > Duration::from_secs(11));
    let answer = Api::open(&alone.dir).unwrap().get("/v1/status HTTP/1.1\r\nDatafan-Timeout-Ms: soon\r\nX:");
    assert_eq!(answer.unwrap().status, 400);
}
