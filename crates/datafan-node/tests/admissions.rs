//! Many members at a time, and the key of the member that admits them, with real processes.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{Member, PATIENCE, TestDir, datafan, fields, prepared, string, text};
use datafan_core::identity::Identity;
use serde_json::{Value, json};
use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// As `ROSTER_CHANGES_MAX`.
const MANY: u32 = 1_024;

#[test]
fn a_file_of_members_is_admitted_whole_or_not_at_all() {
    let place = TestDir::new();
    let a = place.founder("a");
    let three = place.file("three", lines(0..3));
    let done = a.ask(&["admit", "--file", &three, "--items", "7", "--json"]).lines();
    assert_eq!((done.len(), &done[2]["name"]), (3, &json!("m2")));
    assert_eq!(done[0]["timestamp"], done[2]["timestamp"], "one change of the roster");
    assert_eq!(member(&a, "m1").unwrap()["items"], 7);
    let taken = place.file("taken", format!("{}{} a\n", lines(3..5), id(5)));
    a.ask(&["admit", "--file", &taken]).fails(1, "the name a belongs to");
    assert!(member(&a, "m3").is_none(), "nobody was admitted");
    let malformed = place.file("malformed", format!("{}{} NOT-A-NAME\n", lines(3..5), id(5)));
    a.ask(&["admit", "--file", &malformed]).fails(1, "line 3: ");
    // Other fields of a line would be ignored: the fields are those of `id --json`, and the mesh must be this
    // one.
    let mesh = string(&a.ask(&["id", "--json"]).json()["mesh"]);
    let line = |more: &str| format!("{{\"id\":\"{}\",\"name\":\"m5\"{more}}}\n", id(5));
    let one = |more: &str| a.ask(&["admit", "--file", &place.file("one", lines(3..4) + &line(more))]);
    one(",\"role\":\"reader\"").fails(1, "line 2: unknown field `role`");
    one(&format!(",\"mesh\":\"{}\"", id(6))).fails(1, "line 2: mesh ");
    a.ask(&["admit", "--file", &place.file("empty", "\n")]).fails(1, "names no member");
    assert!(member(&a, "m3").is_none(), "nobody was admitted");
    assert_eq!(one(&format!(",\"mesh\":\"{mesh}\"")).code, 0);
    // More than one change takes are split into several changes.
    let many = place.file("many", lines(0..MANY + 2));
    assert_eq!(a.ask(&["admit", "--file", &many, "--json"]).lines().len(), MANY as usize + 2);
    assert!(member(&a, &format!("m{}", MANY + 1)).is_some());
}

#[test]
fn who_reads_only_the_first_lines_admits_all() {
    let place = TestDir::new();
    let a = place.founder("a");
    let (many, dir) = (place.file("many", lines(0..MANY + 2)), text(&a.dir));
    let mut command = prepared(
        Command::new(env!("CARGO_BIN_EXE_datafan")),
        &["admit", "--file", &many, "--data-dir", &dir],
    );
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(member(&a, &format!("m{}", MANY + 1)).is_some(), "more than one change, and all of it");
}

#[test]
fn who_waits_to_be_admitted_comes_up_at_once() {
    let place = TestDir::new();
    let a = place.founder("a");
    let mesh = string(&a.ask(&["id", "--json"]).json()["mesh"]);
    let dir = text(&place.path("b"));
    let init = ["init", "--mesh", &mesh, "--name", "b", "--data-dir", &dir, "--json"];
    let id = string(&datafan(&init).json()["id"]);
    let b = Member::run(&place.path("b"), &["--connect", &a.address()]);
    // It is refused repeatedly: growing pauses would be long by now.
    let until = Instant::now() + PATIENCE;
    while a.refused("not_admitted") < 5 {
        assert!(Instant::now() < until, "it asks again");
        thread::sleep(Duration::from_millis(200));
    }
    let admitted = Instant::now();
    assert_eq!(a.ask(&["admit", &id, "--name", "b"]).code, 0);
    b.waits(|status| status["state"] == "up");
    assert!(admitted.elapsed() < Duration::from_secs(5), "{:?}", admitted.elapsed());
    let listed = member(&a, "b").unwrap();
    assert_eq!((&listed["reach"], &listed["dialling"]), (&json!("linked"), &json!(false)));
}

