//! Why a request was refused, as JSON.

use serde::{Deserialize, Serialize};

/// Why a request was refused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// One line for people.
    pub error: String,
    /// The kind of error.
    pub kind: RefusalKind,
}

/// The kind of error; each has its HTTP status and its exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// The member refused or failed: 409, exit code 1.
    Failure,
    /// The request is wrong, or a name in it is ambiguous: 400, exit code 2.
    Usage,
    /// The key, owner, member or endpoint does not exist: 404, exit code 4.
    NotFound,
    /// The timeout passed: 504, exit code 6.
    Timeout,
    /// Too many requests at a time: 503, exit code 1.
    Busy,
    /// The body is too long: 413, exit code 1.
    TooLarge,
}
