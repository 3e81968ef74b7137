//! Disks that are full: the member stops and says so, and goes on when there is space.

use super::{
    client::{Client, own},
    common::{Done, Member, Place, datafan, text},
    kills::all_equal,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::AtomicBool,
};

/// As much as a member of its own needs to begin, and some hundred writes.
const SMALL_BYTES: u64 = 8 << 20;

#[test]
fn a37_a_full_disk_stops_a_member_and_space_lets_it_go_on() {
    let place = Place::new();
    let Some(disk) = Disk::mount(&place.path("disk")) else { return };
    let a = place.founder("a");
    let full = on_disk(&place, &a, &disk.0);
    let (dir, address) = (full.dir.clone(), full.address());
    let mut client = Client::of_large_values(&dir, "client");
    client.write_until(&AtomicBool::new(false), || {});
    assert!(client.acknowledged > 3, "{}", client.acknowledged);
    full.ends(1, "No space left on device");

    // Still full: it says so at once, or as soon as it needs more than it has.
    for _ in 0..3 {
        let mut again = Member::start_on(&address, &dir, &[]);
        if again.is_ready_or_ends() {
            client.check(&own(&dir));
            client.write_until(&AtomicBool::new(false), || {});
        }
        again.ends(1, "No space left on device");
    }
    disk.resize(64 << 20);
    let b = Member::run_on(&address, &dir, &[]);
    goes_on(&a, &b, &mut client);
}

/// The same without a mount of one's own: the system refuses to let the file grow.
#[test]
fn a37_a_file_that_may_not_grow_stops_a_member() {
    let place = Place::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    let (dir, address) = (b.dir.clone(), b.address());
    assert_eq!(b.terminate(), 0);
    let b = limited(&address, &dir);
    let mut client = Client::of_large_values(&dir, "client");
    client.write_until(&AtomicBool::new(false), || {});
    assert!(client.acknowledged > 3, "{}", client.acknowledged);
    b.ends(1, "File too large");
    let b = Member::run_on(&address, &dir, &[]);
    goes_on(&a, &b, &mut client);
}

/// What others wrote fills the disk as well, while nobody writes here.
#[test]
fn a37_a_disk_that_others_fill_stops_a_member() {
    let place = Place::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    let mut client = Client::new(&b.dir, "client");
    let mut api = super::common::api::Api::open(&b.dir).unwrap();
    assert!((0..20).all(|_| client.write(&mut api)));
    let (dir, address) = (b.dir.clone(), b.address());
    assert_eq!(b.terminate(), 0);
    let b = limited(&address, &dir);
    let mut writer = Client::of_large_values(&a.dir, "a");
    let mut api = super::common::api::Api::open(&a.dir).unwrap();
    for _ in 0..50 {
        assert!(writer.write(&mut api), "A is not concerned");
    }
    b.ends(1, "File too large");
    let b = Member::run_on(&address, &dir, &[]);
    goes_on(&a, &b, &mut client);
    writer.check(&own(&a.dir));
}

#[test]
fn a37_a_mesh_that_cannot_begin_for_lack_of_space_begins_later() {
    let place = Place::new();
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

/// Nothing that was acknowledged is lost, and all goes on: the last thing is a write that the other one gets.
fn goes_on(a: &Member, b: &Member, client: &mut Client) {
    client.check(&own(&b.dir));
    let mut api = super::common::api::Api::open(&b.dir).unwrap();
    assert!(client.write(&mut api));
    let (at_a, at_b) = (a.put("last", "1"), client.last);
    for member in [a, b] {
        let mut api = super::common::api::Api::open(&member.dir).unwrap();
        api.waits_for(&a.id(), at_a, super::common::PATIENCE);
        api.waits_for(&b.id(), at_b, super::common::PATIENCE);
    }
    all_equal(&[a, b]);
    client.check(&own(&b.dir));
}

/// A member in a directory on `disk`, invited by `a`, running and linked.
fn on_disk(place: &Place, a: &Member, disk: &Path) -> Member {
    let ticket = a.ask(&["invite", "full", "--json"]).json();
    let ticket = place.file("full.ticket", ticket["ticket"].as_str().unwrap());
    let member = Member::run(&disk.join("full"), &["--ticket", &ticket]);
    member.waits_links(1);
    member
}

/// Runs a member whose files may not grow beyond [`SMALL_BYTES`].
fn limited(address: &str, dir: &Path) -> Member {
    let mut shell = Command::new("sh");
    // Without the trap a signal would end it at once; `ulimit -f` counts blocks of 512 bytes.
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", SMALL_BYTES / 512);
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_datafan")]);
    Member::start_by(shell, address, dir, &[]).ready()
}

/// A file system in memory, of a size of its own. Gone when dropped.
struct Disk(PathBuf);

impl Disk {
    /// `None` where one may not mount: the test is skipped, and says so.
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
