//! A member's store and the disk below it.

use super::{pool::Pool, snapshot::SharedSnapshot};
use crate::world::Disk;
use datafan_core::{
    id::MemberId,
    store::{Batch, Durability, STORE_FORMAT, ShardNumber, Store, StoreError, StoreReader},
    time::Timestamp,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What survives a [`SharedStore`]: the state of its last sync. Clones are handles of one disk.
#[derive(Clone)]
pub struct SharedDisk(Arc<Mutex<Content>>);

struct Content {
    format: u32,
    synced: SharedSnapshot,
    n_syncs: u64,
    in_use: bool,
    /// Writes that still succeed, and what the later ones say; `None` without end.
    fault: Option<(u64, &'static str)>,
}

/// A store whose shards lie in a pool. Dropping it without closing it is a crash.
pub struct SharedStore {
    disk: SharedDisk,
    state: SharedSnapshot,
    shared: Visible,
}

/// Takes snapshots of a [`SharedStore`] until it is closed, dropped or has failed.
#[derive(Clone)]
pub struct SharedReader(Visible);

/// What readers see; `None` once the store refuses everything.
type Visible = Arc<Mutex<Option<SharedSnapshot>>>;

impl SharedDisk {
    /// An empty disk for a member whose shards lie in `pool`.
    pub fn new(pool: Pool) -> Self {
        Self::with(STORE_FORMAT, SharedSnapshot::new(pool))
    }

    /// Where its shards lie.
    pub fn pool(&self) -> Pool {
        self.content().synced.pool.clone()
    }

    /// Opens the store in the state of its last sync.
    ///
    /// # Errors
    /// If it is open already, or has another format.
    pub fn open(&self) -> Result<SharedStore, StoreError> {
        let mut content = self.content();
        if content.in_use {
            return Err(StoreError::InUse { path: "in memory".into() });
        }
        if content.format != STORE_FORMAT {
            return Err(StoreError::Format { found: content.format });
        }
        content.in_use = true;
        let state = content.synced.clone();
        let shared = Arc::new(Mutex::new(Some(state.clone())));
        Ok(SharedStore { disk: self.clone(), state, shared })
    }

    /// What is on the disk now, on another one without faults and not in use.
    pub fn copy(&self) -> Self {
        let content = self.content();
        Self::with(content.format, content.synced.clone())
    }

    /// Lets `writes` commits and syncs succeed and every later one fail with `what`, until [`SharedDisk::heal`].
    pub fn fail_after(&self, writes: u64, what: &'static str) {
        self.content().fault = Some((writes, what));
    }

    /// Ends the faults. A store that failed still refuses everything until the disk is opened again.
    pub fn heal(&self) {
        self.content().fault = None;
    }

    /// Pretends that a build with another format wrote this disk.
    pub fn set_format(&self, format: u32) {
        self.content().format = format;
    }

    fn write(&self) -> Result<(), StoreError> {
        match &mut self.content().fault {
            None => Ok(()),
            Some((0, what)) => Err(StoreError::Failed { what: (*what).into() }),
            Some((left, _)) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    fn with(format: u32, synced: SharedSnapshot) -> Self {
        Self(Arc::new(Mutex::new(Content { format, synced, n_syncs: 0, in_use: false, fault: None })))
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for SharedDisk {
    type Store = SharedStore;

    fn empty() -> Self {
        Self::new(Pool::default())
    }

    fn another(&self) -> Self {
        Self::new(self.pool())
    }

    fn open(&self) -> Result<SharedStore, StoreError> {
        self.open()
    }

    fn n_syncs(&self) -> u64 {
        self.content().n_syncs
    }

    fn synced(&self, owner: &MemberId) -> Option<Timestamp> {
        let content = self.content();
        let record = content.synced.state_of(owner)?.record()?;
        Some(record.head?.timestamp)
    }

    fn backup(&self) -> Self {
        self.copy()
    }
}

impl SharedStore {
    fn write<T>(
        &mut self,
        durability: Durability,
        change: impl FnOnce(&mut SharedSnapshot) -> T,
    ) -> Result<T, StoreError> {
        // Readers wait meanwhile.
        let mut shown = visible(&self.shared);
        if shown.is_none() {
            return Err(StoreError::Stopped);
        }
        // Nobody else may hold it while it changes, or all its pages would be copied.
        *shown = None;
        self.disk.write()?;
        let done = change(&mut self.state);
        if durability == Durability::Synced {
            let mut content = self.disk.content();
            content.synced = self.state.clone();
            content.n_syncs += 1;
        }
        *shown = Some(self.state.clone());
        Ok(done)
    }
}

impl Store for SharedStore {
    type Reader = SharedReader;

    fn reader(&self) -> SharedReader {
        SharedReader(self.shared.clone())
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

impl Drop for SharedStore {
    fn drop(&mut self) {
        *visible(&self.shared) = None;
        self.disk.content().in_use = false;
    }
}

impl StoreReader for SharedReader {
    type Snapshot = SharedSnapshot;

    fn snapshot(&self) -> Result<SharedSnapshot, StoreError> {
        visible(&self.0).clone().ok_or(StoreError::Stopped)
    }
}

fn visible(shared: &Visible) -> MutexGuard<'_, Option<SharedSnapshot>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
