//! One key in two places, with real processes: the existing member continues, and the second one is told.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{Member, TestDir, copy, datafan, string, text};
use serde_json::Value;
use std::{
    fs,
    time::{Duration, Instant},
};

#[test]
fn a_ticket_that_was_used_is_refused_where_it_is_run_again() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    a.waits_for("b", b.put("k", "v"));
    let ticket = text(&place.path("b.ticket"));
    for second in ["second", "third"] {
        let dir = place.path(second);
        let again = Member::start_on("127.0.0.1:0", &dir, &["--ticket", &ticket]);
        again.ends(1, "already running: another process with this member's key ");
    }
    a.waits_for("b", b.put("k", "w"));
    assert_eq!(a.get("b", "k"), "w");
    a.ask(&["forks"]).is("this member knows of no fork");
    let state = b.ask(&["status", "--json"]).json();
    assert_eq!(state["state"], "up", "{state}");
}

#[test]
fn a_ticket_that_is_run_again_is_refused_though_its_member_cannot_be_dialled() {
    let place = TestDir::new();
    let (a, c, b) = mesh_with_an_undialable_member(&place, &[]);
    let ticket = text(&place.path("b.ticket"));
    let second = place.path("second");
    // Twice: the data that the first attempt copied from the mesh does not make the second one the member.
    for args in [&["--ticket", &ticket, "--connect", &c.address()][..], &[]] {
        let again = Member::start_on("127.0.0.1:0", &second, &[args, UNDIALABLE].concat());
        again.ends(1, "already running: another process with this member's key ");
    }
    for member in [&a, &c] {
        member.waits_for("b", b.put("k", &member.address()));
        assert_eq!(member.get("b", "k"), member.address());
    }
    let state = b.ask(&["status", "--json"]).json();
    assert_eq!(state["state"], "up", "{state}");
    a.ask(&["forks"]).is("this member knows of no fork");
}

#[test]
fn a_member_that_lost_its_disk_writes_within_a_minute_though_others_still_list_it() {
    let place = TestDir::new();
    let (a, c, b) = mesh_with_an_undialable_member(&place, &[]);
    b.kill();
    let ticket = text(&place.path("b.ticket"));
    let began = Instant::now();
    let b = Member::run(&place.path("anew"), &[&["--ticket", &ticket], UNDIALABLE].concat());
    let status = b.waits(|status| {
        let reason = status["reason"].as_str().unwrap_or_default();
        reason.contains("another process with this key seems to run, because ")
    });
    assert_eq!(status["state"], "up", "{status}");
    b.ask(&["put", "held", "w"]).has_failed(6, "another process with this key seems to run, because ");
    b.waits(|status| status["reason"].is_null());
    // It restores its shard first, which takes time on a busy machine.
    assert!(began.elapsed() < Duration::from_secs(75), "{:?}", began.elapsed());
    let written = b.put("k", "w");
    for member in [&a, &c] {
        member.waits_for("b", written);
        let values = ["k", "held", "old"].map(|key| member.get("b", key));
        assert_eq!(values, ["w", "w", "v"]);
    }
}

#[test]
fn a_process_without_data_elsewhere_in_the_mesh_is_refused_and_takes_no_link_twice() {
    let place = TestDir::new();
    // Both are linked only with a: neither can be dialled.
    let (a, c, b) = mesh_with_an_undialable_member(&place, UNDIALABLE);
    let second = place.path("second");
    copy(&b.dir, &second);
    fs::remove_file(second.join("store.redb")).unwrap();
    b.log_so_far();
    let again =
        Member::start_on("127.0.0.1:0", &second, &[&["--connect", &c.address()], UNDIALABLE].concat());
    again.ends(1, "already running: another process with this member's key is linked with this mesh");
    a.waits_for("b", b.put("k", "v"));
    c.waits_for("b", b.put("k", "w"));
    let lost = b.log_so_far().into_iter().filter(|line| line.contains("link down"));
    // Its ticket names an address of a, which it dials before it knows anybody.
    let lost: Vec<String> = lost.collect();
    assert!(lost.len() <= 1, "{lost:?}");
}

/// Nobody is there.
const UNDIALABLE: &[&str] = &["--advertise", "127.0.0.1:9"];

/// Three members, of which the last one cannot be dialled and is listed by all that it is linked with: the
/// first one, and the second one if that can be dialled.
fn mesh_with_an_undialable_member(place: &TestDir, c_args: &[&str]) -> (Member, Member, Member) {
    let a = place.founder("a");
    let c = place.invited(&a, "c", c_args);
    c.waits_for("a", a.put("old", "v"));
    a.waits_for("c", c.put("old", "v"));
    let own_shard = |member: &Member, name: &str, wanted: &dyn Fn(&Value) -> bool| {
        member.waits(|status| {
            let mut shards = status["shards"].as_array().unwrap().iter();
            wanted(shards.find(|shard| shard["owner_name"] == name).unwrap())
        });
        member.shard(name)["timestamp"].clone()
    };
    // Its addresses, its runs, its links to the others.
    let has_listed = |shard: &Value| shard["system_items"] == 3;
    let before = [own_shard(&a, "a", &has_listed), own_shard(&c, "c", &has_listed)];
    let b = place.invited(&a, "b", UNDIALABLE);
    let written = b.put("old", "v");
    a.waits_for("b", written);
    c.waits_for("b", written);
    // Nothing else makes them write.
    own_shard(&a, "a", &|shard| shard["timestamp"] != before[0]);
    if c_args.is_empty() {
        own_shard(&c, "c", &|shard| shard["timestamp"] != before[1]);
    }
    (a, c, b)
}

