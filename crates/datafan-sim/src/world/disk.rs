//! The part of a member that outlives its store.

use datafan_core::{
    id::MemberId,
    store::{Store, StoreError},
    time::Timestamp,
};

/// The part of a store that survives. Dropping the store without closing it is a crash: unsynced data is
/// lost.
pub trait Disk: Clone {
    /// The type of store on it.
    type Store: Store;
    /// An empty disk.
    fn empty() -> Self;
    /// Another empty disk, for another member of the same world.
    fn another(&self) -> Self {
        Self::empty()
    }
    /// Opens the store; at most one is open at a time.
    ///
    /// # Errors
    /// Those of the store.
    fn open(&self) -> Result<Self::Store, StoreError>;
    /// Number of syncs; 0 for a disk that does not count.
    fn n_syncs(&self) -> u64 {
        0
    }
    /// The timestamp of an owner's head that would survive a crash; `None` if the disk does not know.
    fn synced(&self, _owner: &MemberId) -> Option<Timestamp> {
        None
    }
    /// A backup on another disk: the state after a crash at this moment.
    fn backup(&self) -> Self;
}
