//! A member's store, and the disk below it.

use super::{pool::Pool, snapshot::SharedSnapshot};
use crate::world::disk::Disk;
use datafan_core::{
    id::MemberId,
    store::{Batch, Durability, Room, STORE_FORMAT, ShardNumber, Store, StoreError, StoreReader},
    time::Timestamp,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The durable state of a [`SharedStore`]: that of its last sync. Clones are handles of one disk.
#[derive(Clone)]
pub struct SharedDisk(Arc<Mutex<Content>>);

struct Content {
    format: u32,
    synced: SharedSnapshot,
    n_syncs: u64,
    in_use: bool,
    /// Number of writes that still succeed, and the error of later ones; `None` for no limit.
    fault: Option<(u64, &'static str)>,
    /// Number of writes for which there is still room; `None` for no limit.
    room: Option<u64>,
}

/// A store whose shards lie in a pool. Dropping it without closing it is a crash.
pub struct SharedStore {
    disk: SharedDisk,
    state: SharedSnapshot,
    shared: Visible,
    full: Full,
}

/// What a store knows of a full disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Full {
    /// Nothing.
    Unmet,
    /// A write failed because of it: no write reaches the disk any more.
    Met,
    /// The disk was full when the store was opened again: writes stay in memory and are discarded.
    Forgets,
}

/// A disk with room for fewer writes reports that it is full in advance.
const RESERVED_WRITES: u64 = 4;
/// The error of a full disk.
const NO_SPACE: &str = "no space left on the simulated disk";

/// Takes snapshots of a [`SharedStore`] until it is closed, is dropped or fails.
#[derive(Clone)]
pub struct SharedReader(Visible);

/// What readers see; `None` once the store refuses everything.
type Visible = Arc<Mutex<Option<SharedSnapshot>>>;

impl SharedDisk {
    /// An empty disk for a member whose shards lie in `pool`.
    pub fn new(pool: Pool) -> Self {
        Self::with(STORE_FORMAT, SharedSnapshot::new(pool))
    }

    /// The pool of its shards.
    pub fn pool(&self) -> Pool {
        self.content().synced.pool.clone()
    }

    /// Opens the store in the state of its last sync.
    ///
    /// # Errors
    /// If it is already open, or has another format.
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
        Ok(SharedStore { disk: self.clone(), state, shared, full: Full::Unmet })
    }

    /// A copy of the current disk, without faults and not in use.
    pub fn copy(&self) -> Self {
        let content = self.content();
        Self::with(content.format, content.synced.clone())
    }

    /// Lets `writes` commits and syncs succeed and all later ones fail with `what`, until
    /// [`SharedDisk::heal`].
    pub fn fail_after(&self, writes: u64, what: &'static str) {
        self.content().fault = Some((writes, what));
    }

    /// Leaves room for this many commits and syncs, until [`SharedDisk::heal`].
    pub fn fill_after(&self, writes: u64) {
        self.content().room = Some(writes);
    }

    /// Makes room.
    pub fn free(&self) {
        self.content().room = None;
    }

    /// Whether there is no room for a write.
    pub fn is_full(&self) -> bool {
        self.content().room == Some(0)
    }

    /// Ends the faults. A store that failed still refuses everything until the disk is opened again.
    pub fn heal(&self) {
        let mut content = self.content();
        (content.fault, content.room) = (None, None);
    }

    /// Pretends that a version with another format wrote this disk.
    pub fn set_format(&self, format: u32) {
        self.content().format = format;
    }

    fn write(&self) -> Result<(), StoreError> {
        let mut content = self.content();
        match &mut content.fault {
            None => {}
            Some((0, what)) => return Err(StoreError::Failed { what: (*what).into() }),
            Some((left, _)) => *left -= 1,
        }
        match &mut content.room {
            None => {}
            Some(0) => return Err(StoreError::Full { what: NO_SPACE.into() }),
            Some(left) => *left -= 1,
        }
        Ok(())
    }

    fn with(format: u32, synced: SharedSnapshot) -> Self {
        Self(Arc::new(Mutex::new(Content {
            format,
            synced,
            n_syncs: 0,
            in_use: false,
            fault: None,
            room: None,
        })))
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
        Some(record.head()?.timestamp)
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
        // No other handle may hold it while it changes, or all its pages would be copied.
        *shown = None;
        let on_disk = self.full == Full::Unmet;
        let written = match self.full {
            Full::Unmet => self.disk.write(),
            Full::Met => Err(StoreError::Full { what: NO_SPACE.into() }),
            Full::Forgets => Ok(()),
        };
        if let Err(error) = written {
            if matches!(error, StoreError::Full { .. }) {
                // Readers continue.
                self.full = Full::Met;
                *shown = Some(self.state.clone());
            }
            return Err(error);
        }
        let done = change(&mut self.state);
        if on_disk && durability == Durability::Synced {
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

    fn room(&mut self) -> Result<Room, StoreError> {
        let left = self.disk.content().room;
        Ok(match (self.full, left) {
            (Full::Unmet, Some(left)) if left < RESERVED_WRITES => Room::Short { why: NO_SPACE.into() },
            (Full::Unmet, _) => Room::Enough,
            (Full::Met | Full::Forgets, Some(0)) => Room::Short { why: NO_SPACE.into() },
            (Full::Met | Full::Forgets, _) => Room::Again,
        })
    }

    fn reopen(mut self) -> Result<Self, StoreError> {
        self.state = self.disk.content().synced.clone();
        self.full = if self.disk.is_full() { Full::Forgets } else { Full::Unmet };
        *visible(&self.shared) = Some(self.state.clone());
        Ok(self)
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
