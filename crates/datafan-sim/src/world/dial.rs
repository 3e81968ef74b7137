//! A dial in progress.

use datafan_core::{connector::Address, id::MemberId, time::Time};

/// The dialler and the address.
pub(super) struct Dial {
    pub from: usize,
    pub address: Address,
    pub expected: Option<MemberId>,
    /// The deadline for an answer.
    pub until: Time,
    /// The pause before the next attempt.
    pub again_micros: u64,
}
