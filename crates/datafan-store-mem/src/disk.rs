//! A simulated disk: the part of a store that survives, and the faults of the medium.

use crate::snapshot::MemSnapshot;
use datafan_core::store::{STORE_FORMAT, StoreError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The part of a [`MemStore`](crate::MemStore) that survives: the state of its last sync. Clones are handles
/// of one disk.
///
/// A crash is `drop(store)`; afterwards [`MemDisk::open`] returns the state of the last synced commit, `sync`
/// or `close`, and every later lazy commit is lost.
#[derive(Clone)]
pub struct MemDisk(Arc<Mutex<Content>>);

struct Content {
    format: u32,
    synced: MemSnapshot,
    in_use: bool,
    /// Number of writes that still succeed; `None` for no limit.
    writes_left: Option<u64>,
}

impl MemDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::with(STORE_FORMAT, MemSnapshot::default())
    }

    /// A copy of the current content of the disk: a backup, or the state after a crash at this moment.
    /// Without faults and not in use.
    pub fn copy(&self) -> Self {
        let content = self.content();
        Self::with(content.format, content.synced.clone())
    }

    /// Lets `writes` commits, syncs, erasures and closes succeed and all later ones fail, until
    /// [`MemDisk::heal`].
    pub fn fail_after(&self, writes: u64) {
        self.content().writes_left = Some(writes);
    }

    /// Ends the faults. A store that failed still refuses everything until the disk is opened again.
    pub fn heal(&self) {
        self.content().writes_left = None;
    }

    /// Pretends that a version with another format wrote this disk.
    pub fn set_format(&self, format: u32) {
        self.content().format = format;
    }

    /// Marks the disk as in use, and returns the state of the last sync.
    pub(crate) fn take(&self) -> Result<MemSnapshot, StoreError> {
        let mut content = self.content();
        if content.in_use {
            return Err(StoreError::InUse { path: "in memory".into() });
        }
        if content.format != STORE_FORMAT {
            return Err(StoreError::Format { found: content.format });
        }
        content.in_use = true;
        Ok(content.synced.clone())
    }

    pub(crate) fn write(&self) -> Result<(), StoreError> {
        match &mut self.content().writes_left {
            None => Ok(()),
            Some(0) => Err(StoreError::Failed { what: "the simulated disk fails".into() }),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    pub(crate) fn keep(&self, state: &MemSnapshot) {
        // If nobody can open it again, it need not be kept, and the store may change it in place.
        let lost = Arc::strong_count(&self.0) == 1;
        self.content().synced = if lost { MemSnapshot::default() } else { state.clone() };
    }

    pub(crate) fn release(&self) {
        self.content().in_use = false;
    }

    fn with(format: u32, synced: MemSnapshot) -> Self {
        Self(Arc::new(Mutex::new(Content { format, synced, in_use: false, writes_left: None })))
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemDisk {
    fn default() -> Self {
        Self::new()
    }
}
