//! Suites for every datafan store and connector, engines in one thread, a relay for bad lines, shards without
//! an engine, the members and items of measurements, a source of random numbers.

pub mod connector;
pub mod engines;
pub mod relay;
pub mod rng;
pub mod shard;
pub mod store;
#[cfg(feature = "tls")]
pub mod tls;
pub mod workload;
