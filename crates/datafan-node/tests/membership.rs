//! Membership with real processes: roles and quotas, expiring invitations, replaced keys, an offline
//! authority, and closed links.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{Member, PATIENCE, TestDir, datafan, datafan_with, fields, string, text};
use serde_json::{Value, json};
use std::{fs, process::Command, time::Instant};

#[test]
fn a_quota_and_a_role_are_given_and_changed_by_command() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    b.put("one", "1");
    let granted = a.ask(&["grant", "b", "--items", "2", "--bytes", "1KiB", "--json"]);
    assert_eq!(fields(&granted.out), ["change", "id", "name", "time", "timestamp"]);
    let listed = waits_member(&b, "b", |member| member["items"] == 2);
    assert_eq!(
        (&listed["bytes"], &listed["role"], &listed["state"]),
        (&json!(1_024), &json!("member"), &json!("active"))
    );
    b.put("two", "2");
    b.ask(&["put", "three", "3"]).fails(1, "3 items and 14 bytes, quota 2 and 1024");
    let long = "v".repeat(1_024);
    b.ask(&["put", "two", &long]).fails(1, "quota 2 and 1024");

    a.ask(&["grant", "b", "--role", "reader"]).fails(1, "b has 2 items, and a reader has none");
    a.ask(&["grant", "b", "--role", "king"]).fails(2, "a role is member or reader");
    a.ask(&["grant", "b"]).fails(2, "nothing to change");
    b.ask(&["grant", "a", "--items", "1"]).fails(1, "only a member with authority.key");
    a.ask(&["grant", "nobody", "--items", "1"]).fails(4, "no member or owner");
    let renamed =
        a.ask(&["grant", "b", "--role", "reader", "--drop", "--yes", "--name", "bee", "--json"]).json();
    assert_eq!(renamed["name"], "bee");
    b.waits(|status| status["role"] == "reader");
    b.ask(&["put", "four", "4"]).fails(1, "this member's role is reader");
    b.ask(&["put", "four", "4"]).fails(1, "datafan grant bee --role member");
    b.waits(|status| status["shards"].as_array().unwrap().iter().all(|shard| shard["owner_name"] != "bee"));
    assert!(b.ask(&["status"]).out.contains("role    reader"));

    // It still holds and relays.
    let timestamp = a.put("k", "v");
    b.waits_for("a", timestamp);
    let c_ticket = a.ask(&["invite", "c", "--role", "reader", "--addr", &b.address(), "--json"]).json();
    let c_ticket = place.file("c.ticket", string(&c_ticket["ticket"]));
    let c = Member::run(&place.path("c"), &["--ticket", &c_ticket]);
    c.waits_for("a", timestamp);
    c.ask(&["put", "k", "v"]).fails(1, "role is reader");
    a.ask(&["grant", "bee", "--role", "member", "--items", "9"]);
    b.waits(|status| status["role"] == "member");
    let timestamp = b.put("five", "5");
    a.waits_for("bee", timestamp);
}

#[test]
fn a39_an_expired_invitation_is_refused_and_says_what_to_do() {
    let place = TestDir::new();
    let mut a = place.founder("a");
    let (late_dir, late_id) = joining(&place, &a, "late");
    a.ask(&["admit", &late_id, "--name", "late", "--expires", "1ms"]);
    // The millisecond has passed when the process has started.
    let late = Member::run(&late_dir, &["--connect", &a.address()]);
    let line = a.logs(&late_id[..8]);
    assert!(line.contains("refused late (") && line.contains("datafan grant late --expires 7d"), "{line}");
    let status = late.waits(|status| status["state"] == "refused");
    assert!(string(&status["reason"]).contains("the invitation has ended"), "{status}");
    late.ask(&["wait", "--links", "1", "--timeout", "100ms"]).fails(6, "0 links are up");
    assert!(a.ask(&["status", "--json"]).json()["refusals"]["invitation_expired"].as_u64() > Some(0));
    let listed = waits_member(&a, "late", |member| member["state"] == "expired");
    assert!(listed["until"].is_string());
    assert!(a.ask(&["members"]).out.contains("expired, until 20"));

    a.ask(&["grant", "late", "--expires", "1h"]);
    late.waits_links(1);
    let listed = waits_member(&late, "late", |member| member["state"] == "active");
    assert_eq!(listed["until"], Value::Null);
    a.ask(&["grant", "late", "--expires", "1h"]).fails(1, "late has come in");
}

