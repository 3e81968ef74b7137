//! Suites for every datafan store and connector, and a deterministic harness for engines.

pub mod connector;
pub mod harness;
pub mod rng;
pub mod store;
