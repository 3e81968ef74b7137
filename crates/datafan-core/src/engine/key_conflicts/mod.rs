//! Several processes with one key: other processes of this member, and processes of its peers.

mod listed;
mod processes;
pub(super) mod same_key;

pub use same_key::SameKeyPlace;

use super::links::Links;
use crate::{id::MemberId, runs::RunId, time::Time};
use listed::Listed;
use processes::Processes;
use same_key::SameKey;

/// What is known about processes that share a key.
#[derive(Default)]
pub(super) struct KeyConflicts {
    /// Other processes of this member, found by dialling its addresses.
    pub(super) same_key: SameKey,
    /// Other processes of this member, found in the links that others publish.
    pub(super) listed: Listed,
    /// Processes of peers.
    pub(super) processes: Processes,
}

impl KeyConflicts {
    /// Whether own writes wait until it is clear that no other process has our key.
    pub(super) fn hold_writes(&self, now: Time) -> bool {
        self.same_key.waits(now) || self.listed.holds()
    }

    /// Whether a member should not be dialled, because a link to it may replace another process's link.
    /// Without any links, every member may be dialled.
    pub(super) fn prevents_dial<V>(
        &self,
        member: &MemberId,
        links: &Links<V>,
        own: RunId,
        now: Time,
    ) -> bool {
        links.len() > 0 && self.listed.may_replace_link(member, own, now)
    }
}