#[test]
fn an_invitation_lasts_a_week_or_as_long_as_it_says() {
    let place = TestDir::new();
    let a = place.founder("a");
    let invited = |name: &str, more: &[&str]| {
        let ticket = a.ask(&[&["invite", name, "--json"], more].concat()).json();
        place.file(&format!("{name}.ticket"), string(&ticket["ticket"]))
    };
    let (week, ever, over) = (
        invited("week", &[]),
        invited("ever", &["--expires", "never"]),
        invited("over", &["--expires", "1ms"]),
    );
    let until = waits_member(&a, "week", |member| member["state"] == "invited")["until"].clone();
    assert!(until.is_string());
    assert_eq!(waits_member(&a, "ever", |member| member["state"] == "active")["until"], Value::Null);
    datafan(&["init", "--ticket", &over, "--data-dir", &text(&place.path("over"))])
        .fails(1, "the ticket expired at");
    for (name, ticket) in [("week", week), ("ever", ever)] {
        let member = Member::run(&place.path(name), &["--ticket", &ticket]);
        let timestamp = member.put("k", name);
        a.waits_for(name, timestamp);
        waits_member(&a, name, |member| member["state"] == "active");
    }
}

#[test]
fn a_key_is_replaced_and_its_data_moves_along() {
    let place = TestDir::new();
    let a = place.founder("a");
    let old = place.invited(&a, "b", &[]);
    old.put("color", "red");
    old.ask(&["put", "short", "v", "--ttl", "1h"]);
    let timestamp = old.put("shape", "round");
    let expires = old.ask(&["get", "short", "--json"]).json()["expires"].clone();
    a.waits_for("b", timestamp);
    let old_id = old.id();

    let (new_dir, new_id) = joining(&place, &a, "b2");
    a.ask(&["rotate", "a", "--id", &new_id, "--yes"]).fails(1, "it cannot revoke itself");
    a.ask(&["rotate", "b", "--id", &old_id, "--yes"]).fails(1, "already in the roster");
    let rotated = a.ask(&["rotate", "b", "--id", &new_id, "--yes", "--json"]).json();
    assert_eq!((&rotated["id"], &rotated["name"]), (&json!(new_id), &json!("b")));
    let status = old.waits(|status| status["state"] == "refused");
    assert!(string(&status["reason"]).contains("revoked"), "{status}");

    let new = Member::run(&new_dir, &["--connect", &a.address()]);
    new.waits_links(1);
    assert_eq!(new.ask(&["id", "--json"]).json()["name"], "b");
    // What the new key has already written is newer.
    new.put("shape", "square");
    let adopted = new.ask(&["adopt", "--json"]);
    assert_eq!(fields(&adopted.out), ["owner", "time", "timestamp", "unchanged", "written"]);
    let adopted = adopted.json();
    assert_eq!(
        (&adopted["owner"], &adopted["written"], &adopted["unchanged"]),
        (&json!(old_id), &json!(2), &json!(1))
    );
    new.ask(&["adopt", "a"]).fails(1, "is an active member");
    // Repeated, as after a crash in the middle: copies only what is missing.
    new.ask(&["del", "color"]);
    let again = new.ask(&["adopt", &old_id, "--json"]).json();
    assert_eq!((&again["written"], &again["unchanged"]), (&json!(1), &json!(2)));
    a.waits_for("b", again["timestamp"].as_u64().unwrap());
    assert_eq!((a.get("b", "color"), a.get("b", "shape")), ("red".to_owned(), "square".to_owned()));
    assert_eq!(
        a.ask(&["get", "short", "--owner", "b", "--json"]).json()["expires"],
        expires,
        "an expiry stays"
    );
    a.ask(&["revoke", &old_id, "--drop", "--yes"]);
    let gone = |status: &Value| {
        status["shards"].as_array().unwrap().iter().all(|shard| shard["owner"] != json!(old_id))
    };
    new.waits(gone);
    new.ask(&["adopt", &old_id]).fails(4, "was dropped everywhere");
    new.ask(&["adopt"]).fails(4, "no revoked member b");
}

