//! Reconciliation: compares the index from the root down, and fetches what differs.
//!
//! Verified answers go into a [`Build`]: a layer over the visible shard while little differs, else a hidden
//! copy. Nothing becomes visible before the root matches the one that the owner signed. Verified data is kept
//! when the target changes or the peer leaves.

mod answer;
mod build;
mod building;
mod complete;
mod lending;
mod state;
mod step;

pub(super) use build::Build;
pub(super) use state::Reconciliation;
