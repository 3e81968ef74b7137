//! Other processes with one key: those of this member, and those of its peers.

mod listed;
mod processes;
pub(super) mod same_key;

pub use same_key::SameKeyPlace;

use super::links::Links;
use crate::{id::MemberId, runs::RunId, time::Time};
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

impl KeyConflicts {
    /// Whether own writes wait until it is clear that no other process has our key.
    pub(super) fn hold_writes(&self, now: Time) -> bool {
        self.same_key.waits(now) || self.listed.holds()
    }

    /// Whether a member is better not dialled: a link to it may take the place of another process's. Without
    /// any link nobody can be spared.
    pub(super) fn leave_alone<V>(&self, member: &MemberId, links: &Links<V>, own: RunId, now: Time) -> bool {
        links.len() > 0 && self.listed.is_left_alone(member, own, now)
    }
}
