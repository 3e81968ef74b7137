//! Roster changes and the list of members tell the truth.

use crate::common::{Member, TestDir, datafan, string, text};
use datafan_core::identity::Identity;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[test]
fn a_change_of_the_roster_says_what_has_become_of_the_entry() {
    let place = TestDir::new();
    let a = place.founder("a");
    let id = Identity::from_secret(&[7; 32]).id().to_string();
    a.ask(&["admit", &id, "--name", "c"]).is(&format!("admitted c ({id})"));
    a.ask(&["admit", &id, "--name", "c"]).is(&format!("unchanged c ({id}): the roster already says so"));
    a.ask(&["admit", &id, "--name", "d"]).is(&format!("renamed c to d ({id})"));
    a.ask(&["admit", &id, "--name", "d", "--items", "5"]).is(&format!("changed d ({id})"));
    a.ask(&["grant", "d", "--items", "5"]).is(&format!("unchanged d ({id}): the roster already says so"));
    a.ask(&["grant", "d", "--name", "e", "--items", "6"]).is(&format!("renamed d to e ({id})"));

    let renamed = a.ask(&["admit", &a.id(), "--name", "x", "--json"]).json();
    assert_eq!((&renamed["change"], &renamed["was"]), (&json!("renamed"), &json!("a")));
    assert_eq!((&renamed["name"], &renamed["id"]), (&json!("x"), &json!(a.id())));
    let file = place.file("members", format!("{id} f\n{} g\n", Identity::from_secret(&[8; 32]).id()));
    let lines = a.ask(&["admit", "--file", &file, "--json"]).lines();
    let told: Vec<_> = lines.iter().map(|line| (&line["change"], line.get("was"))).collect();
    assert_eq!(told, [(&json!("renamed"), Some(&json!("e"))), (&json!("admitted"), None)]);
    let granted = a.ask(&["grant", "f", "--bytes", "9", "--json"]).json();
    assert_eq!((&granted["change"], granted.get("was")), (&json!("changed"), None));
    assert_eq!(a.ask(&["revoke", "f", "--yes", "--json"]).json()["change"], "revoked");
    let new = Identity::from_secret(&[9; 32]).id().to_string();
    let rotated = a.ask(&["rotate", "g", "--id", &new, "--yes", "--json"]).json();
    assert_eq!((&rotated["change"], &rotated["id"]), (&json!("admitted"), &json!(new)));
}

#[test]
fn adopt_waits_for_the_shard_as_long_as_it_is_told() {
    let place = TestDir::new();
    let a = place.founder("a");
    let (b, c) = (place.invited(&a, "b", &[]), place.invited(&a, "c", &[]));
    c.waits_for("b", b.put("k", "1"));
    let c = c.leaves();
    a.waits_for("b", b.put("k", "2"));
    // The other member learns only that `b` is revoked, and at which state it was kept.
    let request = text(&place.path("request"));
    assert_eq!(a.ask(&["revoke", "b", "--offline", &request]).code, 0);
    let a = a.leaves();
    b.leaves();
    assert_eq!(datafan(&["authority", "sign", &request, "--yes", "--data-dir", &text(&a.dir)]).code, 0);
    let c = c.returns();
    assert_eq!(c.ask(&["authority", "apply", &format!("{request}.signed")]).code, 0);
    let began = Instant::now();
    c.ask(&["adopt", "b", "--timeout", "2s"]).fails(6, "did not arrive here within 1.5s");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let _a = a.returns();
    assert_eq!(c.ask(&["adopt", "b", "--json"]).json()["written"], 1);
    assert_eq!(c.ask(&["get", "k"]).out, "2");
}

#[test]
fn who_has_never_been_here_was_never_seen() {
    let place = TestDir::new();
    let a = place.founder("a");
    for (name, role) in [("m", "member"), ("r", "reader")] {
        assert_eq!(a.ask(&["invite", name, "--role", role]).code, 0);
    }
    let new = Identity::from_secret(&[7; 32]).id().to_string();
    assert_eq!(a.ask(&["admit", &new, "--name", "n"]).code, 0);
    let b = place.invited(&a, "b", &[]);
    b.waits_links(1);
    let last = b.put("k", "v");
    a.waits_for("b", last);
    let of = |member: &Value| {
        (
            string(&member["reach"]),
            member.get("unreachable_since").is_some(),
            member.get("never_seen").cloned(),
        )
    };
    let never = ("unreachable".to_owned(), false, Some(json!(true)));
    let listed = |at: &Member, name: &str| {
        let members = at.ask(&["members", "--json"]).json();
        members["members"].as_array().unwrap().iter().find(|one| one["name"] == name).cloned().unwrap()
    };
    for name in ["m", "r", "n"] {
        assert_eq!(of(&listed(&a, name)), never, "{name}");
    }
    assert_eq!(of(&listed(&a, "b")), ("linked".to_owned(), false, None));
    let table = a.ask(&["members"]).out;
    assert_eq!(table.matches("never seen").count(), 3, "{table}");
    assert!(!table.contains("unreachable"), "{table}");

    // A member that was here once is unreachable since then, in both lists; after a restart, since the
    // restart.
    b.leaves();
    a.waits(|_| listed(&a, "b")["reach"] == "unreachable");
    assert_eq!(of(&listed(&a, "b")), ("unreachable".to_owned(), true, None));
    let a = a.leaves().returns();
    let since = listed(&a, "b")["unreachable_since"].clone();
    assert_eq!(since, a.shard("b")["unreachable_since"]);
    assert!(since.is_string(), "{since}");
    let table = a.ask(&["members"]).out;
    assert!(table.contains(&format!("unreachable since {}", string(&since))), "{table}");
    for name in ["m", "n"] {
        assert_eq!(of(&listed(&a, name)), never, "{name}");
    }
    // Nothing of a reader is stored that would show that it was here before.
    assert_eq!(of(&listed(&a, "r")), ("unreachable".to_owned(), true, None));
}
