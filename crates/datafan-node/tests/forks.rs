//! `datafan forks` and `datafan verify-fork`.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{Member, TestDir, clock::Clock, copy, datafan, string, text};
use datafan_core::{fork::Evidence, hash::Hash, head::Head, id::MeshId, identity::Identity, time::Timestamp};
use serde_json::json;

#[test]
fn evidence_is_checked_without_a_member() {
    let place = TestDir::new();
    let (mesh, owner) = (MeshId(Identity::from_secret(&[1; 32]).id()), Identity::from_secret(&[2; 32]));
    let head = |root| {
        let (timestamp, signature) = (Timestamp(7_000_000), [0; 64]);
        let head =
            Head { owner: owner.id(), timestamp, items: 1, bytes: 9, root: Hash([root; 32]), signature };
        head.signed(&mesh, &owner)
    };
    let bytes = Evidence { mesh, first: head(3), second: head(4), item: None }.encode();
    let file = place.file("good.fork", &bytes);
    let proven = datafan(&["verify-fork", &file, "--json"]).json();
    let ids = (owner.id().to_string(), mesh.to_string());
    let said = json!({
        "mesh": ids.1, "owner": ids.0, "first": 7_000_000, "second": 7_000_000, "key": null,
        "first_time": "1970-01-01T00:00:07.000000Z", "second_time": "1970-01-01T00:00:07.000000Z",
    });
    assert_eq!(proven, said);
    let told = datafan(&["verify-fork", &file]);
    assert!(told.code == 0 && told.out.starts_with("proven: "), "{}", told.out);

    let mut altered = bytes.clone();
    *altered.last_mut().unwrap() = 9;
    let same = Evidence { mesh, first: head(3), second: head(3), item: None }.encode();
    let mut unsigned = bytes.clone();
    unsigned[100] ^= 1;
    for (bytes, what) in [
        (&altered[..], "not evidence of a fork"),
        (&same, "may be an ancestor of"),
        (&unsigned, "not signed by its owner"),
        (b"datafan fork", "not evidence of a fork"),
        (&vec![0; 1 << 20], "the limit"),
    ] {
        datafan(&["verify-fork", &place.file("bad.fork", bytes)]).fails(1, what);
    }
}

#[test]
fn a_member_that_has_seen_no_fork_says_so() {
    let place = TestDir::new();
    let a = place.founder("a");
    a.ask(&["forks"]).is("this member knows of no fork");
    assert_eq!(a.ask(&["forks", "--json"]).json(), json!({"forks": []}));
    // There is no fork to close, and the roster is unchanged.
    let mesh = string(&a.ask(&["id", "--json"]).json()["mesh"]);
    let roster = || a.roots().into_iter().find(|(owner, _)| *owner == mesh).unwrap();
    let before = roster();
    a.ask(&["forks", "--close", "a"]).fails(1, "this member knows of no fork of a");
    a.ask(&["forks", "--close", &mesh]).fails(1, "is the mesh's own id");
    assert_eq!(roster(), before);
}

#[test]
fn an_item_as_old_as_a_head_that_lacked_it_is_evidence_that_anybody_can_check() {
    let place = TestDir::new();
    let Some(clock) = Clock::wrong(&place) else { return };
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    a.waits_for("b", b.put("k", "v"));
    let ([a, b], twin) = ([a, b].map(Member::leaves), place.path("twin"));
    copy(&b.dir, &twin);

    // Copy and original write alternately without knowing of each other. The copy's clock is behind.
    let away = clock.run(&twin, -60, &[]);
    let early = away.put("early\n\u{1b}[2J", "twin");
    away.leaves();
    let (here, b) = (a.returns(), b.returns());
    let first = b.put("here", "original");
    here.waits_for("b", first);
    b.leaves();
    here.ask(&["forks"]).is("this member knows of no fork");
    let a = here.leaves();
    let away = Member::run(&twin, &[]);
    let second = away.put("late", "twin");
    assert!(early < first && first < second);

    // Both states belong to the same owner, and neither descends from the other.
    let a = a.returns();
    a.waits_for("b", second);
    let dir = text(&place.path("evidence"));
    let forks = a.ask(&["forks", "--export", &dir, "--json"]).json()["forks"].clone();
    let [fork] = &forks.as_array().unwrap()[..] else { panic!("{forks}") };
    // Its address may follow after the requested put.
    assert!(fork["first"] == first && fork["second"].as_u64() >= Some(second), "{fork}");
    assert_eq!((&fork["owner_name"], &fork["owner"]), (&json!("b"), &json!(away.id())));
    let file = std::fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
    let proven = datafan(&["verify-fork", &text(&file), "--json"]).json();
    assert_eq!((&proven["first"], &proven["second"]), (&fork["first"], &fork["second"]));
    assert_eq!((&proven["owner"], &proven["key"]), (&fork["owner"], &json!("early\n\u{1b}[2J")));
    let told = datafan(&["verify-fork", &text(&file)]).out;
    assert!(told.contains(r#"the second has "early\n\u{1b}[2J" of "#), "{told}");

    // The authority closes it; the evidence stays, with who closed it.
    assert_eq!(fork["closed_by"], json!(null));
    assert!(a.ask(&["forks"]).out.contains("  open"), "{}", a.ask(&["forks"]).out);
    let elsewhere = away.ask(&["forks", "--close", "b"]);
    assert!(!elsewhere.err.contains("--offline"), "{}", elsewhere.err);
    elsewhere.fails(1, "authority.key");
    a.ask(&["forks", "--close", "a"]).fails(1, "this member knows of no fork of a");
    a.ask(&["forks", "--close", "nobody"]).fails(4, "nobody");
    let closed = a.ask(&["forks", "--close", "b", "--json"]).json();
    assert_eq!(closed["owner"], fork["owner"]);
    let after = a.ask(&["forks", "--json"]).json()["forks"][0].clone();
    assert_eq!((&after["closed_by"], &after["evidence"]), (&json!("authority"), &fork["evidence"]));
    assert!(a.ask(&["forks"]).out.contains("closed by the authority"));
    a.waits_for("b", away.put("k", "pushed"));
}
