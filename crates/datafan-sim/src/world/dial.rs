//! A dial under way.

use datafan_core::{connector::Address, id::MemberId, time::Time};

/// Who dials what.
pub(super) struct Dial {
    pub from: usize,
    pub address: Address,
    pub expected: Option<MemberId>,
    /// When nobody has answered for too long.
    pub until: Time,
    /// How long it waits before it says again that it is there.
    pub again_micros: u64,
}
