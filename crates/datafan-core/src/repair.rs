//! Repairing a damaged shard: what can be read of it becomes a copy under construction, which the member completes from its
//! neighbours when it runs.
//!
//! Nothing that is read is believed: the copy has a trie of its own, and a comparison with a neighbour replaces whatever
//! the owner has not signed and fetches what is missing, and nothing else.

use crate::{
    engine::Past,
    id::MemberId,
    item::Item,
    shard::{Edit, View},
    store::{
        Batch, Durability, Meta, ShardChange, ShardNumber, ShardRecord, ShardState, Store, StoreError,
        StoreReader, StoreSnapshot,
    },
    time::Timestamp,
    trie::Branch,
};
use alloc::{sync::Arc, vec::Vec};

/// A shard that is being repaired. Until [`Repair::finish`] the damaged one stays as it is.
#[derive(Clone, Copy, Debug)]
pub struct Repair {
    owner: MemberId,
    damaged: ShardNumber,
    copy: ShardNumber,
    root: Option<Branch>,
    /// Items in the copy.
    pub items: u64,
}

impl Repair {
    /// Begins with a visible shard.
    ///
    /// # Errors
    /// If the store fails; nothing was changed.
    pub fn begin<V: StoreSnapshot>(
        snapshot: &V,
        damaged: ShardNumber,
        owner: MemberId,
    ) -> Result<Self, StoreError> {
        let last = snapshot.shards()?.iter().map(|(number, _)| number.0).max().unwrap_or(damaged.0);
        Ok(Self { owner, damaged, copy: ShardNumber(last + 1), root: None, items: 0 })
    }

    /// Adds items that could be read, in ascending order.
    ///
    /// # Errors
    /// If the store fails; the damaged shard is as it was.
    pub fn add<S: Store>(&mut self, store: &mut S, items: &[Arc<Item>]) -> Result<(), StoreError> {
        let snapshot = store.reader().snapshot()?;
        let mut edit = Edit::new(View::new(&snapshot, self.copy, None));
        edit.put_all(items)?;
        let (root, mut change) = edit.finish(self.root)?;
        drop(snapshot);
        (self.root, self.items) = (root, root.as_ref().map_or(0, |root| root.count));
        // Left over, if this comes to no end.
        change.record = Some(ShardRecord { root, ..ShardRecord::new(self.owner, ShardState::Dead) }.into());
        store.commit(Batch { shards: [(self.copy, change)].into(), ..Batch::default() }, Durability::Lazy)
    }

    /// Puts the copy in place of the damaged shard. If it is the member's `own`, the member will not write before a peer has
    /// given it back.
    ///
    /// # Errors
    /// If the store fails; then all is as it was.
    pub fn finish<S: Store>(self, store: &mut S, own: bool) -> Result<(), StoreError> {
        let record =
            |record: ShardRecord| ShardChange { record: Some(record.into()), ..ShardChange::default() };
        let blank = ShardRecord::new(self.owner, ShardState::Building);
        // Up to there it has been copied: to the end.
        let copy = ShardRecord { root: self.root, graves_floor: Timestamp::MAX, ..blank };
        let damaged = ShardRecord::new(self.owner, ShardState::Dead);
        let shards = [(self.copy, record(copy)), (self.damaged, record(damaged))].into();
        let past: Vec<u8> = Past { proven: false, told: true }.encode();
        let meta = own.then_some((Meta::Past, Some(past))).into_iter().collect();
        store.commit(Batch { meta, shards }, Durability::Synced)
    }
}
