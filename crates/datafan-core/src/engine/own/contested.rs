//! Holds writes to the own shard back while another process continues from it.

use super::{
    OwnShards,
    contest::{Contest, LATE_MICROS, Verdict},
    shard::Confirmed,
};
use crate::{
    head::Head,
    id::MemberId,
    time::{Time, Timestamp},
};

impl OwnShards {
    /// The contest that holds writes to the member's own shard back, if any.
    pub(in crate::engine) fn contested(&self) -> Option<Contest> {
        match self.member().confirmed {
            Confirmed::Contested(contest) => Some(contest),
            _ => None,
        }
    }

    /// Whether a contest holds writes to the member's own shard back.
    #[inline]
    pub(in crate::engine) fn is_contested(&self) -> bool {
        matches!(self.member().confirmed, Confirmed::Contested(_))
    }

    /// When the contest ends, if nothing happens.
    pub(in crate::engine) fn contest_ends_at(&self) -> Time {
        self.contested().map_or(Time::NEVER, |contest| contest.ends_at(self.claims.last))
    }

    /// Holds writes back, because a state of the member's own shard lists this run but was not written here.
    /// Returns whether the contest is new. `ours` is the held head.
    pub(in crate::engine) fn begin_contest(
        &mut self,
        theirs: &Head,
        ours: Option<Head>,
        diverged: bool,
        now: Time,
    ) -> bool {
        let own = self.shard_mut(&self.me.clone());
        if matches!(own.confirmed, Confirmed::Foreign(_) | Confirmed::Contested(_)) {
            return false;
        }
        let heard = [Some(*theirs), ours, own.lost.greatest()].into_iter().flatten().map(|head| head.order());
        let heard = heard.max().expect("theirs");
        let contest = Contest { since: now, theirs: *theirs, heard, diverged, lives: false };
        own.confirmed = Confirmed::Contested(contest);
        true
    }

    /// Whether a head of the own shard is news while writes are held back.
    pub(in crate::engine) fn is_contest_news(&self, head: &Head, contest: &Contest) -> bool {
        let own = self.member();
        (head.order() >= contest.theirs.order() || own.lost.has(head)) && !own.made.has(head)
    }

    /// Records a head of the own shard that a peer holds while writes are held back.
    pub(in crate::engine) fn record_contested_head(
        &mut self,
        peer: MemberId,
        head: &Head,
        mut contest: Contest,
        now: Time,
    ) {
        if head.order() > contest.theirs.order() {
            contest.theirs = *head;
        }
        if head.order() > contest.heard {
            contest.heard = head.order();
            contest.lives |= contest.since.after(LATE_MICROS) <= now;
        }
        let own = self.shard_mut(&self.me.clone());
        own.confirmed = Confirmed::Contested(contest);
        own.lost.record(peer, head);
    }

    /// Decides the contest, if it is time.
    pub(in crate::engine) fn judge_contest(&self, now: Time) -> Option<Verdict> {
        let contest = self.contested()?;
        if contest.ends_at(self.claims.last) > now {
            return None;
        }
        let (theirs, claimed) = (contest.theirs, contest.is_claimed(self.claims.last));
        Some(match (contest.lives && !claimed, contest.diverged) {
            (true, _) => Verdict::GiveWay(theirs),
            (false, true) => Verdict::KeepOwn { theirs, claimed },
            (false, false) => Verdict::TakeBack { theirs, claimed },
        })
    }

    /// Continues writes to the member's own shard from the held state.
    pub(in crate::engine) fn continue_from_held(&mut self) {
        self.shard_mut(&self.me.clone()).confirmed = Confirmed::Yes;
        self.outranks = true;
    }

    /// Recovers what the other process wrote, after peers had until `until` to announce it. Nothing up to
    /// `held` is missing.
    pub(in crate::engine) fn recover_after(&mut self, held: Timestamp, until: Time) {
        let own = self.shard_mut(&self.me.clone());
        own.before = own.before.max(held);
        own.confirmed = Confirmed::Recovering { until };
    }
}
