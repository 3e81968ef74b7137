//! Why a request was not carried out, as JSON.

use serde::{Deserialize, Serialize};

/// Why a request was not carried out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// One line for people.
    pub error: String,
    /// What kind of thing went wrong.
    pub kind: RefusalKind,
}

/// What kind of thing went wrong; each has its HTTP status and its exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// The member refused or could not: 409, exit code 1.
    Failure,
    /// The request is wrong, or names somebody ambiguously: 400, exit code 2.
    Usage,
    /// No such key, owner, member or endpoint: 404, exit code 4.
    NotFound,
    /// Time ran out: 504, exit code 6.
    Timeout,
    /// More was asked for at a time than there is room for: 503, exit code 1.
    Busy,
    /// The body is too long: 413, exit code 1.
    TooLarge,
}
