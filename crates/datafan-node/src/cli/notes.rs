//! Lines for people on standard error, beside the data on standard output.

use super::sink::Sink;
use std::{
    io::{self, Write},
    sync::OnceLock,
};

/// Set in a long-running process; other processes write to standard error directly.
pub static SINK: OnceLock<Sink> = OnceLock::new();

/// Prints a line. It does not matter whether anybody reads it.
pub fn note(text: &str) {
    let line = format!("{text}\n");
    match SINK.get() {
        Some(sink) => sink.line(line.as_bytes()),
        None => drop(io::stderr().write_all(line.as_bytes())),
    }
}

/// Waits until all lines are written, but not for a stalled reader.
pub fn drain() {
    if let Some(sink) = SINK.get() {
        sink.drain();
    }
}
