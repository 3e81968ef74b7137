//! The normal use of each command, and its errors.

use crate::common::{TestDir, datafan, datafan_with, fields, string, text};
use serde_json::{Value, json};

#[test]
fn init_prints_who_it_is_and_never_overwrites() {
    let place = TestDir::new();
    let dir = text(&place.path("a"));
    let init = datafan(&["--json", "init", "--name", "a", "--data-dir", &dir]);
    let all = ["authority_key", "data_dir", "id", "member_key", "mesh", "name", "next"];
    assert_eq!((init.code, fields(&init.out), init.err.as_str()), (0, all.map(str::to_owned).to_vec(), ""));
    let next = format!("datafan --data-dir {dir} run");
    assert_eq!((&init.json()["data_dir"], &init.json()["next"]), (&json!(dir), &json!([next])));
    let id = datafan(&["id", "--json", "--data-dir", &dir]);
    assert_eq!(fields(&id.out), ["id", "mesh", "name"]);
    assert!(["id", "mesh", "name"].iter().all(|field| id.json()[field] == init.json()[field]));
    datafan(&["init", "--name", "b", "--data-dir", &dir]).fails(1, "already holds the member a");
    assert_eq!(datafan(&["id", "--json", "--data-dir", &dir]).json(), id.json());
    for key in ["authority.key", "member.key"] {
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(place.path("a").join(key)).unwrap().permissions(),
        );
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    let dir = text(&place.path("c"));
    let human = datafan(&["init", "--name", "c", "--data-dir", &dir]);
    let first: Vec<_> = human.out.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(first, ["id", "mesh", "name"], "the advice is no data: {}", human.out);
    assert!(human.err.contains("Back up") && human.err.contains("authority.key"), "{}", human.err);
    assert!(human.err.contains(&format!("Next: datafan --data-dir {dir} run")), "{}", human.err);
}

#[test]
fn without_a_member_commands_exit_3() {
    let place = TestDir::new();
    let dir = text(&place.path("a"));
    for args in [
        &["get", "k"][..],
        &["put", "k", "v"],
        &["del", "k"],
        &["ls"],
        &["export"],
        &["status"],
        &["members"],
        &["wait", "--links", "1"],
        &["invite", "b"],
        &["revoke", "b", "--yes"],
        &["grant", "b", "--items", "1"],
        &["rotate", "b", "--yes"],
        &["adopt"],
    ] {
        datafan(&[args, &["--data-dir", &dir]].concat()).fails(3, "no member is running");
    }
    let rows = place.file("rows.jsonl", "{\"key\":\"a\",\"value\":1}\n");
    datafan(&["import", &rows, "--data-dir", &dir]).fails(3, "no member is running");
    datafan(&["run", "--data-dir", &dir]).fails(1, "holds no member yet");
}

#[test]
fn wrong_usage_is_one_line_and_exit_2() {
    for args in [
        &["nonsense"][..],
        &["init"],
        &["init", "--name", "Not A Name"],
        &["init", "--mesh", "abc", "--name", "a"],
        &["run", "--listen", "nowhere"],
        &["run", "--api", "0.0.0.0:80"],
        &["run", "--connect", "me@host:1"],
        &["put", "k"],
        &["put", "k", "v", "--ttl", "10"],
        &["get", "k", "--owner", "a", "--all"],
        &["admit", "abc", "--name", "b"],
        &["invite", "b", "--expires", "soon"],
        &["grant", "b", "--role", "king"],
        &["grant", "b", "--bytes", "many"],
        &["rotate", "b", "--id", "abc"],
        &["authority", "sign"],
        &["wait"],
        &["wait", "--owner", "a"],
        &["demo", "--members", "1"],
    ] {
        datafan(args).fails(2, "error: ");
    }
    datafan(&["put", "k", "v", "--owner", "a"]).fails(2, "only the owner writes its shard");
}

#[test]
fn a_new_meshs_first_member_writes_and_reads_at_once() {
    let place = TestDir::new();
    let member = place.founder("a");
    assert_eq!(fields(&member.ports.to_string()), ["api", "listen"]);
    assert_eq!(member.ports["api"], Value::Null);
    let put = member.ask(&["put", "color", "grün", "--json"]);
    assert_eq!(fields(&put.out), ["time", "timestamp", "unchanged", "written"]);
    let timestamp = put.json()["timestamp"].as_u64().unwrap();
    let again = member.ask(&["put", "color", "grün", "--json"]).json();
    let time = &put.json()["time"];
    assert_eq!(again, json!({"timestamp": timestamp, "time": time, "written": 0, "unchanged": 1}));
    assert_eq!(member.ask(&["get", "color"]).out, "grün");

    let got = member.ask(&["get", "color", "--json"]).json();
    assert_eq!(got["timestamp"], timestamp);
    assert_eq!((&got["value"], &got["owner_name"]), (&json!("grün"), &json!("a")));
    assert_eq!((string(&got["owner"]), got["time"].as_str().unwrap().len()), (member.id(), 27));
    member.ask(&["get", "nothing"]).fails(4, "a has no key \"nothing\"");
    member.ask(&["get", "nothing", "--all"]).fails(4, "no owner has the key");
}

