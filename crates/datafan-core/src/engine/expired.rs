//! Own items that have expired: every reader hides them at once, and their owner removes them: some time
//! later, when no clock shows them any more, or by its own clock when its quota would refuse a write.

use super::{effect::CommandError, group::Group, growth::Growth, handlers::Replication, input::Write};
use crate::{
    id::MemberId,
    limits::{COMMIT_BYTES_MAX, COMMIT_WRITES_MAX},
    shard::Edit,
    store::{Page, Store, StoreError, StoreSnapshot},
    time::Timestamp,
};
use alloc::vec::Vec;

/// What came of removing expired items for a commit.
pub(super) enum Reclaimed {
    /// The shard has become smaller by this.
    Room(Growth),
    /// Nothing has expired.
    Nothing,
    /// More may have expired than one commit removes: the next one goes on.
    Later,
}

impl<S: Store> Replication<'_, S> {
    /// Deletes of own items whose expiry is past by the drift bound, oldest first.
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

    /// Where a command of a group is refused for its owner's quota: removes what has expired by our own
    /// clock, oldest first, as far as one commit goes.
    pub(super) fn reclaim(
        &self,
        refused: &CommandError,
        owner: &MemberId,
        group: &mut Group,
        last: &mut Timestamp,
        edit: &mut Edit<'_, super::disk::Snapshot<S>>,
    ) -> Result<Reclaimed, StoreError> {
        let whole =
            self.replicas[owner].whole().filter(|_| matches!(refused, CommandError::OverQuota { .. }));
        let Some((shard, _)) = whole else { return Ok(Reclaimed::Nothing) };
        let mut writes = Vec::new();
        for (_, at) in self.disk.current().expiries(shard, self.cx.now.wall, Page::rows(COMMIT_WRITES_MAX))? {
            // Not what these writes have replaced or removed.
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