#[test]
fn nothing_is_lost_when_a_member_dies_while_it_adopts() {
    let place = TestDir::new();
    let a = place.founder("a");
    let old = place.invited(&a, "b", &[]);
    let rows: String = (0..N_ADOPTED).map(|n| format!("{{\"key\":\"k{n}\",\"value\":{n}}}\n")).collect();
    let imported = old.ask(&["import", &place.file("rows.jsonl", rows), "--json"]).json();
    a.waits_for("b", imported["timestamp"].as_u64().unwrap());
    let (new_dir, new_id) = joining(&place, &a, "b2");
    a.ask(&["rotate", "b", "--id", &new_id, "--yes"]);
    let new = Member::run(&new_dir, &["--connect", &a.address()]);
    new.waits_links(1);
    let dir = text(&new_dir);
    let adopting = std::thread::spawn(move || datafan(&["adopt", "--data-dir", &dir, "--json"]));
    // Everything except system items is adopted.
    let own = |status: &Value| {
        status["shards"]
            .as_array()
            .unwrap()
            .iter()
            .any(|s| s["owner"] == json!(new_id) && s["items"].as_u64() > s["system_items"].as_u64())
    };
    new.waits(own);
    new.kill();
    let first = adopting.join().unwrap();
    assert!(first.code == 0 || first.err.contains("closed the connection"), "{}", first.err);

    let new = Member::run(&new_dir, &["--connect", &a.address()]);
    let adopted = new.ask(&["adopt", "--json"]).json();
    let (written, there) = (adopted["written"].as_u64().unwrap(), adopted["unchanged"].as_u64().unwrap());
    assert_eq!(written + there, N_ADOPTED);
    assert!(there > 0, "what was put before is still there");
    a.waits_for(&new_id, adopted["timestamp"].as_u64().unwrap());
    for n in [0, N_ADOPTED / 2, N_ADOPTED - 1] {
        assert_eq!(a.get("b", &format!("k{n}")), n.to_string());
    }
    assert_eq!(a.ask(&["ls", "--owner", "b", "--json"]).lines().len() as u64, N_ADOPTED);
}

/// Makes three commits.
const N_ADOPTED: u64 = 10_000;

#[test]
fn a_stolen_key_is_replaced_by_a_ticket_and_its_data_dropped() {
    let place = TestDir::new();
    let a = place.founder("a");
    let stolen = place.invited(&a, "b", &[]);
    let timestamp = stolen.put("color", "red");
    a.waits_for("b", timestamp);
    let export = place.file("b.jsonl", stolen.ask(&["export"]).out);
    let ticket = a.ask(&["rotate", "b", "--drop", "--yes", "--json"]).json();
    assert_eq!(ticket["name"], "b");
    stolen.waits(|status| status["state"] == "refused");
    a.ask(&["get", "color", "--all"]).fails(4, "no owner");
    let ticket = place.file("b2.ticket", string(&ticket["ticket"]));
    let new = Member::run(&place.path("b2"), &["--ticket", &ticket]);
    new.waits_links(1);
    assert_eq!(new.ask(&["import", &export, "--merge-owners"]).code, 0);
    let timestamp = new.ask(&["get", "color", "--json"]).json()["timestamp"].as_u64().unwrap();
    a.waits_for("b", timestamp);
    assert_eq!(a.get("b", "color"), "red");
}

