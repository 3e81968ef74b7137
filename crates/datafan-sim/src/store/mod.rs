//! A store of shared shards: what thousands of members hold alike lies in memory once.
//!
//! What this is: the shards of all members of a world lie in one [`Pool`]. After a write, a shard whose rows
//! and record are the same as those of another member's becomes that one; a member pays a pointer and a
//! number for it. What this is not: a shortcut. Each member's store is a [`datafan_core::store::Store`] that
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
