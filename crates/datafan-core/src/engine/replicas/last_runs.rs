//! The last run that each held shard names.

use crate::{id::MemberId, runs::Run};
use alloc::collections::BTreeMap;

/// By owner; those that name none are missing.
#[derive(Default)]
pub(super) struct LastRuns(BTreeMap<MemberId, Run>);

impl LastRuns {
    /// The last run that the held shard of `owner` names.
    pub(super) fn of(&self, owner: &MemberId) -> Option<Run> {
        self.0.get(owner).copied()
    }

    /// What the shard of `owner` names by now, as far as is known.
    pub(super) fn set(&mut self, owner: &MemberId, last: Option<Run>) {
        match last {
            Some(last) => self.0.insert(*owner, last),
            None => self.0.remove(owner),
        };
    }
}
