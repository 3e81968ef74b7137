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
use alloc::collections::BTreeMap;

impl ShardChange {
    /// Puts `later` on top of this change.
    pub fn absorb(&mut self, later: Self) {
        self.record = later.record.or(self.record.take());
        put_over(&mut self.log, later.log);
        put_over(&mut self.keys, later.keys);
        put_over(&mut self.nodes, later.nodes);
        put_over(&mut self.graves, later.graves);
        put_over(&mut self.expiries, later.expiries);
    }
}

/// Puts `later` over `map`; taken as it is where there is nothing to put it over.
pub(crate) fn put_over<K: Ord, V>(map: &mut BTreeMap<K, V>, later: BTreeMap<K, V>) {
    if map.is_empty() { *map = later } else { map.extend(later) }
}
