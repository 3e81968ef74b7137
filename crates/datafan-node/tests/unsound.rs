//! Invalid files: a file that is not a store, a backup that is cut off or has no room, leftovers of a killed
//! command.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{Done, Member, TestDir, datafan, prepared, text};
use std::{
    fs,
    io::Read,
    path::Path,
    process::{Command, Stdio},
};

#[test]
fn a_file_that_is_no_store_never_replaces_a_backup() {
    let place = TestDir::new();
    let dir = place.path("a");
    let (home, backup) = (text(&dir), text(&place.path("good.backup")));
    assert_eq!(datafan(&["init", "--name", "a", "--data-dir", &home]).code, 0);
    assert_eq!(datafan(&["backup", &backup, "--data-dir", &home]).code, 0);
    let (good, store) = (fs::read(&backup).unwrap(), dir.join("store.redb"));
    let whole = fs::read(&store).unwrap();
    redb::Database::create(place.path("new.redb")).unwrap();
    let without_tables = fs::read(place.path("new.redb")).unwrap();

    let spoilt: [&[u8]; 7] = [
        b"",
        b"r",
        &whole[..9],
        &whole[..200],
        &whole[..whole.len() / 2],
        &b"not of redb ".repeat(1_000),
        &without_tables,
    ];
    for bytes in spoilt {
        fs::write(&store, bytes).unwrap();
        let ask = |args: &[&str]| datafan(&[args, &["--data-dir", &home]].concat());
        ask(&["verify"]).fails(5, "verify --repair");
        ask(&["backup", &backup, "--force"]).fails(5, "verify --repair");
        ask(&["backup", "-"]).fails(5, "verify --repair");
        ask(&["compact"]).fails(5, "verify --repair");
        ask(&["run", "--listen", "127.0.0.1:0"]).has_failed(1, "verify --repair");
        assert_eq!(fs::read(&backup).unwrap(), good, "of {} bytes", bytes.len());
        assert_eq!(files(place.0.path()), ["a", "good.backup", "new.redb"]);
        assert_eq!(fs::read(&store).unwrap(), bytes, "nothing was changed");
    }

    // What does not come back is reported, and the report is true.
    let moved = datafan(&["verify", "--repair", "--data-dir", &home]);
    assert!(moved.code == 0 && moved.out.contains("moved to ") && moved.out.contains("store.redb.damaged"));
    assert!(moved.err.contains("Own writes that no peer has are lost"), "{}", moved.err);
    assert!(moved.err.contains("datafan restore"), "{}", moved.err);
    assert_eq!(fs::read(dir.join("store.redb.damaged")).unwrap(), without_tables);
    assert_eq!(datafan(&["restore", &backup, "--data-dir", &home]).code, 0);
    assert_eq!(datafan(&["verify", "--data-dir", &home]).code, 0);
}

