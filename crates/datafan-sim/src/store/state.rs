//! One state of a shard: its record and its rows.

use super::sum::Sum;
use datafan_core::{
    item::{Item, Key},
    store::{ShardChange, ShardRecord},
    time::Timestamp,
    trie::{Node, Place},
};
use imbl::{OrdMap, OrdSet};
use std::sync::Arc;

/// A state of a shard. It is immutable; a change makes a new one that shares what is unchanged.
#[derive(Clone, Default)]
pub struct State {
    pub(super) serial: u64,
    pub(super) record: Option<Arc<ShardRecord>>,
    pub(super) log: OrdMap<Timestamp, Arc<Item>>,
    pub(super) keys: OrdMap<Key, Timestamp>,
    pub(super) nodes: OrdMap<Place, Node>,
    pub(super) tombstones: OrdSet<(Timestamp, Key)>,
    pub(super) expiries: OrdSet<(Timestamp, Timestamp)>,
    pub(super) sum: Sum,
}

impl State {
    /// Identifies this state: two states of one pool with the same serial are equal.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// The record; `None` for rows that were written before it.
    pub fn record(&self) -> Option<&ShardRecord> {
        self.record.as_deref()
    }

    /// The items by timestamp.
    pub fn items(&self) -> impl Iterator<Item = &Arc<Item>> {
        self.log.values()
    }

    /// The items later than `after`.
    pub fn items_after(&self, after: Timestamp) -> impl Iterator<Item = &Arc<Item>> {
        self.log.range((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded)).map(|(_, item)| item)
    }

    /// The item of a key.
    pub fn item(&self, key: &str) -> Option<&Arc<Item>> {
        let key = Key::new(key).ok()?;
        self.log.get(self.keys.get(&key)?)
    }

    /// Keys and their timestamps.
    pub fn keys(&self) -> impl Iterator<Item = (&Key, &Timestamp)> {
        self.keys.iter()
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.log.len()
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// The sum of the rows after `change`.
    pub(super) fn sum_after(&self, change: &ShardChange) -> Sum {
        let mut sum = self.sum;
        let swap = |old: Option<Sum>, new: Option<Sum>, sum: &mut Sum| {
            old.into_iter().for_each(|row| sum.take(row));
            new.into_iter().for_each(|row| sum.add(row));
        };
        for (at, item) in &change.log {
            let old = self.log.get(at).map(|item| Sum::of_item(item));
            swap(old, item.as_ref().map(|item| Sum::of_item(item)), &mut sum);
        }
        for (key, at) in &change.keys {
            let old = self.keys.get(key).map(|at| Sum::of_key(key, *at));
            swap(old, at.map(|at| Sum::of_key(key, at)), &mut sum);
        }
        for (place, node) in &change.nodes {
            swap(self.nodes.get(place).map(Sum::of_node), node.as_ref().map(Sum::of_node), &mut sum);
        }
        for (row, added) in &change.tombstones {
            let of = |there: bool| there.then(|| Sum::of_tombstone(row.0, &row.1));
            swap(of(self.tombstones.contains(row)), of(*added), &mut sum);
        }
        for (row, added) in &change.expiries {
            let of = |there: bool| there.then(|| Sum::of_expiry(row.0, row.1));
            swap(of(self.expiries.contains(row)), of(*added), &mut sum);
        }
        sum
    }

    /// Applies `change`; the caller passes the new sum.
    pub(super) fn apply(&mut self, change: &ShardChange) {
        if let Some(record) = &change.record {
            self.record = Some(record.clone());
        }
        for (at, item) in &change.log {
            match item {
                Some(item) => self.log.insert(*at, item.clone()),
                None => self.log.remove(at),
            };
        }
        for (key, at) in &change.keys {
            match at {
                Some(at) => self.keys.insert(key.clone(), *at),
                None => self.keys.remove(key),
            };
        }
        for (place, node) in &change.nodes {
            match node {
                Some(node) => self.nodes.insert(*place, node.clone()),
                None => self.nodes.remove(place),
            };
        }
        for (row, added) in &change.tombstones {
            match added {
                true => self.tombstones.insert(row.clone()),
                false => self.tombstones.remove(row),
            };
        }
        for (row, added) in &change.expiries {
            match added {
                true => self.expiries.insert(*row),
                false => self.expiries.remove(row),
            };
        }
    }

    /// Removes at most `rows` rows; true when none is left.
    pub(super) fn erase(&mut self, rows: usize) -> bool {
        let mut left = rows;
        while left > 0 {
            if let Some((at, item)) = self.log.get_min().cloned() {
                self.log.remove(&at);
                self.sum.take(Sum::of_item(&item));
            } else if let Some((key, at)) = self.keys.get_min().cloned() {
                self.keys.remove(&key);
                self.sum.take(Sum::of_key(&key, at));
            } else if let Some((place, node)) = self.nodes.get_min().cloned() {
                self.nodes.remove(&place);
                self.sum.take(Sum::of_node(&node));
            } else if let Some(row) = self.tombstones.get_min().cloned() {
                self.sum.take(Sum::of_tombstone(row.0, &row.1));
                self.tombstones.remove(&row);
            } else if let Some(row) = self.expiries.get_min().copied() {
                self.sum.take(Sum::of_expiry(row.0, row.1));
                self.expiries.remove(&row);
            } else {
                return true;
            }
            left -= 1;
        }
        self.log.is_empty()
            && self.keys.is_empty()
            && self.nodes.is_empty()
            && self.tombstones.is_empty()
            && self.expiries.is_empty()
    }
}
