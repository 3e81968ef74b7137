//! The simulator: many engines in one thread, on virtual time, from one seed.

pub mod store;
pub mod world;
