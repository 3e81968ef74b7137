//! Gathers writes to a shard.

use super::{change::put_over, view::View};
use crate::{
    hash::Hasher,
    item::{Item, Key},
    store::{ShardChange, StoreError, StoreSnapshot},
    time::Timestamp,
    trie::{Branch, Changes, NewNodes, Place, update},
};
use alloc::{sync::Arc, vec::Vec};

/// Writes to a shard that are not yet part of any batch.
pub(crate) struct Edit<'a, V> {
    view: View<'a, V>,
    change: ShardChange,
    leaves: Changes,
}

impl<'a, V: StoreSnapshot> Edit<'a, V> {
    pub(crate) fn new(view: View<'a, V>) -> Self {
        Self { view, change: ShardChange::default(), leaves: Changes::new() }
    }

    /// The timestamp of a key's item, including these writes.
    pub(crate) fn timestamp_of(&self, key: &str) -> Result<Option<Timestamp>, StoreError> {
        match self.change.keys.get(key) {
            Some(timestamp) => Ok(*timestamp),
            None => self.view.timestamp_of(key),
        }
    }

    /// The item at a timestamp, including these writes.
    pub(crate) fn item(&self, at: Timestamp) -> Result<Option<Arc<Item>>, StoreError> {
        match self.change.log.get(&at) {
            Some(item) => Ok(item.clone()),
            None => self.view.item(at),
        }
    }

    /// The timestamps of the items of `keys`, one for each key, including these writes. The keys are looked
    /// up together in ascending order: keys in order of writing are scattered in a large shard, and each
    /// would cost a lookup through the whole store.
    pub(crate) fn timestamps_of(&self, keys: &[&Key]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        if keys.len() < TOGETHER_MIN {
            return keys.iter().map(|key| self.timestamp_of(key.as_str())).collect();
        }
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_unstable_by_key(|at| keys[*at]);
        let sorted: Vec<&Key> = order.iter().map(|at| keys[*at]).collect();
        let mut found = alloc::vec![None; keys.len()];
        for (at, timestamp) in order.into_iter().zip(self.timestamps_of_sorted(&sorted)?) {
            found[at] = timestamp;
        }
        Ok(found)
    }

    /// Like [`Edit::timestamps_of`], for keys in ascending order.
    fn timestamps_of_sorted(&self, keys: &[&Key]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        let mut found = self.view.timestamps_of(keys)?;
        if !self.change.keys.is_empty() {
            for (found, key) in found.iter_mut().zip(keys) {
                *found = self.change.keys.get(*key).copied().unwrap_or(*found);
            }
        }
        Ok(found)
    }

    /// Puts items, which replace older items with the same keys. If several items have the same key, the last
    /// one wins.
    pub(crate) fn put_all(&mut self, items: &[Arc<Item>]) -> Result<(), StoreError> {
        let mut sorted: Vec<&Arc<Item>> = items.iter().collect();
        sorted.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        if sorted.windows(2).any(|pair| pair[0].key == pair[1].key) {
            return items.iter().try_for_each(|item| self.put_once(&[item]));
        }
        self.put_once(&sorted)
    }

    /// Like [`Edit::put_all`], for items with distinct keys.
    fn put_once(&mut self, items: &[&Arc<Item>]) -> Result<(), StoreError> {
        let keys: Vec<&Key> = items.iter().map(|item| &item.key).collect();
        let mut new = Vec::with_capacity(items.len());
        for (item, old) in items.iter().zip(self.timestamps_of_sorted(&keys)?) {
            if !self.is_there(item, old)? {
                new.push(((*item).clone(), old));
            }
        }
        self.put_new(new);
        Ok(())
    }

    /// Puts new items with distinct keys, each with the timestamp of the item that it replaces.
    pub(crate) fn put_new(&mut self, mut new: Vec<(Arc<Item>, Option<Timestamp>)>) {
        new.iter().filter_map(|(_, old)| *old).for_each(|old| self.clear(old));
        // `collect` builds the map in one pass, which is faster than single inserts.
        let keys = new.iter().map(|(item, _)| (item.key.clone(), Some(item.timestamp)));
        put_over(&mut self.change.keys, keys.collect());
        new.sort_unstable_by_key(|(item, _)| item.timestamp);
        let leaves = new.iter().map(|(item, _)| (item.timestamp.0, Some(item.leaf())));
        put_over(&mut self.leaves, leaves.collect());
        let log = new.into_iter().map(|(item, _)| (item.timestamp, Some(item)));
        put_over(&mut self.change.log, log.collect());
    }

