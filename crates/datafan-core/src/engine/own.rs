//! One's own shards: timestamps, confirmation, and what is kept of them across restarts.

use crate::{
    codec::{DecodeError, Reader, Writer},
    head::Head,
    id::MemberId,
    identity::Identity,
    time::{SECOND, Time, Timestamp},
};
use alloc::{collections::BTreeMap, vec::Vec};

/// A shard that this member owns.
pub(super) struct Own {
    pub(super) identity: Identity,
    /// The greatest timestamp that may have been used.
    pub(super) last: Timestamp,
    /// The bound on disk; never below `last` once a commit is told.
    pub(super) bound: Timestamp,
    pub(super) confirmed: Confirmed,
    /// The head that was held when the engine was opened.
    pub(super) before: Timestamp,
    /// This run has written.
    pub(super) wrote: bool,
    /// The greatest head that others hold and we have lost.
    pub(super) lost: Option<Head>,
}

/// Whether own commits may be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Confirmed {
    /// Not before a peer's Hello was compared, or the time for that is over.
    Not,
    /// Others hold a later head, which is pulled back. Not over before this time: it has to be the greatest of them.
    Recovering {
        /// The end of the wait.
        until: Time,
    },
    /// Yes.
    Yes,
    /// A peer holds a head with this timestamp that is not ours.
    Foreign(Timestamp),
}

/// How far the bound on disk runs ahead of the clock: one write of it per this time.
const BOUND_AHEAD: u64 = SECOND;

impl Own {
    /// An own shard whose head on disk is at `head`.
    pub(super) fn new(identity: Identity, head: Timestamp, bound: Timestamp) -> Self {
        let (confirmed, last) = (Confirmed::Not, head.max(bound));
        Self { identity, last, bound, confirmed, before: head, wrote: false, lost: None }
    }

    /// Takes `last` as used. Returns whether the bound on disk has to move.
    pub(super) fn used(&mut self, last: Timestamp) -> bool {
        assert!(last >= self.last, "own timestamps only grow");
        self.last = last;
        let moves = last > self.bound;
        if moves {
            self.bound = Timestamp(last.0.saturating_add(BOUND_AHEAD));
        }
        moves
    }
}

/// The bytes of the bounds.
pub(super) fn encode_bounds(bounds: impl Iterator<Item = (MemberId, Timestamp)>) -> Vec<u8> {
    let bounds: Vec<_> = bounds.collect();
    let mut out = Writer::new();
    out.list(&bounds, |out, (owner, bound)| {
        out.id(owner).fixed(bound.0);
    });
    out.finish()
}

/// Reads bounds.
pub(super) fn decode_bounds(bytes: &[u8]) -> Result<BTreeMap<MemberId, Timestamp>, DecodeError> {
    let mut input = Reader::new(bytes);
    let bounds = input.list("bounds", 2, |input| Ok((input.id()?, Timestamp(input.fixed()?))))?;
    input.end()?;
    Ok(bounds.into_iter().collect())
}

/// What a store knows of its past.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Past {
    /// The founder's store, or one that a peer has confirmed once.
    pub(super) proven: bool,
    /// A peer was ever linked: others may know our heads.
    pub(super) told: bool,
}

impl Past {
    pub(super) fn encode(self) -> Vec<u8> {
        [u8::from(self.proven), u8::from(self.told)].into()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let past = Self { proven: input.flag()?, told: input.flag()? };
        input.end()?;
        Ok(past)
    }
}
