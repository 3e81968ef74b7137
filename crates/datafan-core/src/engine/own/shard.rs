//! One own shard: its timestamps, whether it may be written, and what peers hold of it.

use super::{contest::Contest, lost_heads::LostHeads, pauses::Pauses, recent_heads::RecentHeads};
use crate::{
    hash::Hash,
    head::Head,
    id::MemberId,
    identity::Identity,
    time::{SECOND, Time, Timestamp},
};

/// A shard that this member owns.
pub(in crate::engine) struct OwnShard {
    pub(super) identity: Identity,
    /// The greatest timestamp that may have been used.
    pub(super) last: Timestamp,
    /// The bound on disk; never below `last` once a commit is told.
    pub(super) bound: Timestamp,
    pub(super) confirmed: Confirmed,
    /// The head that was held when the engine was opened.
    pub(super) before: Timestamp,
    /// The last heads that this run has made, ascending; none before its first write.
    pub(super) made: RecentHeads,
    /// Heads that others hold and we have lost.
    pub(super) lost: LostHeads,
    /// Between which own timestamps nothing was written.
    pub(super) pauses: Pauses,
    /// The roster of a peer that was looked through last for entries that ours lacks.
    pub(super) looked_at: Option<(Timestamp, Hash)>,
    /// Where a restamp was asked for that has to wait for a moment: after which timestamp it goes on.
    pub(super) restamps_after: Option<Timestamp>,
}

/// Whether own commits may be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::engine) enum Confirmed {
    /// Not before a peer's Hello was compared, or the time for that is over.
    Not,
    /// Others hold a later head, which is pulled back. Not over before this time: it has to be the greatest
    /// of them.
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

impl OwnShard {
    /// An own shard whose head on disk is at `head`.
    pub(super) fn new(identity: Identity, head: Timestamp, bound: Timestamp, pauses: Pauses) -> Self {
        let (confirmed, last) = (Confirmed::Not, head.max(bound));
        let (made, lost) = (RecentHeads::default(), LostHeads::default());
        let (looked_at, restamps_after) = (None, None);
        Self { identity, last, bound, confirmed, before: head, made, lost, pauses, looked_at, restamps_after }
    }

    /// Goes on from `head`, which lies before what was used so far.
    pub(super) fn begin_again(&mut self, head: &Head) {
        (self.last, self.bound) = (head.timestamp, Timestamp(head.timestamp.0.saturating_add(BOUND_AHEAD)));
        self.pauses.cut(head.timestamp);
        self.restamps_after = None;
        self.made = RecentHeads::default();
        self.made.add(head);
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

    /// The greatest timestamp that may have been used.
    pub(in crate::engine) fn last(&self) -> Timestamp {
        self.last
    }

    /// The head that was held when the engine was opened, or a later one that nothing is missing before.
    pub(in crate::engine) fn before(&self) -> Timestamp {
        self.before
    }

    /// Whether own commits may be made.
    pub(in crate::engine) fn confirmed(&self) -> Confirmed {
        self.confirmed
    }

    /// Whether this run has written anything.
    pub(in crate::engine) fn has_written(&self) -> bool {
        !self.made.is_empty()
    }

    /// Whether this run has made a head, as far as it remembers.
    pub(in crate::engine) fn has_made(&self, head: &Head) -> bool {
        self.made.has(head)
    }

    /// Whether a peer told of this very head, and we have lost it.
    pub(in crate::engine) fn has_lost(&self, head: &Head) -> bool {
        self.lost.has(head)
    }

    /// The greatest head that was lost and that somebody who `counts` holds.
    pub(in crate::engine) fn best_remote(
        &self,
        now: Time,
        counts: impl Fn(&MemberId) -> bool,
    ) -> Option<(MemberId, Head)> {
        // Without any data of its own it waits for who has more as long as that takes.
        let now = if self.before == Timestamp::ZERO { Time(0) } else { now };
        self.lost.held(now, counts)
    }

    /// When the next peer that holds what was lost is waited for no longer.
    pub(in crate::engine) fn lost_wakes_at(&self, now: Time) -> Time {
        self.lost.wakes_at(now)
    }

    /// Which timestamps were never used.
    pub(in crate::engine) fn pauses(&self) -> &Pauses {
        &self.pauses
    }

    /// From where on a restamp that waits for a moment goes on.
    pub(in crate::engine) fn restamps_after(&self) -> Option<Timestamp> {
        self.restamps_after
    }

    /// Whether this roster of a peer was the last one that was looked through.
    pub(in crate::engine) fn has_looked_at(&self, head: &Head) -> bool {
        self.looked_at == Some(head.order())
    }
}