#[test]
fn values_come_from_anywhere_and_may_be_any_bytes() {
    let place = TestDir::new();
    let member = place.founder("a");
    let bytes = [0, 0xff, b'\n', 0x1b];
    let file = place.file("value", bytes);
    assert_eq!(member.ask(&["put", "file", "--file", &file, "--json"]).json()["written"], 1);
    assert_eq!(member.ask_with(&["put", "stdin", "-", "--json"], b"line\n").json()["written"], 1);
    assert_eq!(member.ask(&["put", "number", "-5"]).code, 0);
    let got = member.ask(&["get", "file", "--json"]).json();
    assert_eq!((&got["value_base64"], got.get("value")), (&json!("AP8KGw=="), None));
    assert_eq!(member.ask(&["get", "stdin"]).out, "line\n");
    assert_eq!(member.ask(&["get", "number"]).out, "-5");
    member.ask(&["put", "k", "--file", "/nowhere/at/all"]).fails(1, "/nowhere/at/all");

    let ttl = member.ask(&["put", "short", "v", "--ttl", "1h", "--json"]).json();
    let got = member.ask(&["get", "short", "--json"]).json();
    assert!(got["expires"].as_str().unwrap() > got["time"].as_str().unwrap(), "{ttl} {got}");
}

#[test]
fn limits_are_named_and_nothing_is_stored() {
    let place = TestDir::new();
    let member = place.founder("a");
    let long = "k".repeat(1_025);
    member.ask(&["put", &long, "v"]).fails(1, "key is 1025 bytes, limit 1024");
    let file = place.file("value", vec![7; (1 << 20) + 1]);
    member.ask(&["put", "k", "--file", &file]).fails(1, "1048576 bytes, the limit");
    member.ask(&["put", "_sys/addresses", "v"]).fails(1, "the system's");
    assert_eq!(member.ask(&["ls", "--json"]).out, "");
    let file = place.file("value", vec![7; 1 << 20]);
    assert_eq!(member.ask(&["put", "k", "--file", &file]).code, 0);
    assert_eq!(member.ask(&["ls", "--json"]).lines()[0]["bytes"], (1 << 20) + 1);
}

#[test]
fn del_names_what_is_missing_and_deletes_the_rest() {
    let place = TestDir::new();
    let member = place.founder("a");
    let one = member.put("one", "1");
    member.put("two", "2");
    let del = member.ask(&["del", "one", "none", "two", "--json"]);
    let said = json!({"error": "no such key: \"none\"", "kind": "not_found"});
    assert_eq!((del.code, del.err), (4, format!("{said}\n")));
    let written: Value = serde_json::from_str(&del.out).unwrap();
    assert!(written["timestamp"].as_u64().unwrap() > one);
    assert_eq!((&written["written"], &written["unchanged"]), (&json!(2), &json!(1)));
    assert_eq!(member.ask(&["ls"]).out, "");
}

#[test]
fn ls_and_export_are_sorted_lines() {
    let place = TestDir::new();
    let member = place.founder("a");
    for key in ["b/2", "a", "b/1"] {
        member.put(key, key);
    }
    let ls = member.ask(&["ls", "--json"]);
    assert_eq!(
        fields(ls.out.lines().next().unwrap()),
        ["bytes", "key", "owner", "owner_name", "time", "timestamp"]
    );
    let keys = |lines: Vec<Value>| lines.iter().map(|line| string(&line["key"])).collect::<Vec<_>>();
    assert_eq!(keys(ls.lines()), ["a", "b/1", "b/2"]);
    assert_eq!(keys(member.ask(&["ls", "--json", "--prefix", "b/"]).lines()), ["b/1", "b/2"]);
    let export = member.ask(&["export", "--all"]);
    let first = export.out.lines().next().unwrap();
    assert_eq!(fields(first), ["key", "owner", "owner_name", "time", "timestamp", "value"]);
    assert_eq!(keys(export.lines()), ["a", "b/1", "b/2"]);
    // An export can be imported again, which changes nothing.
    let file = place.file("export.jsonl", &export.out);
    assert_eq!(member.ask(&["import", &file, "--json"]).json()["unchanged"], 3);
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    let place = TestDir::new();
    let member = place.founder("a");
    let rows: String = (0..5_000).map(|n| format!("{{\"key\":\"key-{n}\",\"value\":{n}}}\n")).collect();
    let file = place.file("rows.jsonl", rows);
    assert_eq!(member.ask(&["import", &file]).code, 0);
    let script =
        format!("'{}' --data-dir '{}' export | head -n 1", env!("CARGO_BIN_EXE_datafan"), text(&member.dir));
    let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!((output.stdout.iter().filter(|b| **b == b'\n').count(), output.stderr.len()), (1, 0));
}

