//! Test support: suites for every datafan store and connector, engines in one thread, a relay that simulates
//! bad lines, shards without an engine, members and items for measurements, random numbers.

pub mod connector;
pub mod engines;
pub mod relay;
pub mod rng;
pub mod shard;
pub mod store;
#[cfg(feature = "tls")]
pub mod tls;
pub mod workload;
