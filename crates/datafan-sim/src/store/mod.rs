//! A store of shared shards: data that thousands of members hold is in memory once.
//!
//! The shards of all members of a world lie in one [`Pool`]. After a write, a shard whose rows and record
//! equal those of another member's becomes that one, and costs the member a pointer and a number. This is not
//! a shortcut: each member's store is a [`datafan_core::store::Store`] that passes the suite of all stores,
//! with a simulated disk ([`SharedDisk`]) that loses unsynced data.
//! passes the suite of all stores, with a simulated disk ([`SharedDisk`]) that loses what was not synced.

mod disk;
mod pages;
mod pool;
mod snapshot;
mod state;
pub(crate) mod sum;

pub use disk::{SharedDisk, SharedReader, SharedStore};
pub use pool::Pool;
pub use snapshot::SharedSnapshot;
pub use state::State;
