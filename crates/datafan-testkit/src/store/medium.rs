//! The medium below a store.

use datafan_core::store::{Store, StoreError};

/// The medium below a store, which outlives it.
pub trait Medium {
    /// The type of store.
    type Store: Store;
    /// Opens the store; it is created at the first call.
    fn open(&self) -> Result<Self::Store, StoreError>;
    /// Lets `writes` more writes of the medium succeed and all later ones fail, until [`Medium::heal`].
    fn fail_after(&self, writes: u64);
    /// Simulates a power cut: unsynced data may be lost, as chosen by `seed`, and an open store can write
    /// nothing any more.
    fn cut(&self, seed: u64);
    /// Ends all faults; the store was dropped.
    fn heal(&self);
    /// Makes the medium, whose store is closed, look as if another version with another format had written
    /// it.
    fn set_format(&self, format: u32);
}
