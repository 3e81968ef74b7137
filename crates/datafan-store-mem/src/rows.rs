//! The rows of a shard's tables.

use crate::{body::Body, table::Row};
use datafan_core::{
    item::{Item, Key},
    time::Timestamp,
    trie::{Node, Place},
};
use std::{borrow::Borrow, cmp::Ordering, sync::Arc};

/// An item by timestamp.
#[derive(Clone)]
pub struct LogRow {
    /// Stored beside the body, so that a search does not follow pointers.
    pub timestamp: Timestamp,
    /// The rest of the item.
    pub body: Body,
}

/// An encoded node by place; half the size of a decoded one.
#[derive(Clone)]
pub struct NodeRow {
    place: Place,
    bytes: Arc<[u8]>,
}

/// A tombstone by timestamp and key.
pub type TombstoneRow = (Timestamp, Key);
/// An expiry and the timestamp of its item.
pub type ExpiryRow = (Timestamp, Timestamp);

impl LogRow {
    /// The row of `item`.
    pub fn new(item: &Arc<Item>) -> Self {
        Self { timestamp: item.timestamp, body: Body::new(item) }
    }

    /// The item.
    pub fn item(&self) -> Arc<Item> {
        self.body.item(self.timestamp)
    }
}

impl NodeRow {
    /// The row of `node`.
    pub fn new(node: &Node) -> Self {
        Self { place: node.place, bytes: node.encode().into() }
    }

    /// The node.
    pub fn node(&self) -> Node {
        Node::decode(self.place, &self.bytes).expect("encoded from a node")
    }
}

/// Orders a type of rows by its key.
macro_rules! ordered_by {
    ($row:ty, $key:ty, $of:expr) => {
        impl Row for $row {
            type Key = $key;
        }
        impl Borrow<$key> for $row {
            fn borrow(&self) -> &$key {
                let of: fn(&Self) -> &$key = $of;
                of(self)
            }
        }
        impl Ord for $row {
            fn cmp(&self, other: &Self) -> Ordering {
                Borrow::<$key>::borrow(self).cmp(other.borrow())
            }
        }
        impl PartialOrd for $row {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }
        impl PartialEq for $row {
            fn eq(&self, other: &Self) -> bool {
                self.cmp(other).is_eq()
            }
        }
        impl Eq for $row {}
    };
}

ordered_by!(LogRow, Timestamp, |row| &row.timestamp);
ordered_by!(NodeRow, Place, |row| &row.place);

impl Row for TombstoneRow {
    type Key = Self;
}

impl Row for ExpiryRow {
    type Key = Self;
}
