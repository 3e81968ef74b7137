//! Members with a wrong wall clock.

use super::{Member, TestDir, text};
use std::{path::Path, process::Command};

/// Adds seconds to the wall clock of processes that are started with it; monotonic time is unchanged.
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

/// A library that falsifies wall clocks.
pub struct Clock {
    library: String,
}

impl Clock {
    /// `None` without a C compiler: the test is skipped, and says so.
    pub fn wrong(place: &TestDir) -> Option<Self> {
        let (source, library) = (place.file("clock.c", SHIM), text(&place.path("clock.so")));
        let made = Command::new("cc").args(["-shared", "-fPIC", "-o", &library, &source, "-ldl"]).output();
        if made.is_ok_and(|made| made.status.success()) {
            return Some(Self { library });
        }
        println!("skipped: no C compiler makes a shared library for this system");
        None
    }

    /// Runs the member of `dir` with a clock that is `seconds` ahead, or behind if negative.
    pub fn run(&self, dir: &Path, seconds: i64, more: &[&str]) -> Member {
        let mut starter = Command::new("env");
        starter.args([format!("LD_PRELOAD={}", self.library), format!("CLOCK_AHEAD_SECONDS={seconds}")]);
        starter.arg(env!("CARGO_BIN_EXE_datafan"));
        Member::start_by(starter, "127.0.0.1:0", dir, more).ready()
    }
}
