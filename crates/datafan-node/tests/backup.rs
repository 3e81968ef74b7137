//! `datafan backup` and `datafan restore`.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{Member, TestDir, datafan, datafan_with, text};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

#[test]
fn a_running_member_is_saved_while_it_writes_and_comes_back() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    let rows: String = (0..3_000).map(|n| format!("{{\"key\":\"k{n}\",\"value\":\"v{n}\"}}\n")).collect();
    let rows = place.file("rows", rows);
    assert_eq!(b.ask(&["import", &rows]).code, 0);
    b.waits_for("a", a.put("from", "a"));
    let file = text(&place.path("b.backup"));

    // Pairs are written together: whenever the backup is made, none is torn.
    let (over, home) = (AtomicBool::new(false), text(&b.dir));
    let saved = thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0.. {
                let pair =
                    format!("{{\"key\":\"left\",\"value\":{n}}}\n{{\"key\":\"right\",\"value\":{n}}}\n");
                assert_eq!(datafan_with(&["import", "-", "--data-dir", &home], pair.as_bytes()).code, 0);
                if over.load(Ordering::Relaxed) && n > 3 {
                    break;
                }
            }
        });
        let saved = b.ask(&["backup", &file, "--json"]).json();
        over.store(true, Ordering::Relaxed);
        saved
    });
    assert!(saved["items"].as_u64().unwrap() > 3_000 && saved["shards"] == 3, "{saved}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    b.put("later", "v");
    let last = b.put("k0", "later");
    a.waits_for("b", last);

    // Only the file still has it.
    let (dir, address, home) = (b.dir.clone(), a.address(), a.dir.clone());
    let at = text(&dir);
    assert_eq!(b.terminate(), 0);
    assert_eq!(a.terminate(), 0);
    datafan(&["restore", &file, "--data-dir", &at]).fails(1, "a backup never replaces a store");
    fs::remove_file(dir.join("store.redb")).unwrap();
    let restored = datafan(&["restore", &file, "--data-dir", &at, "--json"]).json();
    assert_eq!((&restored["items"], &restored["time"]), (&saved["items"], &saved["time"]));
    assert_eq!(datafan(&["verify", "--data-dir", &at]).code, 0);
    let b = Member::run(&dir, &[]);
    assert_eq!((b.get("b", "k2999").as_str(), b.get("a", "from").as_str()), ("v2999", "a"));
    assert_eq!(b.get("b", "k0"), "v0", "as it was then");
    let get = |key: &str| b.ask(&["get", key]).out;
    assert_eq!(get("left"), get("right"));

    // A29: what the mesh had beyond it comes back too.
    let a = Member::run_on(&address, &home, &[]);
    a.waits_for("b", b.put("on", "v"));
    assert_eq!((a.get("b", "later").as_str(), b.get("b", "k0").as_str()), ("v", "later"));
}

#[test]
fn a_member_that_does_not_run_is_saved_too_and_no_other_takes_it() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    b.put("k", "v");
    let (dir, other) = (b.dir.clone(), text(&a.dir));
    assert_eq!(b.terminate(), 0);
    assert_eq!(a.terminate(), 0);
    let (at, file) = (text(&dir), place.path("b.backup"));
    // A key that others can read exists, and is reported as unusable.
    let mode = |mode| fs::set_permissions(dir.join("member.key"), fs::Permissions::from_mode(mode)).unwrap();
    mode(0o640);
    let told = datafan(&["backup", &text(&file), "--data-dir", &at]);
    assert!(!told.err.contains("missing"), "{}", told.err);
    told.fails(1, "member.key");
    mode(0o600);
    let told = datafan(&["backup", &text(&file), "--data-dir", &at]);
    assert!(told.code == 0 && told.out.starts_with("saved ") && told.err.contains("keys"), "{}", told.err);

    fs::remove_file(place.path("a/store.redb")).unwrap();
    datafan(&["restore", &text(&file), "--data-dir", &other]).fails(1, "this is a backup of member");
    let bytes = fs::read(&file).unwrap();
    fs::remove_file(dir.join("store.redb")).unwrap();
    let mut altered = bytes.clone();
    *altered.last_mut().unwrap() ^= 1;
    for (bytes, what) in [
        (&bytes[..bytes.len() - 9], "the backup is incomplete"),
        (&altered, "what came is not what was written"),
        (&b"no backup at all, but long enough"[..], "not a datafan backup"),
        (&b""[..], "the end is missing"),
    ] {
        let file = place.file("spoilt", bytes);
        datafan(&["restore", &file, "--data-dir", &at]).fails(1, what);
        let left: Vec<_> = fs::read_dir(&dir).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_str().unwrap().contains("store")), "{left:?}");
    }
    assert_eq!(datafan(&["restore", &text(&file), "--data-dir", &at]).code, 0);
    assert_eq!(Member::run(&dir, &[]).get("b", "k"), "v");
}
