//! How writes change the size of a shard, which the quota limits.

use crate::trie::Branch;

/// The growth of a shard by the writes of one command.
#[derive(Default, Clone, Copy)]
pub(super) struct Growth {
    pub(super) items: i64,
    pub(super) bytes: i64,
}

impl Growth {
    pub(super) fn of(root: Option<&Branch>) -> Self {
        root.map_or_else(Self::default, |root| Self { items: root.count as i64, bytes: root.bytes as i64 })
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self { items: self.items + other.items, bytes: self.bytes + other.bytes }
    }
}
