//! Suites for every datafan store and connector, and a relay for bad lines, a source of lots.

pub mod connector;
pub mod relay;
pub mod rng;
pub mod store;
