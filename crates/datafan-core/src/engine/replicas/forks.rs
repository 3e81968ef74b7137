//! The evidence of forks, and the closings of the authority.

use super::evidence::Kept;
use crate::{
    codec::DecodeError,
    fork::{Closing, KeptFork},
    head::Head,
    id::MemberId,
    limits::EVIDENCE_PER_OWNER_MAX,
    runs::RunHistory,
    time::Timestamp,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

/// The evidence of forks, and the closings of the authority.
#[derive(Default)]
pub(in crate::engine) struct Forks {
    kept: Kept,
    /// Owners with an open fork.
    open: BTreeSet<MemberId>,
    closings: BTreeMap<MemberId, Closing>,
}

impl Forks {
    /// Whether an owner has an open fork.
    pub(in crate::engine) fn has(&self, owner: &MemberId) -> bool {
        !self.open.is_empty() && self.open.contains(owner)
    }

    /// Judges an owner's forks again with the run history of its shard.
    pub(in crate::engine) fn judge(&mut self, owner: &MemberId, history: &RunHistory) {
        let closing = self.closings.get(owner).copied();
        let is_open = |piece: &KeptFork| piece.closed_by(history, closing).is_none();
        if self.kept.of(owner).any(is_open) {
            self.open.insert(*owner);
        } else {
            self.open.remove(owner);
        }
    }

    /// Whether evidence about two heads would be kept: it is new, and there is room or all known forks are
    /// closed.
    pub(in crate::engine) fn wants(&self, first: &Head, second: &Head) -> bool {
        let pair = |piece: &KeptFork| [piece.evidence.first.order(), piece.evidence.second.order()];
        let order = [first.order(), second.order()];
        let mut known = self.kept.of(&first.owner).map(pair);
        (self.kept.of(&first.owner).count() < EVIDENCE_PER_OWNER_MAX || !self.has(&first.owner))
            && !known.any(|[a, b]| [a, b] == order || [b, a] == order)
    }

    /// Keeps the evidence of a fork.
    pub(in crate::engine) fn add(&mut self, fork: KeptFork) {
        self.kept.insert(fork);
    }

    /// Whether a fork of an owner is known, closed or not.
    pub(in crate::engine) fn knows(&self, owner: &MemberId) -> bool {
        self.kept.has(owner)
    }

    /// Owners with a known fork.
    pub(in crate::engine) fn owners(&self) -> Vec<MemberId> {
        self.kept.owners().copied().collect()
    }

    /// The last timestamp of the known forks of an owner.
    pub(in crate::engine) fn last(&self, owner: &MemberId) -> Option<Timestamp> {
        let last = |piece: &KeptFork| piece.evidence.first.timestamp.max(piece.evidence.second.timestamp);
        self.kept.of(owner).map(last).max()
    }

    /// Records the authority's closing of an owner's forks.
    pub(in crate::engine) fn close(&mut self, owner: &MemberId, closing: Closing) {
        self.closings.insert(*owner, closing);
    }

    pub(in crate::engine) fn encode(&self) -> Vec<u8> {
        self.kept.encode()
    }

    pub(in crate::engine) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self { kept: Kept::decode(bytes)?, ..Self::default() })
    }
}
