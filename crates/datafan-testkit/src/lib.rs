//! Suites for every datafan store and connector, engines in one thread, a relay for bad lines, shards without
//! an engine, a source of lots.

pub mod connector;
pub mod engines;
pub mod relay;
pub mod rng;
pub mod shard;
pub mod store;
