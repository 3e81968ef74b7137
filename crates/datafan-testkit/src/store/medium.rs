//! What a store lies on.

use datafan_core::store::{Store, StoreError};

/// What a store lies on, and outlives it.
pub trait Medium {
    /// The store.
    type Store: Store;
    /// Opens the store, new at first.
    fn open(&self) -> Result<Self::Store, StoreError>;
    /// From now on `writes` more writes of the medium succeed and no later one, until [`Medium::heal`].
    fn fail_after(&self, writes: u64);
    /// The power goes: what was not synced may be lost, in ways that `seed` chooses among, and an open store
    /// gets nothing through any more.
    fn cut(&self, seed: u64);
    /// Ends all faults; the store was dropped.
    fn heal(&self);
    /// Makes the medium, whose store is closed, look as if a build with another format had written it.
    fn set_format(&self, format: u32);
}