#[test]
fn owners_are_named_by_name_id_or_beginning() {
    let place = TestDir::new();
    let (a, timestamp) = {
        let a = place.founder("a");
        let timestamp = a.put("k", "v");
        (a, timestamp)
    };
    let id = a.id();
    for owner in ["a", &id, &id[..4]] {
        assert_eq!(a.get(owner, "k"), "v", "{owner}");
        a.waits_for(owner, timestamp);
    }
    a.ask(&["get", "k", "--owner", &id[..3]]).fails(4, "no member or owner");
    a.ask(&["ls", "--owner", "nobody"]).fails(4, "no member or owner \"nobody\"");
    a.ask(&["wait", "--owner", "nobody", "--timestamp", "1", "--timeout", "100ms"]).fails(4, "nobody");
    a.ask(&["revoke", "nobody", "--yes"]).fails(4, "nobody");
}

#[test]
fn waiting_in_vain_exits_6() {
    let place = TestDir::new();
    let member = place.founder("a");
    member.ask(&["wait", "--links", "1", "--timeout", "100ms"]).fails(6, "not reached within 100ms");
    member
        .ask(&["wait", "--timestamp", "18446744073709551615", "--timeout", "100ms"])
        .fails(6, "the shard is at");
    let waited = member.ask(&["wait", "--links", "0", "--json"]).json();
    assert_eq!(waited, json!({"timestamp": null, "time": null, "links": 0}));
}

#[test]
fn status_and_members_have_their_shapes() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    b.waits_links(1);
    let status = a.ask(&["status", "--json"]);
    let all = [
        "api",
        "clock_ahead",
        "divergent",
        "id",
        "links",
        "listen",
        "mesh",
        "name",
        "reason",
        "recovered",
        "refusals",
        "role",
        "shards",
        "state",
        "store",
    ];
    assert_eq!(fields(&status.out), all);
    let status = status.json();
    assert_eq!(
        (&status["state"], &status["name"], &status["listen"]),
        (&json!("up"), &json!("a"), &a.ports["listen"])
    );
    let link = &status["links"][0];
    assert_eq!(fields(&link.to_string()), ["address", "direction", "error", "id", "name", "state"]);
    assert_eq!(
        (&link["name"], &link["direction"], &link["state"]),
        (&json!("b"), &json!("in"), &json!("up"))
    );
    let shard = &status["shards"][0];
    let all = [
        "bytes",
        "items",
        "kind",
        "owner",
        "owner_name",
        "root",
        "state",
        "system_bytes",
        "system_items",
        "time",
        "timestamp",
    ];
    assert_eq!(fields(&shard.to_string()), all);
    let members = a.ask(&["members", "--json"]).json();
    assert_eq!(fields(&members.to_string()), ["members", "pending"]);
    let listed = members["members"].as_array().unwrap();
    let member = listed.iter().find(|member| member["name"] == "a").unwrap();
    assert_eq!(
        fields(&member.to_string()),
        ["bytes", "dialling", "granted", "id", "items", "name", "reach", "role", "state"]
    );
    assert_eq!((&member["role"], &member["state"]), (&json!("member"), &json!("active")));
    assert_eq!((members["members"].as_array().unwrap().len(), &members["pending"]), (2, &json!([])));
}

#[test]
fn tickets_that_are_none_are_refused() {
    let place = TestDir::new();
    let a = place.founder("a");
    let invited = a.ask(&["invite", "b", "--json"]);
    assert_eq!(fields(&invited.out), ["id", "name", "ticket"]);
    let ticket = string(&invited.json()["ticket"]);
    assert!(ticket.starts_with("datafan1") && !ticket.contains('='));
    let dir = text(&place.path("b"));
    let init = |ticket: &str| {
        datafan_with(&["init", "--ticket", "-", "--data-dir", &dir, "--json"], ticket.as_bytes())
    };
    init("hello").fails(1, "a ticket starts with datafan1");
    init(&ticket[..ticket.len() - 1]).fails(1, "copy it again");
    datafan(&["init", "--ticket", "/nowhere", "--data-dir", &dir]).fails(1, "/nowhere");
    let member = init(&format!("{ticket}\n")).json();
    assert_eq!((&member["id"], &member["name"]), (&invited.json()["id"], &json!("b")));
    assert!(!place.path("b").join("authority.key").exists());
    a.ask(&["invite", "b"]).fails(1, "the name b belongs to");
}

#[test]
fn the_demo_reports_its_phases() {
    let done = datafan(&["demo", "--json"]).json();
    assert_eq!(fields(&done.to_string()), ["equal", "members", "phases"]);
    assert_eq!((&done["equal"], &done["members"]), (&json!(true), &json!(3)));
    let phases = done["phases"].as_array().unwrap();
    assert_eq!(fields(&phases[0].to_string()), ["data_bytes", "items", "link_bytes", "name", "seconds"]);
    assert!(phases[0]["items"].as_u64().unwrap() >= 1_000 && phases.len() == 4);
    datafan(&["demo", "--data", "/nowhere/rows.gz"]).fails(1, "/nowhere/rows.gz");
    datafan(&["demo", "--updates", "/nowhere/rows.gz"]).fails(1, "/nowhere/rows.gz");
}
