//! The writer and its readers.

use crate::{disk::MemDisk, snapshot::MemSnapshot};
use datafan_core::store::{Batch, Durability, ShardNumber, Store, StoreError, StoreReader};
use std::sync::{Arc, PoisonError, RwLock};

/// A store in memory. Dropping it without [`Store::close`] is a crash: its [`MemDisk`] keeps what was synced.
pub struct MemStore {
    disk: MemDisk,
    /// The writer's state; never behind the readers' state.
    state: MemSnapshot,
    shared: Shared,
}

/// Takes snapshots of a [`MemStore`] until it is closed, is dropped or fails.
#[derive(Clone)]
pub struct MemReader {
    shared: Shared,
}

/// The state that readers see; `None` while it changes and once the store refuses everything.
type Shared = Arc<RwLock<Option<MemSnapshot>>>;

impl MemDisk {
    /// Opens the store on this disk, in the state of its last sync; a new disk has an empty one.
    ///
    /// Fails with [`StoreError::InUse`] while another store on this disk is open, and with
    /// [`StoreError::Format`] after [`MemDisk::set_format`].
    pub fn open(&self) -> Result<MemStore, StoreError> {
        let state = self.take()?;
        Ok(MemStore::on(self.clone(), state))
    }
}

impl MemStore {
    /// An empty store that leaves nothing behind when it is dropped. See [`MemDisk::open`] for one that can
    /// be opened again.
    pub fn new() -> Self {
        let disk = MemDisk::new();
        disk.open().expect("a new disk opens")
    }

    fn on(disk: MemDisk, state: MemSnapshot) -> Self {
        let shared = Arc::new(RwLock::new(Some(state.clone())));
        Self { disk, state, shared }
    }

    /// One write: fails if the disk says so, and from then on always.
    fn write<T>(
        &mut self,
        durability: Durability,
        change: impl FnOnce(&mut MemSnapshot) -> T,
    ) -> Result<T, StoreError> {
        // Readers wait meanwhile. What nobody else holds is changed in place.
        let mut shown = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        if shown.take().is_none() {
            return Err(StoreError::Stopped);
        }
        self.disk.write()?;
        let done = change(&mut self.state);
        if durability == Durability::Synced {
            self.disk.keep(&self.state);
        }
        *shown = Some(self.state.clone());
        Ok(done)
    }
}

impl Default for MemStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Store for MemStore {
    type Reader = MemReader;

    fn reader(&self) -> MemReader {
        MemReader { shared: self.shared.clone() }
    }

    fn commit(&mut self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        self.write(durability, |state| state.apply(&batch))
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.write(Durability::Synced, |_| ())
    }

    fn erase(&mut self, shard: ShardNumber, rows: usize) -> Result<bool, StoreError> {
        self.write(Durability::Lazy, |state| state.erase(shard, rows))
    }

    fn close(mut self) -> Result<(), StoreError> {
        self.sync()
    }
}

impl Drop for MemStore {
    fn drop(&mut self) {
        *self.shared.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.disk.release();
    }
}

impl StoreReader for MemReader {
    type Snapshot = MemSnapshot;

    fn snapshot(&self) -> Result<MemSnapshot, StoreError> {
        let shown = self.shared.read().unwrap_or_else(PoisonError::into_inner);
        shown.clone().ok_or(StoreError::Stopped)
    }
}
