//! The items of revoked members: hidden by default, but still readable.

use crate::common::{Member, TestDir, api::Api, string};

#[test]
fn items_of_revoked_members_are_shown_on_demand() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    a.put("shared", "of a");
    b.put("only", "of b");
    a.waits_for("b", b.put("shared", "of b"));
    assert_eq!(a.ask(&["revoke", "b", "--yes"]).code, 0);
    drop(b);
    let owners = |args: &[&str]| owners(&a, args);
    assert_eq!(owners(&["ls", "--all", "--json"]), ["a"]);
    assert_eq!(owners(&["get", "shared", "--all", "--json"]), ["a"]);
    assert_eq!(owners(&["ls", "--all", "--revoked", "--json"]), ["a", "b", "b"]);
    assert_eq!(owners(&["get", "shared", "--all", "--revoked", "--json"]), ["a", "b"]);
    a.ask(&["get", "only", "--all"]).fails(4, "--revoked");
    a.ask(&["get", "only"]).fails(4, "a has no key \"only\"; the revoked member b has it: --owner b");
    a.ask(&["get", "only", "--json"]).fails(4, "; the revoked member b has it: --owner b");
    // A named owner is shown.
    assert_eq!(a.get("b", "only"), "of b");
    assert_eq!(owners(&["ls", "--owner", "b", "--json"]), ["b", "b"]);
    a.ask(&["ls", "--revoked"]).fails(2, "--all");
    // People see no more than scripts.
    assert!(
        !a.ask(&["ls", "--all"]).out.contains("only")
            && !a.ask(&["get", "shared", "--all"]).out.contains("of b")
    );

    // Output for programs keeps them, with a mark.
    let mut marked = Vec::new();
    for line in a.ask(&["export", "--all"]).lines() {
        assert_eq!(line["owner_name"] == "b", line["revoked"] == true, "{line}");
        marked.push(string(&line["owner_name"]));
    }
    marked.sort();
    assert_eq!(marked, ["a", "b", "b"]);
    let mut api = Api::open(&a.dir).unwrap();
    for path in
        ["/v1/list?all=true", "/v1/export?all=true", "/v1/items?key=shared", "/v1/item?key=only&owner=b"]
    {
        let answer = api.get(path).unwrap();
        let lines: Vec<serde_json::Value> =
            answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines.iter().any(|line| line["owner_name"] == "b"), "{path}");
        for line in lines {
            let revoked = line.get("revoked").is_some_and(|revoked| revoked == true);
            assert_eq!(line["owner_name"] == "b", revoked, "{path}: {line}");
        }
    }
}

#[test]
fn a_hint_names_revoked_members_by_what_leads_to_them() {
    let place = TestDir::new();
    let a = place.founder("a");
    let [b, c] = ["b", "c"].map(|name| place.invited(&a, name, &[]));
    b.put("of b", "v");
    a.waits_for("b", b.put("of both", "v"));
    a.waits_for("c", c.put("of both", "w"));
    let old = b.id();
    assert_eq!(a.ask(&["revoke", "c", "--yes"]).code, 0);
    // If an active member has the key, revoked ones are not named.
    a.ask(&["get", "of both"]).fails(4, "; b has it: --owner b");
    let new = datafan_core::identity::Identity::from_secret(&[1; 32]).id().to_string();
    assert_eq!(a.ask(&["rotate", "b", "--id", &new, "--yes"]).code, 0);
    // The name now belongs to the new key, but the shard of the old one is wanted.
    a.ask(&["get", "of b"]).fails(4, &format!("; the revoked member b has it: --owner {old}"));
    assert_eq!(a.get(&old, "of b"), "v");
    let both = a.ask(&["get", "of both"]);
    both.fails(4, "; the revoked members ");
    both.fails(4, &format!("b ({old}), c have it: --owner NAME|ID, or --all --revoked"));
    assert_eq!(a.ask(&["get", "of both", "--all", "--revoked", "--json"]).lines().len(), 2);
}

fn owners(member: &Member, args: &[&str]) -> Vec<String> {
    let mut owners: Vec<_> =
        member.ask(args).lines().iter().map(|line| string(&line["owner_name"])).collect();
    owners.sort();
    owners
}
