//! A42: an authority restored from an old copy, and copies of its key.

use crate::common::{Member, TestDir, datafan, string, text};
use std::fs;

#[test]
fn a42_an_authority_that_is_restored_from_an_old_copy_forgets_nobody() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    b.waits_for("a", a.put("k", "v"));
    let a = a.leaves();
    let old = fs::read(a.dir.join("store.redb")).unwrap();
    let admits = a.returns();
    let c = place.invited(&admits, "c", &[]);
    b.waits_for("c", c.put("k", "v"));

    // Alone it cannot know of C, and admits another member.
    let ([b, c], a) = ([b, c].map(Member::leaves), admits.leaves());
    fs::write(a.dir.join("store.redb"), old).unwrap();
    let a = a.returns();
    let d = place.invited(&a, "d", &[]);
    d.waits(|_| names(&d) == ["a", "b", "d"]);
    let (b, c) = (b.returns(), c.returns());
    let members = [&a, &b, &c, &d];
    members.iter().for_each(|member| _ = member.waits(|_| names(member) == ["a", "b", "c", "d"]));

    let e = place.invited(&a, "e", &[]);
    let last = e.put("k", "v");
    members.iter().for_each(|member| member.waits_for("e", last));
    a.waits(|_| members.iter().all(|member| member.roots() == e.roots()));
}

#[test]
fn a42_a_roster_that_forgets_members_is_refused_by_everyone_and_the_next_one_passes() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    let c = place.invited(&a, "c", &[]);
    let d = place.invited(&a, "d", &[]);
    for member in [&a, &b, &c, &d] {
        member.waits(|_| names(member).len() == 4 && member.roots().len() == 5);
    }
    // D misses an admission. A copy of the key is brought to it, and admits another member.
    let d = d.leaves();
    admits(&a, "e");
    [&b, &c].into_iter().for_each(|member| _ = member.waits(|_| names(member).len() == 5));
    let [a, b, c] = [a, b, c].map(Member::leaves);
    let (original, copy) = (a.dir.join("authority.key"), d.dir.join("authority.key"));
    fs::copy(&original, &copy).unwrap();
    let copied = d.returns();
    let f = admits(&copied, "f");
    let d = copied.leaves();

    // Both keys disappear before they learn of each other; what the copy has signed stays.
    let key = text(&place.path("kept.key"));
    fs::rename(original, &key).unwrap();
    fs::remove_file(copy).unwrap();
    let mut others = [a, b, c].map(|member| member.returns());
    let d = d.returns();
    for member in &mut others {
        member.logs("that lacks members of the one held");
        assert_eq!((names(member).join(""), member.refused("old_roster")), ("abcde".to_owned(), 1));
    }

    // The changes of the copy are repeated on the roster of the others, and accepted everywhere.
    let request = text(&place.path("f.request"));
    assert_eq!(others[1].ask(&["admit", &f, "--name", "f", "--offline", &request]).code, 0);
    assert_eq!(datafan(&["authority", "sign", &request, "--key", &key, "--yes"]).code, 0);
    assert_eq!(others[1].ask(&["authority", "apply", &format!("{request}.signed")]).code, 0);
    d.waits(|_| names(&d).join("") == "abcdef");
    d.waits(|_| others.iter().all(|member| member.roots() == d.roots()));
}

/// Admits a member that never connects, and returns its id.
fn admits(at: &Member, name: &str) -> String {
    string(&at.ask(&["invite", name, "--json"]).json()["id"])
}

/// The active members, as a member knows them.
fn names(member: &Member) -> Vec<String> {
    let members = member.ask(&["members", "--json"]).json();
    let name = |member: &serde_json::Value| string(&member["name"]);
    let mut names: Vec<_> = members["members"].as_array().unwrap().iter().map(name).collect();
    names.sort();
    names
}
