//! `backup` and similar commands: no file is lost by its name, and nothing waits forever.

use crate::common::{Member, PATIENCE, TestDir, datafan, datafan_bytes, string, text};
use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

#[test]
fn what_is_no_regular_file_is_never_replaced_by_one() {
    let place = TestDir::new();
    let a = place.founder("a");
    let (fifo, link) = (text(&place.path("fifo")), text(&place.path("link")));
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let target = place.file("target", "elsewhere");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let a = a.leaves();
    let at = text(&a.dir);
    for special in [&fifo, &link] {
        datafan(&["backup", special, "--force", "--data-dir", &at]).fails(1, "not a regular file");
        let run = ["run", "--data-dir", &at, "--listen", "127.0.0.1:0", "--ports-file", special];
        datafan(&run).has_failed(1, "not a regular file");
    }
    assert_eq!(fs::read_to_string(&target).unwrap(), "elsewhere");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[test]
fn a_ports_file_says_where_a_member_is_and_goes_when_it_stops() {
    let place = TestDir::new();
    let a = place.founder("a");
    let ports = a.dir.with_extension("ports");
    assert!(ports.exists());
    assert_eq!(a.terminate(), 0);
    assert!(!ports.exists());
}

#[test]
fn a_ports_file_of_another_member_stays_and_no_other_file_is_replaced() {
    let place = TestDir::new();
    let a = place.founder("a");
    // Its ports file has the same name: the last writer wins, and the first one removes nothing.
    let dir = place.path("a.b");
    assert_eq!(datafan(&["init", "--name", "b", "--data-dir", &text(&dir)]).code, 0);
    let b = Member::run(&dir, &[]);
    let ports = a.dir.with_extension("ports");
    assert_eq!(ports, b.dir.with_extension("ports"));
    assert_eq!(a.terminate(), 0);
    assert!(fs::read_to_string(&ports).unwrap().contains(&b.address()));
    let dir = text(&dir);
    assert_eq!(b.terminate(), 0);
    assert!(!ports.exists());
    let notes = place.file("notes", "mine");
    let run = ["run", "--data-dir", &dir, "--listen", "127.0.0.1:0", "--ports-file", &notes];
    datafan(&run).has_failed(1, "not a ports file");
    assert_eq!(fs::read_to_string(&notes).unwrap(), "mine");
}

#[test]
fn a_backup_replaces_a_file_only_by_force() {
    let place = TestDir::new();
    let a = place.founder("a");
    a.put("k", "v");
    let file = place.file("saved", "the only good copy");
    a.ask(&["backup", &file]).fails(1, "replace it with --force");
    assert_eq!(fs::read_to_string(&file).unwrap(), "the only good copy");
    assert_eq!(fs::read_dir(place.0.path()).unwrap().filter(is_rest).count(), 0);
    assert_eq!(a.ask(&["backup", &file, "--force"]).code, 0);
    assert!(fs::read(&file).unwrap().len() > 100);
    let a = a.leaves();
    let at = text(&a.dir);
    datafan(&["backup", &file, "--data-dir", &at]).fails(1, "replace it with --force");
    assert_eq!(datafan(&["backup", &file, "--force", "--data-dir", &at]).code, 0);
}

fn is_rest(entry: &std::io::Result<fs::DirEntry>) -> bool {
    entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".tmp")
}

#[test]
fn a_backup_streams_whether_the_member_runs_or_not() {
    let place = TestDir::new();
    let a = place.founder("a");
    a.put("k", "v");
    let dir = text(&a.dir);
    let save = || datafan_bytes(&["backup", "-", "--data-dir", &dir], &[]);
    let (code, running, told) = save();
    assert!(code == 0 && told.starts_with("saved ") && !running.is_empty(), "{told}");
    let away = a.leaves();
    let (code, stopped, told) = save();
    assert!(code == 0 && told.starts_with("saved "), "{told}");
    for saved in [running, stopped] {
        fs::remove_file(away.dir.join("store.redb")).unwrap();
        let (code, _, told) = datafan_bytes(&["restore", "-", "--data-dir", &dir], &saved);
        assert_eq!(code, 0, "{told}");
        assert_eq!(away.returns().leaves().dir, away.dir);
    }
    let a = away.returns();
    assert_eq!(a.get("a", "k"), "v");
}

