//! What a call gathers and writes to the store: one batch, so all of it or nothing.

use super::{Engine, Snapshot};
use crate::{
    shard::View,
    store::{Durability, ShardChange, ShardNumber, Store, StoreError, StoreReader, StoreSnapshot},
};
use alloc::vec::Vec;

impl<S: Store> Engine<S> {
    /// Writes what this call has gathered, and what follows from it: whatever was told is there to be read.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        while !self.batch.is_empty() {
            self.write_batch()?;
            self.on_roster_changed();
        }
        Ok(())
    }

    pub(super) fn write_batch(&mut self) -> Result<(), StoreError> {
        let batch = core::mem::take(&mut self.batch);
        let changed: Vec<ShardNumber> = batch.shards.keys().copied().collect();
        self.lazy_bytes += core::mem::take(&mut self.batch_bytes);
        self.snapshot.release();
        if core::mem::take(&mut self.bound_moves) {
            // On disk before anybody can see a timestamp beyond the old bound.
            self.store.commit(batch, Durability::Synced)?;
            self.on_synced();
        } else {
            self.lazy_since.get_or_insert(self.cx.now.time);
            self.store.commit(batch, Durability::Lazy)?;
        }
        self.snapshot.replace(self.reader.snapshot()?);
        self.end_pins_of_grown_store();
        for shard in changed {
            if let Some(record) = self.snapshot.shard(shard)?
                && let Some(owner) = self.owners.get_mut(&record.owner)
            {
                owner.share(record);
            }
        }
        Ok(())
    }

    pub(super) fn on_synced(&mut self) {
        self.cx.on_synced();
        self.lazy_since = None;
        self.lazy_bytes = 0;
    }

    /// The change of a shard that this call has gathered so far.
    pub(super) fn pending_change(&self, shard: ShardNumber) -> Option<&ShardChange> {
        self.batch.shards.get(&shard)
    }

    /// A shard as it stands, with what this call has gathered.
    pub(super) fn view(&self, shard: ShardNumber) -> View<'_, Snapshot<S>> {
        View::new(&*self.snapshot, shard, self.pending_change(shard))
    }

    /// Adds a change to what this call writes.
    pub(super) fn write(&mut self, shard: ShardNumber, change: ShardChange) {
        self.batch_bytes +=
            change.log.values().flatten().map(|item| item.bytes() as usize + 64).sum::<usize>();
        self.batch_bytes += change.nodes.len() * 256;
        self.batch.shards.entry(shard).or_default().absorb(change);
    }

    /// A number for a new shard.
    pub(super) fn new_shard(&mut self) -> ShardNumber {
        let number = ShardNumber(self.next_shard);
        self.next_shard += 1;
        number
    }
}
