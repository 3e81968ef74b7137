//! Names and ids: a text names one member or none.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{TestDir, api::Api, datafan, string, text};
use serde_json::json;

const READS_AS_ID: &str = "reads as a full id: choose another name";

#[test]
fn nobody_gets_a_name_that_reads_as_an_id() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    let (id, mesh) = (b.id(), string(&a.ask(&["id", "--json"]).json()["mesh"]));
    let (dir, request) = (text(&place.path("n")), text(&place.path("n.request")));
    datafan(&["init", "--name", &id, "--data-dir", &dir]).fails(1, READS_AS_ID);
    datafan(&["init", "--name", &id, "--mesh", &mesh, "--data-dir", &dir]).fails(1, READS_AS_ID);
    datafan(&["run", "--init", &id, "--data-dir", &dir, "--listen", "127.0.0.1:0"]).fails(1, READS_AS_ID);
    assert!(!place.path("n").exists(), "nothing was made");
    let init = datafan(&["init", "--name", "n", "--mesh", &mesh, "--data-dir", &dir, "--json"]);
    let new = string(&init.json()["id"]);
    let file = place.file("members", format!("{new} {mesh}\n"));
    let before = a.ask(&["members", "--json"]).out;
    for command in [
        &["invite", &id][..],
        &["invite", &mesh],
        &["invite", &id, "--offline", &request],
        &["admit", &new, "--name", &id],
        &["admit", &id, "--name", &id],
        &["admit", "--file", &file],
        &["grant", "b", "--name", &id],
    ] {
        a.ask(command).fails(1, READS_AS_ID);
    }
    assert!(!place.path("n.request").exists());
    let names = |text: &str| text.matches("\"name\"").count();
    assert_eq!(names(&a.ask(&["members", "--json"]).out), names(&before), "nobody was admitted");
}

#[test]
fn what_is_one_members_name_and_begins_another_ones_id_is_ambiguous() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    let (id, short) = (b.id(), b.id()[..8].to_owned());
    let timestamp = b.put("k", "v");
    a.waits_for(&short, timestamp);
    let c = string(&a.ask(&["invite", &short, "--json"]).json()["id"]);
    let at = timestamp.to_string();
    for command in [
        &["revoke", &short, "--yes"][..],
        &["rotate", &short, "--yes"],
        &["grant", &short, "--items", "5"],
        &["get", "k", "--owner", &short],
        &["wait", "--owner", &short, "--timestamp", &at],
        &["forks", "--close", &short],
        &["adopt", &short],
    ] {
        let said = a.ask(command);
        assert!(said.err.contains(&id) && said.err.contains(&format!("{c} (named {short})")), "{}", said.err);
        said.fails(2, "is ambiguous");
    }
    let answer = Api::open(&a.dir).unwrap().get(&format!("/v1/items?owner={short}")).unwrap();
    assert_eq!((answer.status, &answer.json()["kind"]), (400, &json!("usage")));
    // The full id is never ambiguous.
    assert_eq!(a.get(&id, "k"), "v");
    assert_eq!(a.ask(&["revoke", &c, "--yes", "--json"]).json()["id"], json!(c));
}
