//! The last run that each held shard lists.

use crate::{id::MemberId, runs::Run};
use alloc::collections::BTreeMap;

/// Last runs by owner. Owners without runs are missing.
#[derive(Default)]
pub(super) struct LastRuns(BTreeMap<MemberId, Run>);

impl LastRuns {
    /// The last run that the held shard of `owner` lists.
    pub(super) fn of(&self, owner: &MemberId) -> Option<Run> {
        self.0.get(owner).copied()
    }

    /// Sets the last run that the shard of `owner` lists.
    pub(super) fn set(&mut self, owner: &MemberId, last: Option<Run>) {
        match last {
            Some(last) => self.0.insert(*owner, last),
            None => self.0.remove(owner),
        };
    }
}
