//! datafan's store in memory: cheap consistent snapshots, compact rows, and a simulated disk for tests.
//!
//! [`MemStore`] keeps every shard in persistent ordered tables. A snapshot shares all of them with the
//! writer; a commit copies what it touches. Nothing is stored permanently: [`MemDisk`] simulates a disk that
//! outlives the store, to test crashes, failing writes and unknown formats:
//!
//! ```
//! use datafan_core::store::{Batch, Durability, Meta, Store, StoreReader, StoreSnapshot};
//! use datafan_store_mem::MemDisk;
//!
//! let disk = MemDisk::new();
//! let mut store = disk.open()?;
//! let value = |byte| Batch { meta: [(Meta::History, Some(vec![byte]))].into(), ..Batch::default() };
//! store.commit(value(1), Durability::Synced)?;
//! store.commit(value(2), Durability::Lazy)?;
//! drop(store); // a crash: what was not synced is lost
//! let store = disk.open()?;
//! assert_eq!(store.reader().snapshot()?.meta(Meta::History)?, Some(vec![1]));
//! store.close()?; // a clean stop loses nothing
//! # Ok::<(), datafan_core::store::StoreError>(())
//! ```

mod body;
mod disk;
mod keys;
mod rows;
mod shard;
mod snapshot;
mod store;
mod table;

pub use disk::MemDisk;
pub use snapshot::MemSnapshot;
pub use store::{MemReader, MemStore};
