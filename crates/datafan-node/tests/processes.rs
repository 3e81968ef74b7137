//! Meshes of real processes.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{Member, TestDir, datafan, string, text};
use serde_json::json;

/// A member that must be admitted, with its directory ready.
fn joining(place: &TestDir, mesh: &str, name: &str) -> (std::path::PathBuf, String) {
    let dir = place.path(name);
    let init = datafan(&["init", "--mesh", mesh, "--name", name, "--data-dir", &text(&dir), "--json"]).json();
    (dir, string(&init["id"]))
}

fn mesh_of(member: &Member) -> String {
    string(&member.ask(&["id", "--json"]).json()["mesh"])
}

#[test]
fn a18_processes() {
    let place = TestDir::new();
    let a = place.founder("a");
    let (b_dir, b_id) = joining(&place, &mesh_of(&a), "b");
    let (c_dir, c_id) = joining(&place, &mesh_of(&a), "c");
    for (id, name) in [(&b_id, "b"), (&c_id, "c")] {
        let admitted = a.ask(&["admit", id, "--name", name, "--json"]).json();
        assert_eq!((string(&admitted["id"]), string(&admitted["name"])), (id.clone(), name.to_owned()));
    }
    let b = Member::run(&b_dir, &["--connect", &a.address()]);
    let c = Member::run(&c_dir, &["--connect", &b.address()]);
    let members = [&a, &b, &c];
    let names = ["a", "b", "c"];
    let written: Vec<u64> = members.iter().zip(names).map(|(member, name)| member.put("k", name)).collect();
    for member in members {
        for (name, timestamp) in names.iter().zip(&written) {
            member.waits_for(name, *timestamp);
            assert_eq!(member.get(name, "k"), *name);
        }
        assert_eq!(member.roots(), a.roots());
        let every: Vec<_> = member
            .ask(&["get", "k", "--all", "--json"])
            .lines()
            .iter()
            .map(|item| string(&item["value"]))
            .collect();
        assert_eq!(every.len(), 3);
    }
    let listed = a.ask(&["members", "--json"]).json();
    let mut listed: Vec<_> =
        listed["members"].as_array().unwrap().iter().map(|m| string(&m["name"])).collect();
    listed.sort();
    assert_eq!(listed, names);
    datafan(&["run", "--connect", "nowhere"]).fails(2, "HOST:PORT");
    datafan(&["run", "--connect"]).fails(2, "--connect");
    assert_eq!(c.terminate(), 0);
    assert!(!c_dir.join("api.sock").exists());
}

#[test]
fn b_and_c_meet_again_when_a_is_gone() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    let c = place.invited(&a, "c", &[]);
    // Each has learned of the other only through A; the addresses are kept on disk.
    for (member, other) in [(&b, &c), (&c, &b)] {
        member.waits_for(&other.id(), 1);
    }
    let (b_dir, c_dir) = (b.dir.clone(), c.dir.clone());
    let (b_address, c_address) = (b.address(), c.address());
    a.kill();
    assert_eq!((b.terminate(), c.terminate()), (0, 0));
    let b = Member::run_on(&b_address, &b_dir, &[]);
    let c = Member::run_on(&c_address, &c_dir, &[]);
    b.waits_links(1);
    c.waits_links(1);
    let timestamp = b.put("again", "together");
    c.waits_for("b", timestamp);
    assert_eq!(c.get("b", "again"), "together");
}

#[test]
fn a39_an_uninvited_process_gets_no_link_and_is_told_what_to_do() {
    let place = TestDir::new();
    let mut a = place.founder("a");
    a.put("secret", "x");
    let (dir, id) = joining(&place, &mesh_of(&a), "stranger");
    let stranger = Member::run(&dir, &["--connect", &a.address()]);
    let line = a.logs(&id[..8]);
    assert!(line.contains("refused stranger (") && line.contains("not in the roster"), "{line}");
    let pending = &waits_pending(&a)["pending"][0];
    assert_eq!((string(&pending["id"]), string(&pending["name"])), (id.clone(), "stranger".to_owned()));
    let status = waits_state(&stranger, "refused");
    assert!(string(&status["reason"]).contains("datafan admit"), "{}", status["reason"]);
    stranger.ask(&["wait", "--links", "1", "--timeout", "100ms"]).fails(6, "0 links are up");
    stranger.ask(&["get", "secret", "--all"]).fails(4, "no owner");
    let refusals = a.ask(&["status", "--json"]).json()["refusals"]["not_admitted"].as_u64();
    assert!(refusals.is_some_and(|count| count > 0), "{refusals:?}");

    // Once admitted, it links by itself.
    a.ask(&["admit", &id, "--name", "friend"]);
    stranger.waits_links(1);
    stranger.waits_for("a", 1);
    assert_eq!(stranger.ask(&["id", "--json"]).json()["name"], "friend");
}

