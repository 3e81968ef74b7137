//! Gathering writes to a shard.

use super::View;
use crate::{
    hash::Hasher,
    item::{Item, Key},
    store::{ShardChange, StoreError, StoreSnapshot},
    time::Timestamp,
    trie::{Branch, Changes, NewNodes, Place, update},
};
use alloc::sync::Arc;

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

    /// The timestamp of a key's item, these writes included.
    pub(crate) fn timestamp_of(&self, key: &str) -> Result<Option<Timestamp>, StoreError> {
        match self.change.keys.get(key) {
            Some(timestamp) => Ok(*timestamp),
            None => self.view.timestamp_of(key),
        }
    }

    /// The item at a timestamp, these writes included.
    pub(crate) fn item(&self, at: Timestamp) -> Result<Option<Arc<Item>>, StoreError> {
        match self.change.log.get(&at) {
            Some(item) => Ok(item.clone()),
            None => self.view.item(at),
        }
    }

    /// Puts an item; the older one of the same key goes.
    pub(crate) fn put(&mut self, item: Arc<Item>) -> Result<(), StoreError> {
        match self.timestamp_of(item.key.as_str())? {
            Some(at) if at == item.timestamp && self.item(at)?.is_some_and(|old| *old == *item) => {
                return Ok(());
            }
            Some(at) => self.clear(at),
            None => {}
        }
        self.leaves.insert(item.timestamp.0, Some(item.leaf()));
        self.change.keys.insert(item.key.clone(), Some(item.timestamp));
        self.change.log.insert(item.timestamp, Some(item));
        Ok(())
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

    /// Deletes what `key` had before `at`, and leaves a grave there.
    pub(crate) fn bury(&mut self, at: Timestamp, key: &Key) -> Result<(), StoreError> {
        if let Some(old) = self.timestamp_of(key.as_str())?.filter(|old| *old < at) {
            self.remove(key, old)?;
        }
        self.change.graves.insert((at, key.clone()), true);
        Ok(())
    }

    /// Removes the items of `place` but those that `stay` names, at most `max` or a page more, leaving graves at
    /// `graves` where given. Returns how many went, and whether that was all.
    pub(crate) fn remove_all(
        &mut self,
        place: Place,
        graves: Option<Timestamp>,
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
                if let Some(at) = graves {
                    self.change.graves.insert((at, item.key.clone()), true);
                }
            }
            from = next;
        }
        Ok((removed, from.is_none()))
    }

    /// Drops the graves of keys that are there: the items say as much.
    pub(crate) fn forget_graves_of_live_keys(&mut self) -> Result<(), StoreError> {
        for (grave, adds) in core::mem::take(&mut self.change.graves) {
            if self.timestamp_of(grave.1.as_str())?.is_none() {
                self.change.graves.insert(grave, adds);
            }
        }
        Ok(())
    }

    /// The change as it stands, for rows that have no rule here (expiries, records).
    pub(crate) fn change(&mut self) -> &mut ShardChange {
        &mut self.change
    }

    /// Puts another edit of the same view on top of this one.
    pub(crate) fn absorb(&mut self, (change, leaves): (ShardChange, Changes)) {
        self.change.absorb(change);
        self.leaves.extend(leaves);
    }

    /// An edit on top of this one, to be absorbed or dropped.
    pub(crate) fn nested(&self) -> Edit<'_, V> {
        let layers = self.view.layers.iter().copied().chain([&self.change]);
        Edit::new(View::new(self.view.snapshot, self.view.shard, layers))
    }

    /// The writes without their nodes: for [`Edit::absorb`].
    pub(crate) fn into_parts(self) -> (ShardChange, Changes) {
        (self.change, self.leaves)
    }

    /// The trie's new root under `root`, and the change with its nodes.
    pub(crate) fn finish(
        mut self,
        root: Option<Branch>,
    ) -> Result<(Option<Branch>, ShardChange), StoreError> {
        let mut nodes = NewNodes::new();
        let root = update(&self.view, Hasher::NODE, root, &self.leaves, &mut nodes)?;
        self.change.nodes.extend(nodes);
        Ok((root, self.change))
    }
}
