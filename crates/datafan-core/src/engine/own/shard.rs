//! One own shard: its timestamps, whether it may be written, and its lost heads at peers.

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
    /// The bound on disk. It is never below `last` once a commit is announced.
    pub(super) bound: Timestamp,
    pub(super) confirmed: Confirmed,
    /// The timestamp of the head that was held when the engine was opened.
    pub(super) before: Timestamp,
    /// The last heads that this run made, in ascending order; none before its first write.
    pub(super) made: RecentHeads,
    /// Heads that others hold and we lost.
    pub(super) lost: LostHeads,
    /// Spans of timestamps in which nothing was written.
    pub(super) pauses: Pauses,
    /// The peer's roster that was last examined for entries that ours lacks.
    pub(super) looked_at: Option<(Timestamp, Hash)>,
    /// The timestamp after which a restamp continues that has to wait for a moment.
    pub(super) restamps_after: Option<Timestamp>,
}

/// Whether an own shard is confirmed, so that it may be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::engine) enum Confirmed {
    /// Not yet: a peer's Hello has to be compared, or the time for that has to pass.
    Not,
    /// Others hold a later head, which is being recovered.
    Recovering {
        /// The earliest end, so that all peers can announce their heads.
        until: Time,
    },
    /// The shard is confirmed.
    Yes,
    /// Another process continues from our writes. Writes wait until it is clear which process continues.
    Contested(Contest),
    /// A peer holds a head with this timestamp that is not ours.
    Foreign(Timestamp),
}

/// How far the bound on disk runs ahead, so that it is written at most once in this time.
const BOUND_AHEAD: u64 = SECOND;

impl OwnShard {
    /// An own shard whose head on disk has the timestamp `head`.
    pub(super) fn new(identity: Identity, head: Timestamp, bound: Timestamp, pauses: Pauses) -> Self {
        let (confirmed, last) = (Confirmed::Not, head.max(bound));
        let (made, lost) = (RecentHeads::default(), LostHeads::default());
        let (looked_at, restamps_after) = (None, None);
        Self { identity, last, bound, confirmed, before: head, made, lost, pauses, looked_at, restamps_after }
    }

    /// Continues from `head`, which is earlier than timestamps used before.
    pub(super) fn rewind_to(&mut self, head: &Head) {
        (self.last, self.bound) = (head.timestamp, Timestamp(head.timestamp.0.saturating_add(BOUND_AHEAD)));
        self.pauses.forget_after(head.timestamp);
        self.restamps_after = None;
        self.made = RecentHeads::default();
        self.made.add(head);
    }

    /// Marks `last` as used. Returns whether the bound on disk has to move.
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

    /// The timestamp of the head that was held when the engine was opened, or a later one up to which nothing
    /// is missing.
    pub(in crate::engine) fn before(&self) -> Timestamp {
        self.before
    }

    /// Whether the shard is confirmed.
    pub(in crate::engine) fn confirmed(&self) -> Confirmed {
        self.confirmed
    }

    /// Whether this process has written anything.
    pub(in crate::engine) fn has_written(&self) -> bool {
        !self.made.is_empty()
    }

    /// Whether this process made a head, among those that it remembers.
    pub(in crate::engine) fn has_made(&self, head: &Head) -> bool {
        self.made.has(head)
    }

    /// Whether a peer announced exactly this head, which we lost.
    pub(in crate::engine) fn has_lost(&self, head: &Head) -> bool {
        self.lost.has(head)
    }

    /// The greatest lost head, and its peer, among peers for which `counts` is true.
    pub(in crate::engine) fn best_remote(
        &self,
        now: Time,
        counts: impl Fn(&MemberId) -> bool,
    ) -> Option<(MemberId, Head)> {
        // A member that started without data of its own waits without a limit.
        let now = if self.before == Timestamp::ZERO { Time(0) } else { now };
        self.lost.held(now, counts)
    }

    /// When the next wait for a peer with a lost head ends.
    pub(in crate::engine) fn lost_wakes_at(&self, now: Time) -> Time {
        self.lost.wakes_at(now)
    }

    /// The timestamps that were never used.
    pub(in crate::engine) fn pauses(&self) -> &Pauses {
        &self.pauses
    }

    /// The timestamp after which a waiting restamp continues.
    pub(in crate::engine) fn restamps_after(&self) -> Option<Timestamp> {
        self.restamps_after
    }

    /// Whether this roster of a peer was the last one that was examined.
    pub(in crate::engine) fn is_examined(&self, head: &Head) -> bool {
        self.looked_at == Some(head.order())
    }
}