#[test]
fn a_copy_of_the_directory_of_a_member_that_runs_stops_and_the_member_goes_on() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    a.waits_for("b", b.put("k", "v"));
    let away = b.leaves();
    let stale = place.path("stale");
    copy(&away.dir, &stale);
    let mut b = away.returns();
    a.waits_for("b", b.put("k", "w"));
    Member::start_on("127.0.0.1:0", &stale, &[]).ends(7, "began before this one");
    let warned = b.logs("another process runs with this member's own key");
    assert!(warned.contains("WARN"), "{warned}");
    a.waits_for("b", b.put("k", "x"));
    assert_eq!(a.get("b", "k"), "x");
    // Once it is gone, the copy is the member and takes back what it lacks.
    assert_eq!(b.terminate(), 0);
    let copy = Member::run(&stale, &[]);
    a.waits_for("b", copy.put("more", "v"));
    assert_eq!((copy.get("b", "k"), a.get("b", "more")), ("x".to_owned(), "v".to_owned()));
}

#[test]
fn a_copy_of_the_directory_of_a_member_that_cannot_be_dialled_stops_and_the_member_loses_no_write() {
    for undialable_peer in [false, true] {
        let place = TestDir::new();
        let mut a = place.founder("a");
        let c = place.invited(&a, "c", if undialable_peer { UNDIALABLE } else { &[] });
        let b = place.invited(&a, "b", UNDIALABLE);
        c.waits_for("b", b.put("first", "v"));
        let (dir, stale) = (b.leaves().dir, place.path("stale"));
        copy(&dir, &stale);
        let mut b = Member::run(&dir, UNDIALABLE);
        a.waits_for("b", b.put("before", "v"));
        let mut second = Member::start_on("127.0.0.1:0", &stale, UNDIALABLE);
        let mut n = 0;
        while !second.has_ended() {
            n += 1;
            b.put(&format!("k{n}"), "v");
        }
        second.ends(7, "began before this one, and is linked with this mesh");
        let warned = b.logs("another process with our key was linked with ");
        assert!(warned.contains("WARN") && warned.contains("began after this one"), "{warned}");
        if undialable_peer {
            // Both were linked only with it.
            let warned = a.logs("two processes run with the key of this peer");
            assert!(warned.contains("WARN"), "{warned}");
        }
        let last = b.put("after", "v");
        for member in [&a, &c] {
            member.waits_for("b", last);
            let kept = (1..=n).filter(|n| member.get("b", &format!("k{n}")) == "v").count();
            assert_eq!(kept, n, "what was acknowledged is read");
        }
        let state = b.ask(&["status", "--json"]).json();
        assert_eq!((&state["state"], &state["reason"]), (&"up".into(), &Value::Null), "{state}");
        // Once the member is gone, the copy is the member.
        assert_eq!(b.terminate(), 0);
        let copy = Member::run(&stale, UNDIALABLE);
        a.waits_for("b", copy.put("more", "v"));
        assert_eq!((copy.get("b", "after"), a.get("b", "more")), ("v".to_owned(), "v".to_owned()));
    }
}

#[test]
fn a_request_is_not_signed_with_the_key_of_a_member_that_runs() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    a.waits_for("b", b.put("k", "v"));
    let request = text(&place.path("c.request"));
    let asked = b.ask(&["invite", "c", "--offline", &request]);
    assert_eq!(asked.code, 0, "{}", asked.err);
    let key = text(&a.dir.join("authority.key"));
    for args in [&["--data-dir", &text(&a.dir)][..], &["--key", &key]] {
        let sign = [&["authority", "sign", &request, "--yes", "--force"], args].concat();
        datafan(&sign).fails(1, "a member runs there and signs with this key itself");
        assert!(!place.path("c.request.signed").exists());
    }
    // It was not harmed, and signs by itself.
    let d = place.invited(&a, "d", &[]);
    b.waits_for("d", d.put("k", "v"));

    // A copy of the key signs, which cannot be prevented; the member continues from that roster.
    let request = text(&place.path("e.request"));
    let asked = b.ask(&["invite", "e", "--offline", &request]);
    assert_eq!(asked.code, 0, "{}", asked.err);
    let copied = text(&place.path("authority.key"));
    fs::copy(&key, &copied).unwrap();
    let signed = datafan(&["authority", "sign", &request, "--key", &copied, "--yes", "--force", "--json"]);
    let file = string(&signed.json()["file"]);
    let applied = b.ask(&["authority", "apply", &file]);
    assert_eq!(applied.code, 0, "{}", applied.err);
    let has_e = |member: &Member| {
        let members = member.ask(&["members", "--json"]).json();
        members["members"].as_array().unwrap().iter().any(|row| row["name"] == "e")
    };
    a.waits(|_| has_e(&a));
    let f = place.invited(&a, "f", &[]);
    b.waits_for("f", f.put("k", "v"));
    assert!(has_e(&b));
}