    /// Whether `item` is there already, given that the current item of its key is at `old`.
    fn is_there(&self, item: &Item, old: Option<Timestamp>) -> Result<bool, StoreError> {
        Ok(old == Some(item.timestamp) && self.item(item.timestamp)?.is_some_and(|old| *old == *item))
    }

    /// Removes the item of `key` at `at`.
    pub(crate) fn remove(&mut self, key: &Key, at: Timestamp) -> Result<(), StoreError> {
        if self.timestamp_of(key.as_str())? == Some(at) {
            self.change.keys.insert(key.clone(), None);
        }
        self.clear(at);
        Ok(())
    }

    fn clear(&mut self, at: Timestamp) {
        self.leaves.insert(at.0, None);
        self.change.log.insert(at, None);
    }

    /// Deletes the item of `key` if it is older than `at`, and leaves a tombstone at `at`.
    pub(crate) fn delete(&mut self, at: Timestamp, key: &Key) -> Result<(), StoreError> {
        if let Some(old) = self.timestamp_of(key.as_str())?.filter(|old| *old < at) {
            self.remove(key, old)?;
        }
        self.change.tombstones.insert((at, key.clone()), true);
        Ok(())
    }

    /// Removes the items of `place` for which `stay` is false, at most `max` plus one page. Leaves tombstones
    /// at `tombstones` if given. Returns how many were removed, and whether the end of `place` was reached.
    pub(crate) fn remove_all(
        &mut self,
        place: Place,
        tombstones: Option<Timestamp>,
        max: usize,
        stay: impl Fn(&Item) -> bool,
    ) -> Result<(usize, bool), StoreError> {
        let mut removed = 0;
        let mut from = Some(Timestamp(place.first()));
        while let Some(first) = from.filter(|_| removed < max) {
            let page = crate::store::Page::rows(crate::limits::RANGE_ITEMS_MAX);
            let (items, next) = self.view.log(first..=Timestamp(place.last()), page)?;
            for item in items.iter().filter(|item| !stay(item)) {
                if self.change.log.get(&item.timestamp).is_some_and(Option::is_none) {
                    continue;
                }
                self.remove(&item.key, item.timestamp)?;
                removed += 1;
                if let Some(at) = tombstones {
                    self.change.tombstones.insert((at, item.key.clone()), true);
                }
            }
            from = next;
        }
        Ok((removed, from.is_none()))
    }

    /// Drops the tombstones of keys that have an item: the item implies that the older one is gone.
    pub(crate) fn forget_tombstones_of_live_keys(&mut self) -> Result<(), StoreError> {
        for (tombstone, adds) in core::mem::take(&mut self.change.tombstones) {
            if self.timestamp_of(tombstone.1.as_str())?.is_none() {
                self.change.tombstones.insert(tombstone, adds);
            }
        }
        Ok(())
    }

    /// The change, to edit rows that this type does not manage (expiries, records).
    pub(crate) fn change(&mut self) -> &mut ShardChange {
        &mut self.change
    }

    /// Merges another edit of the same view into this one.
    pub(crate) fn absorb(&mut self, (change, leaves): (ShardChange, Changes)) {
        self.change.absorb(change);
        put_over(&mut self.leaves, leaves);
    }

    /// An edit on top of this one, to be merged or dropped.
    pub(crate) fn nested(&self) -> Edit<'_, V> {
        let layers = self.view.layers.iter().copied().chain([&self.change]);
        Edit::new(View::new(self.view.snapshot, self.view.shard, layers))
    }

    /// The writes without their nodes, for [`Edit::absorb`].
    pub(crate) fn into_parts(self) -> (ShardChange, Changes) {
        (self.change, self.leaves)
    }

    /// Applies the writes to the trie under `root`. Returns the new root, and the change including its nodes.
    pub(crate) fn finish(
        mut self,
        root: Option<Branch>,
    ) -> Result<(Option<Branch>, ShardChange), StoreError> {
        let mut nodes = NewNodes::new();
        let root = update(&self.view, Hasher::NODE, root, &self.leaves, &mut nodes)?;
        put_over(&mut self.change.nodes, nodes);
        Ok((root, self.change))
    }
}

/// With fewer items, sorting is not worth it.
const TOGETHER_MIN: usize = 16;
