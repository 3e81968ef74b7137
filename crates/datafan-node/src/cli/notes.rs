//! Lines for people on standard error, beside the data.

use super::sink::Sink;
use std::{
    io::{self, Write},
    sync::OnceLock,
};

/// Where a process that runs for long says what it has to say; the others write to standard error themselves.
pub static SINK: OnceLock<Sink> = OnceLock::new();

/// Says a line. Nobody may be there to read it.
pub fn note(text: &str) {
    let line = format!("{text}\n");
    match SINK.get() {
        Some(sink) => sink.line(line.as_bytes()),
        None => drop(io::stderr().write_all(line.as_bytes())),
    }
}

/// Waits until what was said is written, but not for a reader that takes nothing.
pub fn drain() {
    if let Some(sink) = SINK.get() {
        sink.drain();
    }
}
