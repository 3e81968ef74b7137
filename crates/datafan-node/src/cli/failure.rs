//! How a command fails: one line for people and an exit code for scripts.

use super::{notes::note, text::one_line};
use datafan_node::http::wire::{Refusal, RefusalKind};
use std::{fmt, io, process::ExitCode};

/// What the exit code says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// It did not work.
    Failure = 1,
    /// The command line is wrong, or names somebody ambiguously.
    Usage = 2,
    /// Nobody answers in DIR.
    NoMember = 3,
    /// There is no such key, owner or member.
    NotFound = 4,
    /// It works, and something is not as it should be.
    Degraded = 5,
    /// Time ran out.
    Timeout = 6,
    /// Another process writes with this member's key.
    SecondWriter = 7,
}

/// Why a command ends without success.
#[derive(Debug)]
pub enum Failure {
    /// Something to say and something to return.
    Said(Exit, String),
    /// Standard output cannot be written, and why.
    Output(String),
    /// Standard output was closed by its reader, who has had enough: not a failure at all.
    OutputClosed,
}

impl Failure {
    /// A plain failure.
    pub fn new(text: impl fmt::Display) -> Self {
        Self::Said(Exit::Failure, text.to_string())
    }

    /// The same with more to say.
    #[must_use]
    pub fn and(self, more: impl fmt::Display) -> Self {
        match self {
            Self::Said(exit, text) => Self::Said(exit, format!("{text}; {more}")),
            Self::Output(text) => Self::Output(format!("{text}; {more}")),
            Self::OutputClosed => self,
        }
    }

    /// Says what there is to say, as JSON if that was asked for, and returns the exit code.
    pub fn report(self, json: bool) -> ExitCode {
        let (exit, text) = match self {
            Self::OutputClosed => return ExitCode::SUCCESS,
            Self::Output(text) => (Exit::Failure, text),
            Self::Said(exit, text) => (exit, text),
        };
        let error = one_line(&text);
        note(&match json {
            true => serde_json::json!({ "error": error, "kind": exit.kind() }).to_string(),
            false => format!("error: {error}"),
        });
        ExitCode::from(exit as u8)
    }
}

impl Exit {
    /// Its name for scripts: that of a refusal over HTTP where there is one.
    fn kind(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Usage => "usage",
            Self::NoMember => "no_member",
            Self::NotFound => "not_found",
            Self::Degraded => "degraded",
            Self::Timeout => "timeout",
            Self::SecondWriter => "key_conflict",
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let exit = match refusal.kind {
            RefusalKind::Failure | RefusalKind::Busy | RefusalKind::TooLarge => Exit::Failure,
            RefusalKind::Usage => Exit::Usage,
            RefusalKind::NotFound => Exit::NotFound,
            RefusalKind::Timeout => Exit::Timeout,
        };
        Self::Said(exit, refusal.error)
    }
}

/// Of writing to standard output; other errors are given their file's name where they happen.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Output(format!("standard output: {error}")),
        }
    }
}
