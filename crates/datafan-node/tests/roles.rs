//! A55 with real processes: an id has one role and is refused in every other one, in every command, HTTP
//! request and offline request; and irreversible changes need confirmation.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{Member, TestDir, api::Api, copy, datafan, string, text};
use datafan_core::{
    engine::Disposition,
    roster::{GrantChange, RosterChange},
};
use datafan_node::authority::Request;
use serde_json::{Value, json};
use std::fs;

#[test]
fn a55_the_meshs_own_id_is_refused_in_every_command_and_request() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    a.waits_for("b", b.put("k", "v"));
    let mesh = mesh_of(&a);
    let file = place.file("members", format!("{mesh} c\n"));
    let request = text(&place.path("request"));
    for at in [&[][..], &["--offline", &request]] {
        for command in [
            &["admit", &mesh, "--name", "c"][..],
            &["admit", "--file", &file],
            &["grant", &mesh, "--items", "1"],
            &["grant", &mesh[..9], "--role", "reader", "--drop", "--yes"],
            &["revoke", &mesh, "--yes"],
            &["revoke", &mesh, "--drop", "--yes"],
            &["rotate", &mesh, "--yes"],
            &["rotate", "b", "--id", &mesh, "--yes"],
        ] {
            a.ask(&[command, at].concat()).fails(1, "is the mesh's own id and names no member");
            assert!(!place.path("request").exists());
        }
    }
    b.ask(&["adopt", &mesh]).fails(1, "is the mesh's own id");

    let mut api = Api::open(&a.dir).unwrap();
    let admission = json!({"id": mesh, "name": "c"});
    for (path, body) in [
        ("/v1/admit", admission.clone()),
        ("/v1/admit-all", json!({"members": [admission]})),
        ("/v1/grant", json!({"member": mesh, "items": 1})),
        ("/v1/revoke", json!({"member": mesh, "drop": true})),
        ("/v1/rotate", json!({"member": "b", "id": mesh})),
    ] {
        let answer = api.post(path, &body.to_string()).unwrap();
        assert_eq!(answer.status, 409, "{path}: {}", answer.body);
        assert!(answer.body.contains("names no member"), "{path}: {}", answer.body);
    }
    assert_eq!(names(&a), ["a", "b"]);
    let c = place.invited(&a, "c", &[]);
    b.waits_for("c", c.put("k", "v"));
    a.ask(&["revoke", "c", "--yes"]);
    let d = place.invited(&a, "d", &[]);
    b.waits_for("d", d.put("k", "v"));
}

#[test]
fn a55_no_request_makes_the_key_sign_an_entry_for_its_own_id() {
    let place = TestDir::new();
    let key = text(&place.path("authority.key"));
    let mesh = string(&datafan(&["authority", "new", "--key", &key, "--json"]).json()["mesh"]);
    let id = mesh.parse().unwrap();
    let admit = RosterChange::Admit { id, name: "c".parse().unwrap(), terms: GrantChange::default() };
    let change = RosterChange::Change {
        id,
        name: None,
        terms: GrantChange { items: Some(1), ..GrantChange::default() },
    };
    for change in [admit, change, RosterChange::Revoke { id, disposition: Disposition::Drop, at: None }] {
        let made = datafan_core::time::Timestamp(1_000);
        let request = Request { mesh: mesh.parse().unwrap(), roster: None, changes: vec![change], made };
        let file = place.file("request", request.to_text());
        datafan(&["authority", "sign", &file, "--key", &key, "--yes"]).fails(1, "is the mesh's own id");
        assert!(!place.path("request.signed").exists());
    }
}

#[test]
fn a55_a_revoked_id_and_ones_own_are_refused_where_another_members_belongs() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    let c = place.invited(&a, "c", &[]);
    a.waits_for("c", c.put("k", "v"));
    let (own, revoked) = (a.id(), c.id());
    a.ask(&["revoke", "c", "--yes"]);
    for command in [
        &["admit", &revoked, "--name", "c"][..],
        &["grant", &revoked, "--items", "1"],
        &["revoke", &revoked, "--yes"],
        &["rotate", &revoked, "--yes"],
    ] {
        a.ask(command).fails(1, "revoked");
    }
    for id in [&revoked, &own] {
        a.ask(&["rotate", "b", "--id", id, "--yes"]).fails(1, "already in the roster");
    }
    a.ask(&["revoke", &own, "--yes"]).fails(1, "cannot revoke itself");
    a.ask(&["rotate", &own, "--yes"]).fails(1, "cannot revoke itself");
    b.ask(&["adopt", &b.id()]).fails(1, "this member's own id");
    assert_eq!(names(&a), ["a", "b", "c"]);

    // Neither of them is dialled, and no mesh is joined whose id is the member's own.
    let mesh = mesh_of(&a);
    let (dir, address) = (b.dir.clone(), a.address());
    let own = b.id();
    assert_eq!(b.terminate(), 0);
    for (id, why) in [(&mesh, "is the mesh's own id"), (&own, "this member's own id")] {
        let peer = format!("{id}@{address}");
        Member::start_on("127.0.0.1:0", &dir, &["--connect", &peer]).ends(1, why);
    }
    let fresh = place.path("fresh");
    copy(&dir, &fresh);
    fs::remove_file(fresh.join("member.json")).unwrap();
    fs::remove_file(fresh.join("store.redb")).unwrap();
    let init = ["init", "--mesh", &own, "--name", "x", "--data-dir", &text(&fresh)];
    datafan(&init).fails(1, "is this member's own id");
    assert!(!fresh.join("member.json").exists());
}

#[test]
fn what_cannot_be_undone_wants_a_terminal_or_yes() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    a.waits_for("b", b.put("k", "v"));
    for command in [
        &["revoke", "b"][..],
        &["revoke", "b", "--drop"],
        &["rotate", "b"],
        &["grant", "b", "--role", "reader", "--drop"],
    ] {
        a.ask(command).fails(2, "not a terminal: confirm it with --yes");
        // An answer in a pipe does not count: its writer cannot have seen the question.
        a.ask_with(command, b"y\n").fails(2, "--yes");
    }
    let members = a.ask(&["members", "--json"]).json();
    let listed = members["members"].as_array().unwrap();
    assert!(listed.iter().all(|member| member["state"] == "active" && member["role"] == "member"));
    let request = text(&place.path("request"));
    assert_eq!(a.ask(&["revoke", "b", "--offline", &request]).code, 0, "nothing changes by asking");
}

fn mesh_of(member: &Member) -> String {
    string(&member.ask(&["id", "--json"]).json()["mesh"])
}

fn names(member: &Member) -> Vec<String> {
    let members = member.ask(&["members", "--json"]).json();
    let name = |member: &Value| string(&member["name"]);
    let mut names: Vec<_> = members["members"].as_array().unwrap().iter().map(name).collect();
    names.sort();
    names
}
