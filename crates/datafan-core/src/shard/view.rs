//! Reads a shard through layers of changes.

use crate::{
    item::{Item, Key},
    store::{Page, ShardChange, ShardNumber, StoreError, StoreSnapshot},
    time::Timestamp,
    trie::{Node, Nodes, Place},
};
use alloc::{collections::BTreeMap, format, sync::Arc, vec::Vec};
use core::ops::RangeInclusive;

/// A shard in a snapshot with layers of changes on top. Later layers win.
pub(crate) struct View<'a, V> {
    pub(crate) snapshot: &'a V,
    pub(crate) shard: ShardNumber,
    pub(crate) layers: Vec<&'a ShardChange>,
}

impl<'a, V: StoreSnapshot> View<'a, V> {
    pub(crate) fn new(
        snapshot: &'a V,
        shard: ShardNumber,
        layers: impl IntoIterator<Item = &'a ShardChange>,
    ) -> Self {
        Self { snapshot, shard, layers: layers.into_iter().collect() }
    }

    pub(crate) fn timestamp_of(&self, key: &str) -> Result<Option<Timestamp>, StoreError> {
        match self.layers.iter().rev().find_map(|layer| layer.keys.get(key)) {
            Some(timestamp) => Ok(*timestamp),
            None => self.snapshot.timestamp_of(self.shard, key),
        }
    }

    /// The timestamps of `keys`, one for each key. The keys are in ascending order.
    pub(crate) fn timestamps_of(&self, keys: &[&Key]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        let mut found = self.snapshot.timestamps_of(self.shard, keys)?;
        for layer in self.layers.iter().filter(|layer| !layer.keys.is_empty()) {
            for (found, key) in found.iter_mut().zip(keys) {
                if let Some(timestamp) = layer.keys.get(*key) {
                    *found = *timestamp;
                }
            }
        }
        Ok(found)
    }

    pub(crate) fn item(&self, at: Timestamp) -> Result<Option<Arc<Item>>, StoreError> {
        match self.layers.iter().rev().find_map(|layer| layer.log.get(&at)) {
            Some(item) => Ok(item.clone()),
            None => self.snapshot.item(self.shard, at),
        }
    }

    /// The items at the start of `range`, and where the next page starts; `None` at the end of the range.
    pub(crate) fn log(
        &self,
        range: RangeInclusive<Timestamp>,
        page: Page,
    ) -> Result<(Vec<Arc<Item>>, Option<Timestamp>), StoreError> {
        let rows = self.snapshot.log(self.shard, range.clone(), page)?;
        // A full page may end before the range does, so the layers must not be merged after its last row.
        let full =
            rows.len() >= page.rows || rows.iter().map(|item| item.bytes()).sum::<u64>() >= page.bytes as u64;
        let end = match rows.last() {
            Some(last) if full => last.timestamp,
            _ => *range.end(),
        };
        let next = if end < *range.end() { end.next() } else { None };
        if self.layers.iter().all(|layer| layer.log.is_empty()) {
            return Ok((rows, next));
        }
        let mut merged: BTreeMap<_, _> = rows.into_iter().map(|item| (item.timestamp, item)).collect();
        for layer in &self.layers {
            for (at, item) in layer.log.range(*range.start()..=end) {
                match item {
                    Some(item) => merged.insert(*at, item.clone()),
                    None => merged.remove(at),
                };
            }
        }
        Ok((merged.into_values().collect(), next))
    }
}

impl<V: StoreSnapshot> Nodes for View<'_, V> {
    type Error = StoreError;

    fn node(&self, place: Place) -> Result<Node, StoreError> {
        let node = match self.layers.iter().rev().find_map(|layer| layer.nodes.get(&place)) {
            Some(node) => node.clone(),
            None => self.snapshot.node(self.shard, place)?,
        };
        node.ok_or_else(|| StoreError::Damaged {
            what: format!("shard {} lacks node {place:?}", self.shard.0),
        })
    }
}
