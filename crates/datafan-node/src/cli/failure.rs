//! How a command fails: a line for people and an exit code for scripts.

use super::{notes::note, text::one_line};
use datafan_node::http::wire::{Refusal, RefusalKind};
use std::{fmt, io, process::ExitCode};

/// The exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// The command failed.
    Failure = 1,
    /// The command line is wrong, or a name in it is ambiguous.
    Usage = 2,
    /// No member runs in DIR.
    NoMember = 3,
    /// The key, owner or member does not exist.
    NotFound = 4,
    /// The member works, but something is wrong.
    Degraded = 5,
    /// The timeout passed.
    Timeout = 6,
    /// Another process writes with this member's key.
    SecondWriter = 7,
}

/// Why a command fails.
#[derive(Debug)]
pub enum Failure {
    /// A message and an exit code.
    Said(Exit, String),
    /// Standard output cannot be written; the reason.
    Output(String),
    /// The reader closed standard output. A closed pipe is not an error.
    OutputClosed,
}

impl Failure {
    /// A failure with exit code 1.
    pub fn new(text: impl fmt::Display) -> Self {
        Self::Said(Exit::Failure, text.to_string())
    }

    /// The same failure with `more` appended.
    #[must_use]
    pub fn and(self, more: impl fmt::Display) -> Self {
        match self {
            Self::Said(exit, text) => Self::Said(exit, format!("{text}; {more}")),
            Self::Output(text) => Self::Output(format!("{text}; {more}")),
            Self::OutputClosed => self,
        }
    }

    /// Prints the message, as JSON if requested, and returns the exit code.
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
    /// Its name for scripts: the same as over HTTP where the API has one.
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

/// Errors of standard output; other I/O errors get the name of their file where they occur.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Output(format!("standard output: {error}")),
        }
    }
}
