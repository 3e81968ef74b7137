//! A37 with real processes: failing disks. A preloaded library replaces the system calls on the store's file.

use super::{
    client::{Client, own},
    common::{Member, TestDir, text},
    disk::goes_on,
};
use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
};

#[test]
fn a37_a_disk_that_fails_to_write_stops_the_member_and_nothing_acknowledged_is_lost() {
    failing_disk("write");
}

#[test]
fn a37_a_disk_that_fails_to_sync_stops_the_member_and_nothing_acknowledged_is_lost() {
    failing_disk("sync");
}

fn failing_disk(call: &str) {
    let place = TestDir::new();
    let Some(library) = library(&place) else {
        eprintln!("skipped: no cc, which makes the library that fails in the place of the disk");
        return;
    };
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]).leaves();
    let fails = place.path("fails");
    let mut starter = Command::new(env!("CARGO_BIN_EXE_datafan"));
    starter.env("LD_PRELOAD", &library).env("FAILS", &fails).env("FAILS_AT", call);
    let member = Member::start_by(starter, &b.address, &b.dir, &[]).ready();
    let mut client = Client::new(&b.dir, "client");
    let (mut n_acknowledged, stop) = (0, AtomicBool::new(false));
    client.write_until(&stop, || {
        n_acknowledged += 1;
        if n_acknowledged == 30 {
            fs::write(&fails, "").unwrap();
        }
        stop.store(n_acknowledged == 100, Ordering::Relaxed);
    });
    assert!((30..40).contains(&n_acknowledged), "{n_acknowledged}: it fails from then on");
    member.ends(1, "Input/output error");

    // It ends at once while the disk still fails, with the same message.
    let mut starter = Command::new(env!("CARGO_BIN_EXE_datafan"));
    starter.env("LD_PRELOAD", &library).env("FAILS", &fails).env("FAILS_AT", call);
    Member::start_by(starter, &b.address, &b.dir, &[]).ends(1, "Input/output error");

    let member = b.returns();
    client.check(&own(&b.dir));
    goes_on(&a, &member, &mut client);
}

/// Fails writes or syncs of the store's file while the file named by `FAILS` exists. `None` without a
/// compiler.
fn library(place: &TestDir) -> Option<PathBuf> {
    let (source, library) = (place.path("fails.c"), place.path("fails.so"));
    fs::write(&source, SOURCE).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o", &text(&library), &text(&source), "-ldl"]);
    let done = compiler.output().ok()?;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Some(library)
}

const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int fails(int fd, const char *call) {
    const char *flag = getenv("FAILS"), *at = getenv("FAILS_AT");
    if (!flag || !at || strcmp(at, call) || access(flag, F_OK)) return 0;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path);
    const char *name = "/store.redb";
    size_t m = strlen(name);
    if (n < (ssize_t)m || memcmp(path + n - m, name, m)) return 0;
    errno = EIO;
    return 1;
}

#define CALL(name, call, type, args, ...) \
    type name args { \
        static type (*next) args; \
        if (!next) next = dlsym(RTLD_NEXT, #name); \
        return fails(fd, call) ? -1 : next(__VA_ARGS__); \
    }

CALL(pwrite, "write", ssize_t, (int fd, const void *b, size_t n, off_t at), fd, b, n, at)
CALL(pwrite64, "write", ssize_t, (int fd, const void *b, size_t n, off64_t at), fd, b, n, at)
CALL(write, "write", ssize_t, (int fd, const void *b, size_t n), fd, b, n)
CALL(fsync, "sync", int, (int fd), fd)
CALL(fdatasync, "sync", int, (int fd), fd)
"#;
