//! One's own shards: timestamps, confirmation, and what is kept of them across restarts.

use super::{contest::Contest, lost_heads::LostHeads, pauses::Pauses};
use crate::{
    codec::{DecodeError, Reader, Writer},
    hash::Hash,
    head::Head,
    id::MemberId,
    identity::Identity,
    time::{SECOND, Time, Timestamp},
};
use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};

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
    /// The last heads that this run has made, ascending; none before its first write.
    pub(super) made: Made,
    /// Heads that others hold and we have lost.
    pub(super) lost: LostHeads,
    /// When own writes were made.
    pub(super) runs: Runs,
    /// The roster of a peer that was looked through last for entries that ours lacks.
    pub(super) looked_at: Option<(Timestamp, Hash)>,
    /// Where a restamp was asked for that has to wait for a moment: after which timestamp it goes on.
    pub(super) restamps_after: Option<Timestamp>,
}

/// What is remembered of the times of own writes.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Runs {
    /// Between which own timestamps nothing was written.
    pub(super) pauses: Pauses,
}

/// The bytes of the runs of own shards.
pub(super) fn encode_runs<'a>(runs: impl Iterator<Item = (MemberId, &'a Runs)>) -> Vec<u8> {
    let runs: Vec<_> = runs.collect();
    let mut out = Writer::new();
    out.list(&runs, |out, (owner, runs)| {
        out.id(owner);
        runs.pauses.encode(out);
    });
    out.finish()
}

/// Reads runs.
pub(super) fn decode_runs(bytes: &[u8]) -> Result<BTreeMap<MemberId, Runs>, DecodeError> {
    let mut input = Reader::new(bytes);
    let runs = input.list("own shards", 2, |input| {
        let owner = input.id()?;
        Ok((owner, Runs { pauses: Pauses::decode(input)? }))
    })?;
    input.end()?;
    Ok(runs.into_iter().collect())
}

/// The last heads that a run has made.
#[derive(Default)]
pub(super) struct Made(VecDeque<(Timestamp, Hash)>);

/// Heads that a run remembers.
const MADE_MAX: usize = 1_024;

impl Made {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn note(&mut self, head: &Head) {
        if self.0.len() == MADE_MAX {
            self.0.pop_front();
        }
        self.0.push_back(head.order());
    }

    /// Whether a head is one of those that are remembered.
    pub(super) fn has(&self, head: &Head) -> bool {
        self.0.binary_search(&head.order()).is_ok()
    }
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
    /// Another process goes on from what this one wrote: not before it is clear which of both does.
    Contested(Contest),
    /// A peer holds a head with this timestamp that is not ours.
    Foreign(Timestamp),
}

/// How far the bound on disk runs ahead of the clock: one write of it per this time.
const BOUND_AHEAD: u64 = SECOND;

impl Own {
    /// An own shard whose head on disk is at `head`.
    pub(super) fn new(identity: Identity, head: Timestamp, bound: Timestamp, runs: Runs) -> Self {
        let (confirmed, last) = (Confirmed::Not, head.max(bound));
        let (made, lost) = (Made::default(), LostHeads::default());
        let (looked_at, restamps_after) = (None, None);
        Self { identity, last, bound, confirmed, before: head, made, lost, runs, looked_at, restamps_after }
    }

    /// Goes on from `head`, which lies before what was used so far.
    pub(super) fn begin_again(&mut self, head: &Head) {
        (self.last, self.bound) = (head.timestamp, Timestamp(head.timestamp.0.saturating_add(BOUND_AHEAD)));
        self.runs.pauses.cut(head.timestamp);
        self.restamps_after = None;
        self.made = Made::default();
        self.made.note(head);
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
pub(crate) struct Past {
    /// The founder's store, or one that a peer has confirmed once.
    pub(crate) proven: bool,
    /// A peer was ever linked: others may know our heads.
    pub(crate) told: bool,
}

impl Past {
    /// What a store knows that was made from a backup: since then others may have heard of anything.
    pub(crate) fn of_a_backup(self) -> Self {
        Self { told: true, ..self }
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        [u8::from(self.proven), u8::from(self.told)].into()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let past = Self { proven: input.flag()?, told: input.flag()? };
        input.end()?;
        Ok(past)
    }
}