#[test]
fn who_is_refused_is_named_once_however_often_it_knocks() {
    let place = TestDir::new();
    let mut a = place.founder("a");
    let (dir, id) = joining(&place, &mesh_of(&a), "stranger");
    // Not waited for: it may be refused before it is ready.
    let mut stranger = Member::start_on("127.0.0.1:0", &dir, &["--connect", &a.address()]);
    let about = |member: &Member| -> Vec<String> {
        member.log_so_far().into_iter().filter(|line| line.contains(&id[..8])).collect()
    };
    let advice = format!("datafan admit {id} --name stranger");
    let line = a.logs(&id[..8]);
    assert!(line.contains("WARN") && line.contains("refused stranger (") && line.contains(&advice), "{line}");
    let line = stranger.logs("refuses this member, stranger (");
    assert!(line.contains("WARN") && line.contains(&advice), "{line}");
    let knocked = |member: &Member, name: &str| {
        member.waits(|status| status["refusals"][name].as_u64() >= Some(3));
    };
    knocked(&a, "not_admitted");
    assert_eq!(about(&a), Vec::<String>::new());
    let more: Vec<_> = about(&stranger).into_iter().filter(|line| line.contains("refuses")).collect();
    assert_eq!(more, Vec::<String>::new(), "said once");

    // Admitted and revoked again, which is reported once more.
    a.ask(&["admit", &id, "--name", "friend"]);
    stranger.waits_links(1);
    a.ask(&["revoke", "friend", "--yes"]);
    let line = a.logs("refused friend (");
    assert!(line.contains("WARN") && line.contains("it was revoked"), "{line}");
    knocked(&a, "revoked");
    let more: Vec<_> = about(&a).into_iter().filter(|line| line.contains("refused friend")).collect();
    assert_eq!(more, Vec::<String>::new(), "said once");
}

#[test]
fn a39_a_revoked_member_is_out() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    let timestamp = b.put("k", "kept");
    a.waits_for("b", timestamp);
    let revoked = a.ask(&["revoke", "b", "--yes", "--json"]).json();
    assert_eq!(revoked["name"], "b");
    let status = waits_state(&b, "refused");
    assert!(string(&status["reason"]).contains("revoked"), "{}", status["reason"]);
    assert_eq!(a.get("b", "k"), "kept");
    let members = a.ask(&["members", "--json"]).json();
    let states: Vec<_> = members["members"].as_array().unwrap().iter().map(|m| string(&m["state"])).collect();
    assert!(states.contains(&"revoked".to_owned()));
    b.ask(&["wait", "--links", "1", "--timeout", "100ms"]).fails(6, "0 links are up");
}

#[test]
fn a39_another_meshs_member_is_refused() {
    let place = TestDir::new();
    let mut a = place.founder("a");
    let dir = place.path("z");
    assert_eq!(datafan(&["init", "--name", "z", "--data-dir", &text(&dir)]).code, 0);
    let z = Member::run(&dir, &["--connect", &a.address()]);
    let line = a.logs("mesh");
    assert!(line.contains(&z.id()[..8]), "{line}");
    z.ask(&["wait", "--links", "1", "--timeout", "100ms"]).fails(6, "0 links are up");
    let link = z.waits(|status| status["links"][0]["error"].is_string());
    assert!(string(&link["links"][0]["error"]).contains("mesh"), "{link}");
    assert_eq!(z.ask(&["members", "--json"]).json()["members"].as_array().unwrap().len(), 1);
}

/// Polls until a stranger has connected; each poll takes a process, so this is not a busy loop.
fn waits_pending(member: &Member) -> serde_json::Value {
    let until = std::time::Instant::now() + common::PATIENCE;
    loop {
        let members = member.ask(&["members", "--pending", "--json"]).json();
        if members["pending"] != json!([]) {
            return members;
        }
        assert!(std::time::Instant::now() < until, "nobody knocked");
    }
}

fn waits_state(member: &Member, state: &str) -> serde_json::Value {
    member.waits(|status| status["state"] == state)
}
