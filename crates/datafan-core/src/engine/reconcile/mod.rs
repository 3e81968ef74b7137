//! Reconciliation: comparing the index from the root down, and fetching what differs.
//!
//! The answers are tried on a [`Build`]: a layer over the visible shard while little differs, a hidden copy
//! of it above that. Nothing is visible before the root is the one that the owner signed; what was verified
//! is kept when the target moves or the peer goes.

mod answer;
mod build;
mod building;
mod complete;
mod lending;
mod state;
mod step;

pub(super) use build::Build;
pub(super) use state::Reconciliation;
