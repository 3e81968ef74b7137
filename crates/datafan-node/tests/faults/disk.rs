//! Full disks: the member continues to read and serve, says why it does not write, and continues when there
//! is space. Files that are removed while they are in use.

use super::{
    client::{Client, own},
    common::{Done, Member, PATIENCE, TestDir, api::Api, datafan, text},
    kills::all_equal,
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Room for a member to start, and some hundred writes.
const SMALL_BYTES: u64 = 8 << 20;

/// Until a write finds no space: nothing is kept in reserve.
#[test]
fn a59_a_full_disk_stops_writes_and_space_lets_them_go_on() {
    full_disk(&["--disk-reserve", "0"], "No space left on device");
}

/// The default of members: no write ever finds the disk full.
#[test]
fn a59_less_space_than_the_reserve_stops_writes_and_space_lets_them_go_on() {
    full_disk(&["--disk-reserve", "2MiB"], "2048 KiB are kept in reserve");
}

fn full_disk(more: &[&str], why: &str) {
    let place = TestDir::new();
    let Some(disk) = Disk::mount(&place.path("disk")) else { return };
    let a = place.founder("a");
    let full = on_disk(&place, &a, &disk.0, more);
    let (dir, address) = (full.dir.clone(), full.address());
    let mut client = Client::of_large_values(&dir, "client");
    while_reading(&dir, || {
        let mut api = Api::open(&dir).unwrap();
        assert!(client.write(&mut api));
        client.write_until(&AtomicBool::new(false), || {});
        assert!(client.acknowledged > 3, "{}", client.acknowledged);
        is_degraded(&full, why);
        client.check(&own(&dir));
    });
    full.ask(&["put", "k", "v"]).fails(1, "the disk is full");
    let checked = full.ask(&["status", "--check"]);
    assert_eq!(checked.code, 5, "{}", checked.err);
    assert!(checked.err.contains("the member is degraded: the disk is full"), "{}", checked.err);
    assert_eq!(a.ask(&["status", "--check"]).code, 0);
    // Data of others is not taken, and the existing data is served.
    let missed = a.put("missed", "later");
    assert!(full.ask(&["get", "missed", "--owner", "a"]).code != 0);
    assert!(full.ask(&["put", "k", "v"]).code != 0);

    // Restarted while the disk is full, it reads and serves as before.
    assert_eq!(full.terminate(), 0);
    let full = Member::run_on(&address, &dir, more);
    is_degraded(&full, "");
    client.check(&own(&dir));
    while_reading(&dir, || {
        disk.resize(64 << 20);
        is_up(&full);
        Api::open(&dir).unwrap().waits_for("a", missed, PATIENCE);
    });
    goes_on(&a, &full, &mut client);
    assert_eq!(full.terminate(), 0);
    let left: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "nothing is left of trying whether there is space: {left:?}");
}

/// The same without a mount: the system does not let the file grow.
#[test]
fn a59_a_file_that_may_not_grow_stops_writes_alone() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    let (dir, address) = (b.dir.clone(), b.address());
    assert_eq!(b.terminate(), 0);
    let b = limited(&address, &dir);
    let mut client = Client::of_large_values(&dir, "client");
    client.write_until(&AtomicBool::new(false), || {});
    assert!(client.acknowledged > 3, "{}", client.acknowledged);
    is_degraded(&b, "File too large");
    client.check(&own(&dir));
    assert_eq!(b.terminate(), 0);
    let b = Member::run_on(&address, &dir, &[]);
    goes_on(&a, &b, &mut client);
}

/// Data of others fills the disk as well, while nobody writes here.
#[test]
fn a59_a_disk_that_others_fill_stops_no_member() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    let mut client = Client::new(&b.dir, "client");
    let mut api = Api::open(&b.dir).unwrap();
    assert!((0..20).all(|_| client.write(&mut api)));
    let (dir, address) = (b.dir.clone(), b.address());
    assert_eq!(b.terminate(), 0);
    let b = limited(&address, &dir);
    let mut writer = Client::of_large_values(&a.dir, "a");
    let mut api = Api::open(&a.dir).unwrap();
    for _ in 0..50 {
        assert!(writer.write(&mut api), "A is not concerned");
    }
    is_degraded(&b, "File too large");
    client.check(&own(&dir));
    assert_eq!(b.terminate(), 0);
    let b = Member::run_on(&address, &dir, &[]);
    goes_on(&a, &b, &mut client);
    writer.check(&own(&a.dir));
}

#[test]
fn a59_a_mesh_that_cannot_begin_for_lack_of_space_begins_later() {
    let place = TestDir::new();
    let Some(disk) = Disk::mount(&place.path("disk")) else { return };
    let dir = disk.0.join("a");
    let filler = disk.0.join("filler");
    fs::write(&filler, vec![1; 2 * SMALL_BYTES as usize]).unwrap_err();
    let run =
        || -> Done { datafan(&["run", "--init", "a", "--data-dir", &text(&dir), "--listen", "127.0.0.1:0"]) };
    run().fails(1, "No space left on device");
    run().fails(1, "No space left on device");
    fs::remove_file(filler).unwrap();
    disk.resize(64 << 20);
    let member = Member::run(&dir, &["--init", "a"]);
    member.put("begun", "later");
}

