//! One shard: its record and its five tables.

use crate::{
    keys::KeyTable,
    rows::{ExpiryRow, LogRow, NodeRow, TombstoneRow},
    table::Table,
};
use datafan_core::store::{ShardChange, ShardRecord};
use std::sync::Arc;

/// A shard's rows; a clone shares them.
#[derive(Clone, Default)]
pub struct Shard {
    /// `None` for rows that were written before their record.
    pub record: Option<Arc<ShardRecord>>,
    /// Items by timestamp.
    pub log: Table<LogRow>,
    /// Timestamps by key.
    pub keys: KeyTable,
    /// Nodes by place.
    pub nodes: Table<NodeRow>,
    /// Tombstones.
    pub tombstones: Table<TombstoneRow>,
    /// Expiries.
    pub expiries: Table<ExpiryRow>,
}

impl Shard {
    /// Applies `change`.
    pub fn apply(&mut self, change: &ShardChange) {
        if let Some(record) = &change.record {
            self.record = Some(record.clone());
        }
        self.log.apply(change.log.iter().map(|(at, item)| (at, item.as_ref().map(LogRow::new))));
        self.keys.apply(change.keys.iter().map(|(key, at)| (key, *at)));
        self.nodes.apply(change.nodes.iter().map(|(place, node)| (place, node.as_ref().map(NodeRow::new))));
        self.tombstones.apply(change.tombstones.iter().map(|(row, added)| (row, added.then(|| row.clone()))));
        self.expiries.apply(change.expiries.iter().map(|(row, added)| (row, added.then_some(*row))));
    }

    /// Removes at most `rows` rows; true when none is left.
    pub fn erase(&mut self, rows: usize) -> bool {
        let mut left = rows;
        left -= self.log.remove_first(left);
        left -= self.keys.remove_first(left);
        left -= self.nodes.remove_first(left);
        left -= self.tombstones.remove_first(left);
        self.expiries.remove_first(left);
        self.is_empty()
    }

    fn is_empty(&self) -> bool {
        let lists = [self.log.is_empty(), self.keys.is_empty(), self.nodes.is_empty()];
        lists == [true; 3] && self.tombstones.is_empty() && self.expiries.is_empty()
    }
}
