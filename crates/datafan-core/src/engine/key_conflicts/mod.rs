//! Other processes with one key: those of this member, and those of its peers.

mod listed;
mod processes;
pub(super) mod same_key;

pub use same_key::SameKeyPlace;

use listed::Listed;
use processes::Processes;
use same_key::SameKey;

/// What is known of processes that share a key.
#[derive(Default)]
pub(super) struct KeyConflicts {
    /// Of this member, where it can be dialled.
    pub(super) same_key: SameKey,
    /// Of this member, by the links that others publish.
    pub(super) listed: Listed,
    /// Of peers.
    pub(super) processes: Processes,
}
