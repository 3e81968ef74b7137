//! What proves that owners have forked, and which of their forks the authority has closed.

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

/// What proves forks, and what the authority says of them.
#[derive(Default)]
pub(in crate::engine) struct Forks {
    kept: Kept,
    /// Owners with a fork that nobody has closed.
    open: BTreeSet<MemberId>,
    closings: BTreeMap<MemberId, Closing>,
}

impl Forks {
    /// Whether an owner has forked, and nobody has closed that.
    pub(in crate::engine) fn has(&self, owner: &MemberId) -> bool {
        !self.open.is_empty() && self.open.contains(owner)
    }

    /// Judges an owner's forks again; `history` is what its shard names.
    pub(in crate::engine) fn judge(&mut self, owner: &MemberId, history: &RunHistory) {
        let closing = self.closings.get(owner).copied();
        let is_open = |piece: &KeptFork| piece.closed_by(history, closing).is_none();
        if self.kept.of(owner).any(is_open) {
            self.open.insert(*owner);
        } else {
            self.open.remove(owner);
        }
    }

    /// Whether two heads are worth a look: there is room, or all that is known is closed, and they are not
    /// known.
    pub(in crate::engine) fn wants(&self, first: &Head, second: &Head) -> bool {
        let pair = |piece: &KeptFork| [piece.evidence.first.order(), piece.evidence.second.order()];
        let order = [first.order(), second.order()];
        let mut known = self.kept.of(&first.owner).map(pair);
        (self.kept.of(&first.owner).count() < EVIDENCE_PER_OWNER_MAX || !self.has(&first.owner))
            && !known.any(|[a, b]| [a, b] == order || [b, a] == order)
    }

    /// Keeps what proves a fork.
    pub(in crate::engine) fn add(&mut self, fork: KeptFork) {
        self.kept.insert(fork);
    }

    /// Whether a fork of an owner is known, closed or not.
    pub(in crate::engine) fn knows(&self, owner: &MemberId) -> bool {
        self.kept.has(owner)
    }

    /// Owners of whom a fork is known.
    pub(in crate::engine) fn owners(&self) -> Vec<MemberId> {
        self.kept.owners().copied().collect()
    }

    /// The last timestamp of the forks of an owner that are known.
    pub(in crate::engine) fn last(&self, owner: &MemberId) -> Option<Timestamp> {
        let last = |piece: &KeptFork| piece.evidence.first.timestamp.max(piece.evidence.second.timestamp);
        self.kept.of(owner).map(last).max()
    }

    /// The authority closes forks of an owner.
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
