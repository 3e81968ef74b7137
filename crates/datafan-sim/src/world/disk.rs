//! What a member has that outlives its store.

use datafan_core::{
    id::MemberId,
    store::{Store, StoreError},
    time::Timestamp,
};

/// What outlives a store. A crash is dropping the store without closing it: what was not synced is lost.
pub trait Disk: Clone {
    /// The store that is on it.
    type Store: Store;
    /// A disk with nothing on it.
    fn empty() -> Self;
    /// Another empty disk, for another member of the same world.
    fn another(&self) -> Self {
        Self::empty()
    }
    /// Opens the store; there is at most one at a time.
    ///
    /// # Errors
    /// As the store's.
    fn open(&self) -> Result<Self::Store, StoreError>;
    /// How often something was made durable; a disk that does not count says 0.
    fn n_syncs(&self) -> u64 {
        0
    }
    /// The timestamp of an owner's head that would survive a crash; a disk that does not know says `None`.
    fn synced(&self, _owner: &MemberId) -> Option<Timestamp> {
        None
    }
    /// A backup: what a crash at this instant would leave, on another disk.
    fn backup(&self) -> Self;
}
