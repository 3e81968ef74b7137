//! Expired own items. Readers hide them at once. The owner removes them later, when they have expired on
//! every clock, or earlier, by its own clock, when its quota would refuse a write.

use super::{
    command_error::{CommandError, WriteError},
    group::Group,
    growth::Growth,
    handlers::Replication,
    input::Write,
};
use crate::{
    id::MemberId,
    limits::{COMMIT_BYTES_MAX, COMMIT_WRITES_MAX},
    shard::Edit,
    store::{Page, Store, StoreError, StoreSnapshot},
    time::Timestamp,
};
use alloc::vec::Vec;

/// The result of removing expired items to make room for a commit.
pub(super) enum Reclaimed {
    /// Items were removed, with this growth (which is negative).
    Room(Growth),
    /// Nothing could be removed.
    Nothing,
    /// More may have expired than one commit can remove. The next commit continues.
    Later,
}

impl<S: Store> Replication<'_, S> {
    /// Adds deletes of own items that expired longer ago than the bound of the clock, oldest first.
    pub(super) fn expired_writes(&self, writes: &mut Vec<Write>) -> Result<(), StoreError> {
        let until = Timestamp(self.cx.now.wall.0.saturating_sub(self.cx.config.clock_ahead_micros));
        let Some((shard, _)) = self.replicas[&self.cx.me].whole() else { return Ok(()) };
        let page = Page::rows(COMMIT_WRITES_MAX - 1);
        for (_, at) in self.disk.current().expiries(shard, until, page)? {
            if let Some(item) = self.disk.current().item(shard, at)? {
                writes.push(Write::Delete { key: item.key.clone() });
            }
        }
        Ok(())
    }

    /// If a command of a group is refused because of the quota, removes items that have expired by our own
    /// clock, oldest first, as many as fit in one commit.
    pub(super) fn reclaim(
        &self,
        refused: &CommandError,
        owner: &MemberId,
        group: &mut Group,
        last: &mut Timestamp,
        edit: &mut Edit<'_, super::disk::Snapshot<S>>,
    ) -> Result<Reclaimed, StoreError> {
        let whole = self.replicas[owner]
            .whole()
            .filter(|_| matches!(refused, CommandError::Write(WriteError::OverQuota { .. })));
        let Some((shard, _)) = whole else { return Ok(Reclaimed::Nothing) };
        let mut writes = Vec::new();
        for (_, at) in self.disk.current().expiries(shard, self.cx.now.wall, Page::rows(COMMIT_WRITES_MAX))? {
            // Skip items that these writes replaced or removed.
            let Some(item) = edit.item(at)?.filter(|item| !item.is_live(self.cx.now.wall)) else { continue };
            let bytes = group.bytes + item.key.as_str().len();
            if group.writes == COMMIT_WRITES_MAX || bytes > COMMIT_BYTES_MAX {
                break;
            }
            (group.writes, group.bytes) = (group.writes + 1, bytes);
            writes.push(Write::Delete { key: item.key.clone() });
        }
        if writes.is_empty() || self.replicas.check_bound(self.cx, owner, *last, writes.len() as u64).is_err()
        {
            return Ok(if group.reclaimed > 0 { Reclaimed::Later } else { Reclaimed::Nothing });
        }
        group.reclaimed += writes.len();
        let (_, grown) = self.apply_writes(owner, &writes, last, edit)?;
        Ok(Reclaimed::Room(grown))
    }
}