#[test]
fn a_file_of_members_becomes_one_request_to_an_authority_that_is_offline() {
    let place = TestDir::new();
    let a = place.founder("a");
    let (dir, key) = (a.dir.clone(), text(&place.path("authority.key")));
    assert_eq!(a.terminate(), 0);
    fs::rename(dir.join("authority.key"), &key).unwrap();
    let a = Member::run(&dir, &[]);
    let request = text(&place.path("many.request"));
    let admit =
        |file: &str| a.ask(&["admit", "--file", file, "--role", "reader", "--offline", &request, "--json"]);
    admit(&place.file("none", "\n")).fails(1, "names no member");
    admit(&place.file("more", lines(0..MANY + 1)))
        .fails(1, "names 1025 members, but a request has at most 1024");
    assert!(!place.path("many.request").exists());
    let asked = admit(&place.file("many", lines(0..MANY)));
    assert_eq!(fields(&asked.out), ["members", "request", "time", "timestamp"]);
    assert_eq!(asked.json()["members"].as_array().unwrap().len(), MANY as usize);
    assert!(member(&a, "m0").is_none(), "nothing has changed yet");
    let signed = datafan(&["authority", "sign", &request, "--key", &key, "--yes", "--force", "--json"]);
    assert_eq!(signed.json()["changes"].as_array().unwrap().len(), MANY as usize);
    assert_eq!(a.ask(&["authority", "apply", &format!("{request}.signed")]).code, 0);
    let last = waits_member(&a, &format!("m{}", MANY - 1), |_| true);
    assert_eq!((&last["role"], &last["state"]), (&json!("reader"), &json!("active")));
}

/// The sequence of docs/membership.md, "The key of the member that has authority.key".
#[test]
fn the_holder_of_the_authoritys_key_gets_a_new_key_of_its_own() {
    let place = TestDir::new();
    let alpha = place.founder("alpha");
    let beta = place.invited(&alpha, "beta", &[]);
    alpha.put("color", "red");
    let last = alpha.put("shape", "round");
    let (old_id, mesh) = (alpha.id(), string(&alpha.ask(&["id", "--json"]).json()["mesh"]));
    alpha.ask(&["rotate", "alpha", "--yes"]).fails(1, "docs/membership.md");
    alpha.ask(&["revoke", "alpha", "--yes"]).fails(1, "cannot revoke itself");
    assert_eq!(
        alpha.ask(&["put", "shape", "round", "--json"]).json()["timestamp"],
        last,
        "it goes on as it was"
    );

    let new_dir = place.path("alpha-new");
    let init = ["init", "--mesh", &mesh, "--name", "alpha-new", "--data-dir", &text(&new_dir), "--json"];
    let new_id = string(&datafan(&init).json()["id"]);
    assert_eq!(alpha.ask(&["admit", &new_id, "--name", "alpha-new"]).code, 0);
    let new = Member::run(&new_dir, &["--connect", &beta.address()]);
    new.waits_for("alpha", last);
    let (old_dir, address) = (alpha.dir.clone(), new.address());
    assert_eq!((alpha.terminate(), new.terminate()), (0, 0));
    fs::rename(old_dir.join("authority.key"), new_dir.join("authority.key")).unwrap();

    let new = Member::run_on(&address, &new_dir, &["--connect", &beta.address()]);
    let revoked = new.ask(&["revoke", "alpha", "--yes", "--json"]);
    assert_eq!(revoked.json()["id"], json!(old_id), "{}", revoked.err);
    assert_eq!(new.ask(&["grant", "alpha-new", "--name", "alpha"]).code, 0);
    let adopted = new.ask(&["adopt", "--json"]).json();
    assert_eq!((&adopted["owner"], &adopted["written"]), (&json!(old_id), &json!(2)));
    beta.waits_for(&new_id, adopted["timestamp"].as_u64().unwrap());
    assert_eq!(
        (beta.get("alpha", "color"), beta.get("alpha", "shape")),
        ("red".to_owned(), "round".to_owned())
    );

    // The old key belongs to nobody: it is refused everywhere, and its later writes go nowhere.
    let old = Member::run(&old_dir, &["--connect", &beta.address()]);
    old.waits(|status| status["state"] == "refused");
    old.ask(&["put", "late", "write"]);
    beta.ask(&["get", "late", "--owner", &old_id]).fails(4, "no key");
    new.ask(&["revoke", &old_id, "--drop", "--yes"]);
    beta.waits(|status| {
        status["shards"].as_array().unwrap().iter().all(|shard| shard["owner"] != json!(old_id))
    });
    // The roster still works.
    let gamma = place.invited(&new, "gamma", &[]);
    let timestamp = gamma.put("k", "v");
    beta.waits_for("gamma", timestamp);
    new.waits_for("gamma", timestamp);
    assert_eq!(new.roots(), beta.roots());
}

fn id(n: u32) -> String {
    let mut secret = [9; 32];
    secret[..4].copy_from_slice(&n.to_be_bytes());
    Identity::from_secret(&secret).id().to_string()
}

/// A line for each.
fn lines(which: std::ops::Range<u32>) -> String {
    which.map(|n| format!("{} m{n}\n", id(n))).collect()
}

fn member(at: &Member, name: &str) -> Option<Value> {
    let members = at.ask(&["members", "--json"]).json();
    members["members"].as_array().unwrap().iter().find(|member| member["name"] == name).cloned()
}

fn waits_member(at: &Member, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = member(at, name).filter(&wanted) {
            return found;
        }
        assert!(Instant::now() < until, "{name}");
    }
}