#[test]
fn a46_links_of_a_revoked_member_close_within_seconds_of_the_news() {
    for outcome in [&[][..], &["--drop"]] {
        let place = TestDir::new();
        let a = place.founder("a");
        let b = place.invited(&a, "b", &[]);
        let away = place.invited(&a, "c", &[]);
        let revoked = place.invited(&a, "d", &[]);
        let timestamp = revoked.put("k", "v");
        for member in [&a, &b, &away] {
            member.waits_for("d", timestamp);
        }
        revoked.waits_links(3);
        let (away_dir, away_address) = (away.dir.clone(), away.address());
        assert_eq!(away.terminate(), 0);
        let started = Instant::now();
        a.ask(&[&["revoke", "d", "--yes"], outcome].concat());
        revoked.waits(|status| status["links"].as_array().unwrap().iter().all(|link| link["state"] != "up"));
        let closed = started.elapsed();
        assert!(closed.as_secs() < 10, "closed after {closed:?}, of which the processes that ask take most");
        revoked.ask(&["wait", "--links", "1", "--timeout", "500ms"]).fails(6, "0 links are up");

        // A member that was away learns of it from the first peer that it meets, and no longer accepts the
        // revoked member.
        let away = Member::run_on(&away_address, &away_dir, &[]);
        away.waits_links(2);
        waits_member(&away, "d", |member| member["state"] == "revoked");
        let kept = outcome.is_empty();
        let holds = |status: &Value| {
            status["shards"].as_array().unwrap().iter().any(|shard| shard["owner_name"] == "d")
        };
        for member in [&a, &b, &away] {
            member.waits(|status| holds(status) == kept);
            member.waits(|status| {
                let links = status["links"].as_array().unwrap();
                links.iter().all(|link| link["name"] != "d" || link["state"] != "up")
            });
        }
        away.waits(|_| away.roots() == a.roots());
        assert_eq!(b.roots(), a.roots());
    }
}