#[test]
fn a_list_of_members_is_read_only_as_far_as_a_request_may_go() {
    let place = TestDir::new();
    let a = place.founder("a");
    // Endless, without a line feed: only a limited amount is read.
    let output = Command::new("timeout")
        .args([
            "60",
            env!("CARGO_BIN_EXE_datafan"),
            "admit",
            "--file",
            "/dev/zero",
            "--data-dir",
            &text(&a.dir),
        ])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("longer than 8388608 bytes"), "{said}");
    let file = place.file("long", " ".repeat((8 << 20) + 1));
    a.ask(&["admit", "--file", &file]).fails(1, "longer than 8388608 bytes");
    a.ask_with(&["admit", "--file", "-"], " ".repeat((8 << 20) + 1).as_bytes()).fails(1, "longer than");
}

#[test]
fn a_member_whose_process_is_stopped_holds_up_nobody() {
    let place = TestDir::new();
    let a = place.founder("a");
    a.put("k", "v");
    let (id, saved) = (string(&a.ask(&["id", "--json"]).json()["id"]), text(&place.path("saved")));
    let rows = place.file("rows.jsonl", "{\"key\":\"a\",\"value\":1}\n");
    let stopped = Stopped::new(&a);
    let all: [&[&str]; 22] = [
        &["status"],
        &["members"],
        &["get", "k"],
        &["get", "k", "--all"],
        &["put", "k", "v"],
        &["del", "k"],
        &["ls"],
        &["export"],
        &["import", &rows],
        &["wait", "--links", "0"],
        &["forks"],
        &["recovered"],
        &["recovered", "--forget", "--yes"],
        &["restamp"],
        &["invite", "b"],
        &["admit", &id, "--name", "b"],
        &["grant", "a", "--items", "5"],
        &["revoke", "b", "--yes"],
        &["rotate", "a", "--yes"],
        &["adopt"],
        &["compact"],
        &["backup", &saved],
    ];
    let ends_soon = |began: Instant, args: &[&str]| {
        // The member itself reports the end of a `wait`; it has an extra second for that.
        assert!(began.elapsed() < Duration::from_secs(5), "{args:?}: {:?}", began.elapsed());
    };
    for args in all {
        let began = Instant::now();
        let done = a.ask(&[args, &["--timeout", "100ms"]].concat());
        ends_soon(began, args);
        done.fails(6, "did not answer within 100ms");
        done.fails(6, "--timeout");
    }
    // The directory holds almost all of the answer.
    let began = Instant::now();
    assert_eq!(a.ask(&["id", "--timeout", "100ms", "--json"]).json()["name"], "a");
    ends_soon(began, &["id"]);
    drop(stopped);
    // The requests may still take effect, and all of them were received.
    assert_eq!(a.ask(&["status"]).code, 0);
}

/// A process that is stopped with SIGSTOP until this is dropped.
struct Stopped(String);

impl Stopped {
    fn new(member: &Member) -> Self {
        let id = member.process().to_string();
        assert!(Command::new("kill").args(["-STOP", &id]).status().unwrap().success());
        let stopped = Self(id);
        let until = Instant::now() + PATIENCE;
        while !stopped.whole() {
            assert!(Instant::now() < until, "it was told to stop");
            thread::yield_now();
        }
        stopped
    }

    /// Whether all of its threads have stopped: the signal reaches them one after another.
    fn whole(&self) -> bool {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0)).unwrap();
        tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("stat")).ok()).all(|stat| {
            let (_, after_name) = stat.rsplit_once(')').unwrap();
            after_name.trim_start().starts_with('T')
        })
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-CONT", &self.0]).status();
    }
}