#[test]
fn a59_verify_and_backup_read_what_cannot_be_written() {
    let place = TestDir::new();
    let Some(disk) = Disk::mount(&place.path("disk")) else { return };
    let a = place.founder("a");
    a.put("k", "v");
    let dir = a.dir.clone();
    // The state after a crash: to be read, it has to be repaired in memory.
    a.kill();
    let there = disk.0.join("a");
    fs::create_dir(&there).unwrap();
    for file in ["member.key", "member.json", "store.redb"] {
        fs::copy(dir.join(file), there.join(file)).unwrap();
    }
    assert!(mount(&disk.0, "remount,ro"));
    let at = text(&there);
    let done = datafan(&["verify", "--data-dir", &at]);
    assert_eq!(done.code, 0, "{}", done.err);
    let saved = text(&place.path("saved"));
    let done = datafan(&["backup", &saved, "--data-dir", &at]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(fs::metadata(saved).unwrap().len() > 100);
}

#[test]
fn a59_a_store_that_is_taken_away_ends_its_member_within_seconds() {
    let place = TestDir::new();
    let removed = place.founder("removed");
    fs::remove_file(removed.dir.join("store.redb")).unwrap();
    ends_soon(removed, "store.redb was removed or moved while it was in use");
    let moved = place.founder("moved");
    fs::rename(&moved.dir, place.path("elsewhere")).unwrap();
    ends_soon(moved, "store.redb was removed or moved while it was in use");
    let replaced = place.founder("replaced");
    let store = replaced.dir.join("store.redb");
    fs::copy(&store, place.path("copy")).unwrap();
    fs::rename(place.path("copy"), &store).unwrap();
    ends_soon(replaced, "store.redb was replaced while it was in use");
}

fn ends_soon(member: Member, text: &str) {
    let began = Instant::now();
    member.ends(1, text);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

/// Waits until a member reports that its disk is full, and why.
fn is_degraded(member: &Member, why: &str) {
    let status = status_until(&member.dir, |status| status["state"] == "degraded");
    let reason = status["reason"].as_str().unwrap();
    assert!(reason.contains("the disk is full") && reason.contains(why), "{reason}");
}

/// Waits until a member works normally.
fn is_up(member: &Member) {
    status_until(&member.dir, |status| status["state"] == "up" && status["reason"].is_null());
}

/// A full disk is tried again after a second, and later at least every minute.
fn status_until(dir: &Path, wanted: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + 2 * PATIENCE;
    loop {
        let status = Api::open(dir).unwrap().get("/v1/status").unwrap().json();
        if wanted(&status) {
            return status;
        }
        assert!(Instant::now() < until, "{status}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Runs `work` during continuous reads, all of which succeed.
fn while_reading(dir: &Path, work: impl FnOnce()) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reads = scope.spawn(|| {
            let mut api = Api::open(dir).unwrap();
            let mut n = 0;
            while !done.load(Ordering::Relaxed) {
                let answer = api.get("/v1/list?all=true").unwrap();
                assert_eq!(answer.status, 200, "read {n}: {}", answer.body);
                n += 1;
            }
            n
        });
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        done.store(true, Ordering::Relaxed);
        let n = reads.join().expect("reads go on");
        assert!(n > 0);
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

/// Nothing acknowledged is lost, and everything continues: at the end, the other member gets a write.
pub fn goes_on(a: &Member, b: &Member, client: &mut Client) {
    client.check(&own(&b.dir));
    let mut api = Api::open(&b.dir).unwrap();
    assert!(client.write(&mut api));
    let (at_a, at_b) = (a.put("last", "1"), client.last);
    for member in [a, b] {
        let mut api = Api::open(&member.dir).unwrap();
        api.waits_for(&a.id(), at_a, PATIENCE);
        api.waits_for(&b.id(), at_b, PATIENCE);
    }
    all_equal(&[a, b]);
    client.check(&own(&b.dir));
}

/// A member in a directory on `disk`, invited by `a`, running and linked.
fn on_disk(place: &TestDir, a: &Member, disk: &Path, more: &[&str]) -> Member {
    let ticket = a.ask(&["invite", "full", "--json"]).json();
    let ticket = place.file("full.ticket", ticket["ticket"].as_str().unwrap());
    let member = Member::run(&disk.join("full"), &[&["--ticket", &ticket], more].concat());
    member.waits_links(1);
    member
}

/// Runs a member whose files must not grow beyond [`SMALL_BYTES`].
fn limited(address: &str, dir: &Path) -> Member {
    let mut shell = Command::new("sh");
    // `ulimit -f` counts blocks of 512 bytes.
    let script = format!("ulimit -f {}; exec \"$0\" \"$@\"", SMALL_BYTES / 512);
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_datafan")]);
    Member::start_by(shell, address, dir, &[]).ready()
}

/// A file system in memory with a fixed size, removed when dropped.
struct Disk(PathBuf);

impl Disk {
    /// `None` if mounting is not allowed: the test is skipped, and says so.
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir(at).unwrap();
        if mount(at, &format!("size={SMALL_BYTES}")) {
            return Some(Self(at.to_owned()));
        }
        println!("skipped: this user may not mount a file system in memory (needs root)");
        None
    }

    fn resize(&self, bytes: u64) {
        assert!(mount(&self.0, &format!("remount,size={bytes}")));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn mount(at: &Path, options: &str) -> bool {
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", options, "datafan-test"]).arg(at);
    mount.stdin(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
