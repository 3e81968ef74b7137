//! A45 over processes: a clock that is two years ahead for a while.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{Member, Place, text};
use std::{path::Path, process::Command};

/// Adds seconds to the wall clock of whatever is started with it; monotonic time stays.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    const char *seconds = getenv("CLOCK_AHEAD_SECONDS");
    if (result == 0 && clock == CLOCK_REALTIME && seconds) now->tv_sec += atol(seconds);
    return result;
}
"#;

#[test]
fn a45_what_was_written_two_years_ahead_is_restamped() {
    let place = Place::new();
    let Some(shim) = shim(&place) else {
        eprintln!("skipped: no C compiler makes a shared library for this system");
        return;
    };
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    a.waits_for("b", b.put("k", "right"));
    b.ask(&["restamp"]).is("nothing is ahead of the clock");
    let dir = b.dir.clone();
    assert_eq!(b.terminate(), 0);

    let ahead = run_ahead(&dir, &shim, 2 * 365 * 86_400);
    let future = ahead.put("k", "two years ahead");
    ahead.put("n", "two years ahead");
    ahead.waits_links(1);
    assert_eq!(a.get("b", "k"), "right", "nobody takes it");
    let told = ahead.ask(&["status"]).out;
    assert!(told.contains("s ahead of those of most peers"), "{told}");
    assert_eq!(ahead.terminate(), 0);

    let b = Member::run(&dir, &[]);
    b.waits_links(1);
    b.ask(&["put", "k", "v"]).fails(1, "restamp");
    let done = b.ask(&["restamp", "--json"]).json();
    assert!(done["timestamp"].as_u64().unwrap() < future, "{done}");
    assert!(done["restamped"].as_u64().unwrap() >= 2, "{done}");
    a.waits_for("b", b.put("after", "v"));
    assert_eq!(["k", "n", "after"].map(|key| a.get("b", key)), ["two years ahead", "two years ahead", "v"]);
    b.waits_for("a", a.put("here", "v"));
    assert_eq!(a.roots(), b.roots());
}

fn shim(place: &Place) -> Option<String> {
    let (source, library) = (place.file("ahead.c", SHIM), text(&place.path("ahead.so")));
    let made = Command::new("cc").args(["-shared", "-fPIC", "-o", &library, &source, "-ldl"]).output();
    made.is_ok_and(|made| made.status.success()).then_some(library)
}

fn run_ahead(dir: &Path, shim: &str, seconds: u64) -> Member {
    let mut starter = Command::new("env");
    starter.args([format!("LD_PRELOAD={shim}"), format!("CLOCK_AHEAD_SECONDS={seconds}")]);
    starter.arg(env!("CARGO_BIN_EXE_datafan"));
    Member::start_by(starter, "127.0.0.1:0", dir, &[]).ready()
}
