//! One shard as it stands, and changes that are tried on it before they are written.
//!
//! A [`View`] is a snapshot of the store with layers of changes on top. An [`Edit`] gathers writes as one more
//! layer; only when the root that it leads to is the wanted one, its change goes into the batch. Dropping it is
//! the roll-back.

mod edit;
mod view;

pub(crate) use edit::Edit;
pub(crate) use view::View;

use crate::store::ShardChange;

impl ShardChange {
    /// Puts `later` on top of this change.
    pub fn absorb(&mut self, later: Self) {
        self.record = later.record.or(self.record.take());
        self.log.extend(later.log);
        self.keys.extend(later.keys);
        self.nodes.extend(later.nodes);
        self.graves.extend(later.graves);
        self.expiries.extend(later.expiries);
    }
}
