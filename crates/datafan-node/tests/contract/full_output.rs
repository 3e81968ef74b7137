//! The effect of a command stays, and is reported, even if standard output is full.

use crate::common::{Done, Member, TestDir, datafan, prepared, string, text};
use std::{
    fs::{self, File, OpenOptions},
    io,
    process::{Command, Stdio},
};

#[test]
fn a_change_is_told_as_done_where_standard_output_is_full() {
    let Some(full) = full() else { return println!("skipped: there is no /dev/full") };
    let place = TestDir::new();
    let a = place.founder("a");
    a.put("old", "v");
    let rows = place.file("rows", "{\"key\":\"row\",\"value\":1}\n{\"key\":\"row2\",\"value\":2}\n");
    let [c, d] = [1, 2].map(|n| datafan_core::identity::Identity::from_secret(&[n; 32]).id().to_string());
    let members = place.file("members", format!("{d} d\n"));
    let (ticket, request, saved) =
        (text(&place.path("t")), text(&place.path("request")), text(&place.path("saved")));
    let changes: [(&[&str], &str); 11] = [
        (&["put", "k", "v"], "1 written, 0 unchanged, at "),
        (&["del", "old"], "1 written, 0 unchanged, at "),
        (&["import", &rows], "2 written, 0 unchanged, at "),
        (&["del", "--prefix", "row"], "2 written, 0 unchanged, at "),
        (&["admit", &c, "--name", "c"], "admitted c ("),
        (&["admit", "--file", &members], "admitted 1 of the 1 members of "),
        (&["grant", "c", "--items", "7"], "changed c ("),
        (&["revoke", "c", "--yes"], "revoked c ("),
        (&["invite", "e", "--out", &ticket], "the ticket of e ("),
        (&["revoke", "d", "--offline", &request], "wrote "),
        (&["backup", &saved], "saved "),
    ];
    for (args, done) in changes.iter().chain([&(&["put", "k", "new", "--json"][..], changes[0].1)]) {
        let told = onto(&full, &a, args);
        let last = told.err.lines().next_back().unwrap_or_default();
        assert_eq!((told.code, last.contains("standard output: ")), (1, true), "{args:?}: {}", told.err);
        assert!(last.contains(&format!("; the change was made: {done}")), "{args:?}: {}", told.err);
    }
    let keys: Vec<_> = a.ask(&["ls", "--json"]).lines().iter().map(|line| string(&line["key"])).collect();
    assert_eq!(keys, ["k"]);
    assert!(fs::read_to_string(&ticket).unwrap().starts_with("datafan1"));
    assert!(fs::metadata(&request).is_ok() && fs::metadata(&saved).is_ok());

    // Both are reported: what was missing, and that the rest was removed.
    a.put("one", "1");
    let told = onto(&full, &a, &["del", "one", "none"]);
    assert!(told.code == 4 && told.err.contains("no such key: \"none\""), "{}", told.err);
    assert!(told.err.contains("; the change was made: 1 written, 1 unchanged, at "), "{}", told.err);

    // A query has changed nothing.
    for args in [&["get", "k"][..], &["ls"], &["status"], &["members"], &["backup", "-"]] {
        let told = onto(&full, &a, args);
        assert!(told.code == 1 && !told.err.contains("the change was made"), "{args:?}: {}", told.err);
        assert_eq!(told.err.matches("standard output").count(), 1, "{args:?}: {}", told.err);
    }
}

#[test]
fn nothing_is_told_as_done_where_nothing_has_changed() {
    let Some(full) = full() else { return println!("skipped: there is no /dev/full") };
    let place = TestDir::new();
    let a = place.founder("a");
    a.put("k", "v");
    let id = datafan_core::identity::Identity::from_secret(&[1; 32]).id().to_string();
    assert_eq!(a.ask(&["admit", &id, "--name", "c", "--items", "7"]).code, 0);
    let (rows, members) =
        (place.file("rows", "{\"key\":\"k\",\"value\":\"v\"}\n"), place.file("members", format!("{id} c\n")));
    let evidence = text(&place.path("evidence"));
    let all: [&[&str]; 11] = [
        &["restamp"],
        &["put", "k", "v"],
        &["del", "none", "--ignore-missing"],
        &["del", "--prefix", "none", "--ignore-missing"],
        &["import", &rows],
        &["admit", &id, "--name", "c", "--items", "7"],
        &["admit", "--file", &members],
        &["grant", "c", "--items", "7"],
        &["recovered", "--take"],
        &["recovered", "--forget"],
        &["forks", "--export", &evidence],
    ];
    for args in all {
        for json in [&[][..], &["--json"]] {
            let told = onto(&full, &a, &[args, json].concat());
            assert_eq!(told.code, 1, "{args:?} {json:?}: {}", told.err);
            assert_eq!(told.err.matches("standard output: ").count(), 1, "{args:?} {json:?}: {}", told.err);
            assert!(!told.err.contains("the change was made"), "{args:?} {json:?}: {}", told.err);
        }
    }
    // Existing items are printed as usual.
    assert_eq!(a.ask(&["restamp"]).out, "no timestamp is ahead of the clock\n");
    assert!(a.ask(&["put", "k", "v"]).out.starts_with("0 written, 1 unchanged, at "));
}

#[test]
fn help_and_the_version_fail_where_standard_output_is_full() {
    let Some(full) = full() else { return println!("skipped: there is no /dev/full") };
    let all: [&[&str]; 9] = [
        &["help"],
        &["--help"],
        &["-h"],
        &["help", "put"],
        &["put", "--help"],
        &["help", "--help"],
        &["-V"],
        &["--version"],
        &["version"],
    ];
    for args in all {
        for json in [&[][..], &["--json"]] {
            let args = [args, json].concat();
            let told = run(&full, &args);
            assert_eq!(told.code, 1, "{args:?}: {}", told.err);
            let said = match json {
                [] => told.err.clone(),
                _ => serde_json::from_str::<serde_json::Value>(&told.err).unwrap()["error"].to_string(),
            };
            assert!(said.contains("standard output: "), "{args:?}: {}", told.err);
        }
        // A closed pipe is not an error.
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut command = prepared(Command::new(env!("CARGO_BIN_EXE_datafan")), args);
        let told: Done = command.stdin(Stdio::null()).stdout(writer).output().unwrap().into();
        assert_eq!((told.code, told.err.as_str()), (0, ""), "{args:?}");
    }
}

#[test]
fn a_beginning_stands_where_standard_output_is_full() {
    let Some(full) = full() else { return println!("skipped: there is no /dev/full") };
    let place = TestDir::new();
    let dir = text(&place.path("a"));
    let args = ["init", "--name", "a", "--data-dir", &dir];
    let told = run(&full, &args);
    assert!(
        told.code == 1 && told.err.contains(&format!("; the change was made: {dir} holds")),
        "{}",
        told.err
    );
    datafan(&args).fails(1, "already holds the member a");
}

fn full() -> Option<File> {
    OpenOptions::new().write(true).open("/dev/full").ok()
}

fn onto(full: &File, member: &Member, args: &[&str]) -> Done {
    run(full, &[args, &["--data-dir", &text(&member.dir)]].concat())
}

fn run(full: &File, args: &[&str]) -> Done {
    let mut command = prepared(Command::new(env!("CARGO_BIN_EXE_datafan")), args);
    command.stdin(Stdio::null()).stdout(full.try_clone().unwrap()).output().unwrap().into()
}
