//! Logs that nobody reads, that stall, or that have no room do not harm the member.

use super::common::{TestDir, api::Api, datafan, prepared, text};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

#[test]
fn a57_a_log_without_room_neither_keeps_a_member_from_its_start_nor_from_its_end() {
    let place = TestDir::new();
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    let member = Logged::start(&place.path("a"), full(), "trace");
    member.works("one");
    member.stops();
    // Messages before and after the run of the member have no other place either.
    let mut second =
        prepared(Command::new(env!("CARGO_BIN_EXE_datafan")), &["run", "--data-dir", "/dev/null"]);
    assert_eq!(second.stderr(full()).status().unwrap().code(), Some(1));
}

#[test]
fn a57_a_member_outlives_the_reader_of_its_log() {
    let place = TestDir::new();
    let mut member = Logged::start(&place.path("a"), Stdio::piped(), "trace");
    let mut log = BufReader::new(member.child.stderr.take().unwrap());
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    assert!(!line.is_empty());
    drop(log);
    member.works("one");
    member.works("two");
    member.stops();
}

#[test]
fn a57_a_reader_that_reads_no_further_holds_no_member_up() {
    let place = TestDir::new();
    let mut member = Logged::start(&place.path("a"), Stdio::piped(), "trace");
    // Open but never read: a pipe holds 64 KiB, and each of these commits logs some lines.
    let _log = member.child.stderr.take();
    let mut api = Api::open(&member.dir).unwrap();
    for n in 0..1_000 {
        assert_eq!(api.put(&[(format!("k{n}"), "v".into())]).unwrap().status, 200);
    }
    member.works("one");
    member.stops();
}

/// A member of its own mesh with the log of the test.
struct Logged {
    dir: PathBuf,
    child: Child,
}

impl Logged {
    /// Starts it, and waits until it is ready.
    fn start(dir: &Path, stderr: Stdio, log: &str) -> Self {
        let ports = dir.with_extension("ports");
        let (dir_text, ports_text) = (text(dir), text(&ports));
        let args = ["run", "--init", "a", "--data-dir", &dir_text, "--listen", "127.0.0.1:0"];
        let args = [&args[..], &["--ports-file", &ports_text]].concat();
        let mut command = prepared(Command::new(env!("CARGO_BIN_EXE_datafan")), &args);
        let child = command.env("DATAFAN_LOG", log).stderr(stderr).spawn().unwrap();
        let mut started = Self { dir: dir.to_owned(), child };
        // Its log is under test, so the file shows that it is ready.
        let until = Instant::now() + super::common::PATIENCE;
        while fs::metadata(&ports).is_err() {
            assert!(started.child.try_wait().unwrap().is_none(), "it ended before it was ready");
            assert!(Instant::now() < until, "it never became ready");
            thread::sleep(Duration::from_millis(5));
        }
        started
    }

    /// It accepts a write and answers queries.
    fn works(&self, key: &str) {
        let ask = |args: &[&str]| datafan(&[args, &["--data-dir", &text(&self.dir)]].concat());
        assert_eq!(ask(&["put", key, "value"]).code, 0);
        ask(&["get", key]).is("value");
        assert_eq!(ask(&["status", "--json"]).json()["state"], "up");
    }

    /// It ends when told to.
    fn stops(mut self) {
        assert!(
            Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success()
        );
        let until = Instant::now() + super::common::PATIENCE;
        loop {
            if let Some(ended) = self.child.try_wait().unwrap() {
                return assert_eq!(ended.code(), Some(0));
            }
            assert!(Instant::now() < until, "it never ended");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
