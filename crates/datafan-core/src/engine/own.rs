//! One's own shards: timestamps, confirmation, and what is kept of them across restarts.

use super::pauses::Pauses;
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
    /// The greatest head that others hold and we have lost.
    pub(super) lost: Option<Head>,
    /// Between which own timestamps runs began to write.
    pub(super) runs: Runs,
    /// Writes wait until a state is fetched that they had parted from, but no longer than this.
    pub(super) parting: Option<Time>,
    /// Where a restamp was asked for that has to wait for a moment: after which timestamp it goes on.
    pub(super) restamps_after: Option<Timestamp>,
}

/// When the runs of an own shard began to write: after which head, and at which timestamp. Whatever lies between, the disk
/// did not know of: it was an older copy.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Runs {
    gaps: VecDeque<Gap>,
    /// Between which own timestamps nothing was written.
    pub(super) pauses: Pauses,
    /// Another process wrote with our key while the last run did: what that has written since this head may be lacking in
    /// what the mesh has.
    pub(super) parted: Option<Timestamp>,
    /// What was written since this head was written while nobody was linked, and nobody is known to have heard of it.
    pub(super) alone: Option<Timestamp>,
}

/// After one timestamp and before the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Gap(Timestamp, Timestamp);

/// Runs that are remembered; the oldest are forgotten.
const RUNS_MAX: usize = 64;

impl Runs {
    /// A run writes: the head on disk is at `after`, its first own timestamp will be `first`.
    pub(super) fn begin(&mut self, after: Timestamp, first: Timestamp) {
        if self.gaps.len() == RUNS_MAX {
            self.gaps.pop_front();
        }
        self.gaps.push_back(Gap(after, first));
    }

    /// Forgets what came after `at`.
    fn cut(&mut self, at: Timestamp) {
        self.gaps.retain(|Gap(_, first)| *first <= at);
        self.pauses.cut(at);
    }

    /// After which timestamp a state at `at`, which we did not make, parted from ours; `None` if it did not.
    pub(super) fn parted_at(&self, at: Timestamp) -> Option<Timestamp> {
        self.gaps.iter().find(|Gap(after, first)| *after < at && at < *first).map(|Gap(after, _)| *after)
    }

    /// A state at `at`, which had parted from ours, was given up: those up to it are not missed any more.
    pub(super) fn give_up(&mut self, at: Timestamp) {
        for gap in self.gaps.iter_mut().filter(|Gap(after, first)| *after < at && at < *first) {
            gap.0 = at;
        }
    }

    /// Another process has written on from a state before ours: what came since then may be lacking in what the mesh has.
    pub(super) fn part(&mut self, since: Timestamp) {
        let since = self.alone.map_or(since, |alone| since.min(alone));
        self.parted = Some(self.parted.map_or(since, |parted| since.min(parted)));
    }

    /// The head that the last run began to write after.
    pub(super) fn last_began_after(&self) -> Timestamp {
        self.gaps.back().map_or(Timestamp::ZERO, |Gap(after, _)| *after)
    }
}

/// The bytes of the runs of own shards.
pub(super) fn encode_runs<'a>(runs: impl Iterator<Item = (MemberId, &'a Runs)>) -> Vec<u8> {
    let runs: Vec<_> = runs.collect();
    let mut out = Writer::new();
    out.list(&runs, |out, (owner, runs)| {
        out.id(owner);
        let gaps: Vec<Gap> = runs.gaps.iter().copied().collect();
        out.list(&gaps, |out, Gap(after, first)| {
            out.fixed(after.0).fixed(first.0);
        });
        runs.pauses.encode(out);
        for since in [&runs.parted, &runs.alone] {
            out.option(since.as_ref(), |out, since| {
                out.fixed(since.0);
            });
        }
    });
    out.finish()
}

/// Reads runs.
pub(super) fn decode_runs(bytes: &[u8]) -> Result<BTreeMap<MemberId, Runs>, DecodeError> {
    let mut input = Reader::new(bytes);
    let runs = input.list("own shards", 2, |input| {
        let owner = input.id()?;
        let gap = |input: &mut Reader<'_>| Ok(Gap(Timestamp(input.fixed()?), Timestamp(input.fixed()?)));
        let gaps = input.list("runs", RUNS_MAX, gap)?.into();
        let pauses = Pauses::decode(input)?;
        let mut since = || input.option(|input| Ok(Timestamp(input.fixed()?)));
        let (parted, alone) = (since()?, since()?);
        Ok((owner, Runs { gaps, pauses, parted, alone }))
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

    /// Whether a head lies among those that are remembered and is none of them.
    pub(super) fn denies(&self, head: &Head) -> bool {
        let among = self.0.front().is_some_and(|(first, _)| *first <= head.timestamp);
        among && self.0.binary_search(&head.order()).is_err()
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
    /// A peer holds a head with this timestamp that is not ours.
    Foreign(Timestamp),
}

/// How far the bound on disk runs ahead of the clock: one write of it per this time.
const BOUND_AHEAD: u64 = SECOND;

impl Own {
    /// An own shard whose head on disk is at `head`.
    pub(super) fn new(identity: Identity, head: Timestamp, bound: Timestamp, runs: Runs) -> Self {
        let (confirmed, last) = (Confirmed::Not, head.max(bound));
        let (made, lost, parting, restamps_after) = (Made::default(), None, None, None);
        Self { identity, last, bound, confirmed, before: head, made, lost, runs, parting, restamps_after }
    }

    /// Goes on from `head`, which lies before what was used so far.
    pub(super) fn begin_again(&mut self, head: &Head) {
        (self.last, self.bound) = (head.timestamp, Timestamp(head.timestamp.0.saturating_add(BOUND_AHEAD)));
        self.runs.cut(head.timestamp);
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
