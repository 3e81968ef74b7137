//! Owners whose visible shard moved in this call.

use crate::{connector::Frame, id::MemberId, time::Timestamp};
use alloc::vec::Vec;

/// What push has to know of an owner whose visible shard moved in this call.
#[derive(Default)]
pub(in crate::engine) struct Moved {
    /// The timestamp before.
    pub(in crate::engine) before: Timestamp,
    /// Peers that already are where it has moved to.
    pub(in crate::engine) told: Vec<MemberId>,
    /// The message that brought it here from `before`, if one did: it goes on as it is.
    pub(in crate::engine) message: Option<Frame>,
}