#[test]
fn a_backup_whose_reader_goes_away_has_failed() {
    let place = TestDir::new();
    let a = member_of(&place, 400);
    let dir = a.dir.clone();
    let cut_off = || {
        let args = ["backup", "-", "--data-dir", &text(&dir)];
        let command = &mut prepared(Command::new(env!("CARGO_BIN_EXE_datafan")), &args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut reader = child.stdout.take().unwrap();
        reader.read_exact(&mut [0; 1_000]).unwrap();
        drop(reader);
        Done::from(child.wait_with_output().unwrap())
    };
    cut_off().fails(1, "the backup is incomplete");
    // Another reader may stop when it has seen enough.
    // What `head` itself prints is left out: it would mix with the exit code.
    let head = |command: &str| {
        let script =
            format!("{{ \"$0\" {command} --data-dir \"$1\"; echo $? >&2; }} | head -n 1 >&- 2>/dev/null");
        let args = ["-c", &script, env!("CARGO_BIN_EXE_datafan"), &text(&dir)];
        Done::from(Command::new("sh").args(args).output().unwrap()).err
    };
    assert_eq!(head("export").lines().find(|line| line.parse::<u8>().is_ok()), Some("0"));
    assert_eq!(a.terminate(), 0);
    cut_off().fails(1, "the backup is incomplete");
}

#[test]
fn a_limit_of_file_sizes_is_a_full_disk() {
    let place = TestDir::new();
    let dir = place.path("a");
    let home = text(&dir);
    assert_eq!(datafan(&["init", "--name", "a", "--data-dir", &home]).code, 0);
    // In units of 512 bytes or of 1024, depending on the shell: more than the new store takes.
    let limit = fs::metadata(dir.join("store.redb")).unwrap().len() / 512 + 2_000;
    let mut a = Member::start_by(limited(limit), "127.0.0.1:0", &dir, &[]).ready();
    let before = a.put("before", "v");
    let imported = a.ask(&["import", &rows(&place, 5_000)]);
    assert_eq!(imported.code, 1, "{}", imported.err);
    a.logs("the disk is full");
    assert_eq!(a.get("a", "before"), "v", "it goes on reading");
    assert_eq!(a.terminate(), 0);

    let a = Member::run(&dir, &[]);
    assert_eq!(a.get("a", "before"), "v");
    assert!(a.put("after", "v") > before);
    assert_eq!(a.ask(&["import", &rows(&place, 1_000)]).code, 0);
    assert_eq!(a.terminate(), 0);
    let file = place.path("a.backup");
    let args = ["backup", &text(&file), "--data-dir", &home];
    let saved = Done::from(prepared(limited(100), &args).stdin(Stdio::null()).output().unwrap());
    saved.fails(1, "File too large");
    assert!(!files(place.0.path()).iter().any(|name| name.contains("backup")), "{:?}", files(place.0.path()));
}

#[test]
fn what_a_killed_backup_has_left_goes_with_the_next_one() {
    let place = TestDir::new();
    let home = text(&place.path("a"));
    assert_eq!(datafan(&["init", "--name", "a", "--data-dir", &home]).code, 0);
    let mut child = Command::new("true").spawn().unwrap();
    let (dead, runs) = (child.id(), std::process::id());
    child.wait().unwrap();
    place.file(&format!("a.backup.{dead}.tmp"), "half");
    let stays =
        ["a.backup.1x.tmp".to_owned(), format!("a.backup.{runs}.tmp"), format!("b.backup.{dead}.tmp")];
    stays.iter().for_each(|name| drop(place.file(name, "half")));
    let file = text(&place.path("a.backup"));
    assert_eq!(datafan(&["backup", &file, "--data-dir", &home]).code, 0);
    let mut expected = [&["a".to_owned(), "a.backup".to_owned()], &stays[..]].concat();
    expected.sort();
    assert_eq!(files(place.0.path()), expected);
}

#[test]
fn a_beginning_that_fails_leaves_nothing_behind() {
    let place = TestDir::new();
    let dir = place.path("a");
    let home = text(&dir);
    assert_eq!(datafan(&["init", "--name", "a", "--data-dir", &home]).code, 0);
    let mesh = datafan(&["id", "--json", "--data-dir", &home]).json()["mesh"].as_str().unwrap().to_owned();
    ["member.json", "authority.key"].iter().for_each(|name| fs::remove_file(dir.join(name)).unwrap());
    let there = files(&dir);
    let run = ["run", "--listen", "127.0.0.1:0", "--data-dir", &home];
    for args in
        [&["init", "--name", "a", "--data-dir", &home], &run[..], &[&run[..], &["--init", "a"]].concat()]
    {
        datafan(args).has_failed(1, "no member.json");
        assert_eq!(files(&dir), there, "{args:?}");
    }
    // The remedy that the error names.
    fs::rename(dir.join("store.redb"), place.path("store.redb")).unwrap();
    assert_eq!(datafan(&["init", "--mesh", &mesh, "--name", "a", "--data-dir", &home]).code, 0);
    fs::rename(place.path("store.redb"), dir.join("store.redb")).unwrap();
    Member::run(&dir, &[]).put("k", "v");

    // There is room for the keys but not for the store.
    for blocks in [8, 100] {
        let above = place.path("above");
        let args = ["init", "--name", "b", "--data-dir", &text(&above.join("b"))];
        Done::from(prepared(limited(blocks), &args).output().unwrap()).has_failed(1, "");
        assert!(!above.exists(), "{blocks} blocks: {:?}", files(&above.join("b")));
    }
}

/// A running member with this many items of a kilobyte.
fn member_of(place: &TestDir, items: usize) -> Member {
    let a = place.founder("a");
    let done = a.ask(&["import", &rows(place, items)]);
    assert_eq!(done.code, 0, "{}", done.err);
    a
}

/// A file with this many rows of a kilobyte.
fn rows(place: &TestDir, items: usize) -> String {
    let value = "v".repeat(1_000);
    let rows = (0..items).map(|n| format!("{{\"key\":\"k{n}\",\"value\":\"{value}\"}}\n"));
    place.file("rows", rows.collect::<String>())
}

/// The binary with files limited to this many blocks of the shell.
fn limited(blocks: u64) -> Command {
    let mut command = Command::new("sh");
    let script = format!("ulimit -f {blocks}; exec \"$0\" \"$@\"");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_datafan")]);
    command
}

fn files(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}
