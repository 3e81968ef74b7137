//! datafan's store on redb: one file, atomic commits, snapshots for readers.
//!
//! [`RedbStore`] maps the tables of [`datafan_core::store`] to tables of a redb file, as specified in
//! `docs/disk-format.md` byte by byte. Errors and panics of redb do not leave this crate: they become a
//! [`StoreError`](datafan_core::store::StoreError), after which the store refuses everything. It is neither a
//! cache nor a second format. [`Faults`] makes the file fail on purpose, for tests and demos.
//!
//! ```
//! use datafan_core::store::{Batch, Durability, Meta, Store, StoreReader, StoreSnapshot};
//! use datafan_store_redb::{Options, RedbStore};
//!
//! # let directory = tempfile::tempdir().unwrap();
//! let path = directory.path().join("store.redb");
//! let mut store = RedbStore::open(&path, Options::default())?;
//! let batch = Batch { meta: [(Meta::History, Some(vec![1]))].into(), ..Batch::default() };
//! store.commit(batch, Durability::Synced)?;
//! store.close()?;
//! let store = RedbStore::open(&path, Options::default())?;
//! assert_eq!(store.reader().snapshot()?.meta(Meta::History)?, Some(vec![1]));
//! # Ok::<(), datafan_core::store::StoreError>(())
//! ```

mod ascending;
mod backend;
mod compact;
mod edge;
mod faults;
mod layout;
mod open;
mod overlay;
mod room;
mod salvage;
mod snapshot;
mod store;
mod write;

pub use faults::{Faults, Operation, Recorded};
pub use open::{CHECKED_BYTES_MAX, Options};
pub use room::{RESERVE_BYTES_MAX, probe_path};
pub use snapshot::{RedbSnapshot, TableRoom};
pub use store::{LAZY_BYTES_MAX, LAZY_COMMITS_MAX, LAZY_GROWTH_BYTES, RedbReader, RedbStore};
