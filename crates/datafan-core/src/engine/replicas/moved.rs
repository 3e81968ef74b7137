//! Owners whose visible shard moved in this call.

use crate::{connector::Frame, id::MemberId, time::Timestamp};
use alloc::vec::Vec;

/// A pending push: an owner whose visible shard moved in this call.
#[derive(Default)]
pub(in crate::engine) struct Moved {
    /// The timestamp before.
    pub(in crate::engine) before: Timestamp,
    /// Peers that already have the new state.
    pub(in crate::engine) told: Vec<MemberId>,
    /// The message that brought the new state from `before`, if one did. It is relayed unchanged.
    pub(in crate::engine) message: Option<Frame>,
}
