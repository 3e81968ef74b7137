//! Merges one change into another.

use crate::store::ShardChange;
use alloc::collections::BTreeMap;

impl ShardChange {
    /// Puts `later` on top of this change.
    pub fn absorb(&mut self, later: Self) {
        self.record = later.record.or(self.record.take());
        put_over(&mut self.log, later.log);
        put_over(&mut self.keys, later.keys);
        put_over(&mut self.nodes, later.nodes);
        put_over(&mut self.tombstones, later.tombstones);
        put_over(&mut self.expiries, later.expiries);
    }
}

/// Merges `later` over `map`. If `map` is empty, `later` replaces it without a copy.
pub(crate) fn put_over<K: Ord, V>(map: &mut BTreeMap<K, V>, later: BTreeMap<K, V>) {
    if map.is_empty() { *map = later } else { map.extend(later) }
}