#[test]
fn an_authority_without_a_network_signs_what_it_is_shown() {
    let place = TestDir::new();
    let vault = place.path("vault");
    fs::create_dir(&vault).unwrap();
    let key = text(&vault.join("authority.key"));
    let made = datafan(&["authority", "new", "--key", &key, "--json"]).json();
    datafan(&["authority", "new", "--key", &key]).fails(1, "already exists");
    let mesh = string(&made["mesh"]);
    let request = |name: &str| text(&place.path(&format!("{name}.request")));
    let sign = |name: &str, more: &[&str]| {
        datafan(&[&["authority", "sign", &request(name), "--key", &key, "--yes"], more].concat())
    };

    // The first member of a mesh, without the authority key.
    let a_dir = place.path("a");
    let init =
        datafan(&["init", "--mesh", &mesh, "--name", "a", "--data-dir", &text(&a_dir), "--json"]).json();
    let a = Member::run(&a_dir, &[]);
    let a_id = string(&init["id"]);
    a.ask(&["admit", &a_id, "--name", "a"]).fails(1, "only a member with authority.key");
    let asked = a.ask(&["admit", &a_id, "--name", "a", "--offline", &request("a"), "--json"]);
    assert_eq!(fields(&asked.out), ["id", "name", "request", "time", "timestamp"]);
    let signed = sign("a", &["--json"]);
    assert!(signed.err.contains("this creates the mesh"), "{}", signed.err);
    assert_eq!(fields(&signed.out), ["base", "base_time", "changes", "file", "mesh", "time", "timestamp"]);
    let applied = a.ask(&["authority", "apply", &format!("{}.signed", request("a")), "--json"]).json();
    assert_eq!(applied["written"], 1);
    a.waits(|status| status["state"] == "up");

    // The second one by a ticket that works once its request is signed; shown, and confirmed.
    let ticket = a.ask(&["invite", "b", "--items", "7", "--offline", &request("b"), "--json"]).json();
    let ticket = place.file("b.ticket", string(&ticket["ticket"]));
    let b = Member::run(&place.path("b"), &["--ticket", &ticket]);
    let args = ["authority", "sign", &request("b"), "--key", &key];
    datafan_with(&args, b"y\n").has_failed(2, "confirm it with --yes");
    let shown = sign("b", &[]);
    assert!(shown.err.contains("1 member, as last signed"), "{}", shown.err);
    assert!(shown.err.contains("admit b (") && shown.err.contains("at most 7 items"), "{}", shown.err);
    assert_eq!(shown.code, 0);
    assert_eq!(a.ask(&["authority", "apply", &format!("{}.signed", request("b"))]).code, 0);
    // Peers have refused it until now, so a write waits for its admission.
    b.waits(|status| status["state"] == "up");
    let timestamp = b.put("k", "v");
    a.waits_for("b", timestamp);

    // A request based on a roster older than the last signed one is refused, and so is an altered one.
    fs::remove_file(format!("{}.signed", request("b"))).unwrap();
    sign("b", &[]).has_failed(1, "this key has signed a later one");
    let whole = fs::read_to_string(request("b")).unwrap();
    fs::write(request("cut"), &whole[..whole.len() / 2]).unwrap();
    sign("cut", &[]).has_failed(1, "copy it again");
    fs::write(request("none"), "hello").unwrap();
    sign("none", &[]).has_failed(1, "does not start with datafan-request1");
    let nowhere = text(&place.path("nowhere.key"));
    datafan(&["authority", "sign", &request("b"), "--key", &nowhere]).fails(4, "does not exist");

    // Revoked, offline, by a member without the key; the request names the head to keep.
    b.ask(&["revoke", "a", "--offline", &request("gone")]);
    b.ask(&["revoke", "a", "--offline", &request("gone")]).fails(1, "already exists");
    let signed = sign("gone", &[]);
    assert!(signed.err.contains("revoke a ("), "{}", signed.err);
    assert_eq!(b.ask(&["authority", "apply", &format!("{}.signed", request("gone"))]).code, 0);
    a.waits(|status| status["state"] == "refused");
    b.ask(&["authority", "apply", &request("gone")]).fails(1, "does not start with datafan-roster1");
}

#[test]
fn a_ticket_that_nobody_got_is_told() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full");
    let Ok(full) = full else { return println!("skipped: there is no /dev/full") };
    let place = TestDir::new();
    let a = place.founder("a");
    for more in [&[][..], &["--json"]] {
        let (dir, name) = (text(&a.dir), format!("n{}", more.len()));
        let args = [&["invite", &name, "--data-dir", &dir], more].concat();
        let mut command = common::prepared(Command::new(env!("CARGO_BIN_EXE_datafan")), &args);
        let done = common::Done::from(command.stdout(full.try_clone().unwrap()).output().unwrap());
        let id = string(&waits_member(&a, &name, |_| true)["id"]);
        done.fails(1, &format!("{name} was admitted but its key is lost: run `datafan revoke {id}`"));
    }
}

/// A member that must be admitted, with its directory ready.
fn joining(place: &TestDir, at: &Member, name: &str) -> (std::path::PathBuf, String) {
    let (dir, mesh) = (place.path(name), string(&at.ask(&["id", "--json"]).json()["mesh"]));
    let init =
        datafan(&["init", "--mesh", &mesh, "--name", name, "--data-dir", &text(&dir), "--json"]).json();
    (dir, string(&init["id"]))
}

/// Polls until a member's roster has an expected entry; each poll takes a process, so this is not a busy
/// loop.
fn waits_member(at: &Member, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let members = at.ask(&["members", "--json"]).json();
        let found =
            members["members"].as_array().unwrap().iter().find(|member| member["name"] == name).cloned();
        if let Some(member) = found.filter(&wanted) {
            return member;
        }
        assert!(Instant::now() < until, "{members}");
    }
}
