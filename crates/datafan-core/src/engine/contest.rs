//! Two processes with this member's key that write: which of them goes on.
//!
//! Whoever sees a state of its own shard that names its own run, and that it did not write, holds its writes
//! back: another process goes on from what it wrote. The one that began first goes on. Peers that both are
//! linked with compare how long each has run (`processes`), the older one signs a claim, and the newer one
//! stops when it gets that. Where nobody can compare them, who is held back stops after [`HOLD_MICROS`] if
//! the other one was heard of meanwhile, and goes on if not.

use super::{Alarm, Effect, Engine, Outbox, own::Confirmed, same_key::SameKeyPlace};
use crate::{
    claim::Claim,
    head::Head,
    id::MemberId,
    message::Message,
    runs::RunId,
    store::Store,
    time::{SECOND, Time},
};
use alloc::{boxed::Box, collections::VecDeque};

/// How long own writes wait where nobody says which process began first.
const HOLD_MICROS: u64 = 30 * SECOND;
/// How long the older one waits until the newer one has heard of its claim.
const CLAIMED_MICROS: u64 = 3 * SECOND;
/// A claim counts for so long.
const LASTS_MICROS: u64 = 60 * SECOND;
/// Claims that are remembered.
const CLAIMS_MAX: usize = 16;
/// People are told again of another process after this time.
const TOLD_MICROS: u64 = 3_600 * SECOND;

/// Another process goes on from what this one wrote: own writes wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Contest {
    /// Since when.
    since: Time,
    /// The last head of the other one that was seen.
    pub(super) theirs: Head,
    /// What is held here is not all part of what the other one made.
    diverged: bool,
    /// The other one has made a head since.
    lives: bool,
}

/// What this process has claimed of itself.
#[derive(Default)]
pub(super) struct Claims {
    made: VecDeque<Claim>,
    last: Option<Time>,
    /// When people are told next.
    tell_at: Time,
}

impl Claims {
    fn against(&self, newer: RunId) -> Option<Claim> {
        self.made.iter().find(|claim| claim.newer == newer).copied()
    }

    fn note(&mut self, claim: Claim, now: Time) {
        self.last = Some(now);
        if self.against(claim.newer).is_none() {
            self.made.push_back(claim);
            if self.made.len() > CLAIMS_MAX {
                self.made.pop_front();
            }
        }
    }

    /// Whether people are to be told of another process; then they are.
    fn may_tell(&mut self, now: Time) -> bool {
        let is_due = self.tell_at <= now;
        if is_due {
            self.tell_at = now.after(TOLD_MICROS);
        }
        is_due
    }
}

impl Contest {
    /// When it is over, if nothing happens; `claimed` is when the last claim was made.
    fn ends_at(&self, claimed: Option<Time>) -> Time {
        let end = self.since.after(HOLD_MICROS);
        let claimed = claimed.filter(|at| at.after(LASTS_MICROS) > self.since);
        claimed.map_or(end, |at| at.max(self.since).after(CLAIMED_MICROS).min(end))
    }

    fn is_claimed(&self, claimed: Option<Time>) -> bool {
        claimed.is_some_and(|at| at.after(LASTS_MICROS) > self.since)
    }
}

impl<S: Store> Engine<S> {
    /// A peer says that another process with our key was linked with it, which has run for so long.
    pub(super) fn on_other_run(&mut self, from: MemberId, run: RunId, age_micros: u64, out: &mut Outbox) {
        let own = self.runs.process;
        if run == own {
            return self.stats.refuse("other_run");
        }
        if (self.runs.age_micros(self.now.time), own) < (age_micros, run) {
            return;
        }
        let signed = || Claim::signed(&self.config.mesh, &self.config.member, own, run);
        let claim = self.same_key.claims.against(run).unwrap_or_else(signed);
        self.same_key.claims.note(claim, self.now.time);
        if self.same_key.claims.may_tell(self.now.time) {
            out.now.push(Effect::Alarm(Box::new(Alarm::OtherProcess { told_by: from })));
        }
        self.send(from, &Message::Claim(claim), out);
    }

    /// Another process with our key has signed that it began before one of its own, which may be this one.
    pub(super) fn on_claim_against_us(&mut self, claim: &Claim, out: &mut Outbox) {
        let own = self.runs.process;
        if claim.newer != own {
            return self.stats.refuse("claim");
        }
        // Where both claim to be the older one, as their starts were too close for the peers to tell, one of
        // them stops.
        if self.same_key.claims.against(claim.older).is_none() || claim.older < own {
            self.on_same_key(SameKeyPlace::Linked, out);
        }
    }

    /// A state of the own shard names this run, and was not written here.
    pub(super) fn contest(&mut self, theirs: &Head, diverged: bool, out: &mut Outbox) {
        let ours = self.owners[&self.me].head().copied();
        let own = self.own.get_mut(&self.me).expect("the own shard");
        if matches!(own.confirmed, Confirmed::Foreign(_) | Confirmed::Contested(_)) {
            return;
        }
        let contest = Contest { since: self.now.time, theirs: *theirs, diverged, lives: false };
        own.confirmed = Confirmed::Contested(contest);
        self.stats.refuse("foreign_own_head");
        out.now.push(Effect::Alarm(Box::new(Alarm::Contested { theirs: *theirs, ours })));
    }

    /// A peer holds a head of the own shard while own writes are held back.
    pub(super) fn see_contested(&mut self, peer: MemberId, head: &Head, mut contest: Contest) {
        let own = &self.own[&self.me];
        if head.order() <= contest.theirs.order() && !own.lost.has(head) || own.made.has(head) {
            return;
        }
        if !own.lost.has(head) && !self.check_signature(head) {
            return self.lie(peer, "signature");
        }
        if head.order() > contest.theirs.order() {
            (contest.theirs, contest.lives) = (*head, true);
        }
        let own = self.own.get_mut(&self.me).expect("the own shard");
        own.confirmed = Confirmed::Contested(contest);
        own.lost.tell(peer, head);
    }

    /// Ends what holds own writes back, if it is time.
    pub(super) fn turn_contest(&mut self, out: &mut Outbox) {
        let Some(contest) = self.contested() else { return };
        if contest.ends_at(self.same_key.claims.last) > self.now.time {
            return;
        }
        let claimed = contest.is_claimed(self.same_key.claims.last);
        if contest.lives && !claimed {
            return self.stop_own_writes(&contest.theirs, out);
        }
        out.now.push(Effect::Alarm(Box::new(Alarm::ContestOver { theirs: contest.theirs, claimed })));
        // Another name from now on: what was written under the old one may be on the other one's branch.
        self.runs.renew(&mut self.rng);
        self.note_own_head(&contest.theirs);
        let (settled, own) = (self.now.time.after(self.config.settle_micros), self.own.get_mut(&self.me));
        let own = own.expect("the own shard");
        if contest.diverged {
            // What was acknowledged here stays; peers keep what only the other one wrote, and tell of it.
            own.confirmed = Confirmed::Yes;
            self.outranks = true;
        } else {
            own.confirmed = Confirmed::Recovering { until: settled };
            if let Some((peer, head)) = self.lost_head(&self.me) {
                self.learn(peer, &head, self.now.time, out);
            }
        }
    }

    /// When it is time.
    pub(super) fn contest_ends_at(&self) -> Time {
        self.contested().map_or(Time::NEVER, |contest| contest.ends_at(self.same_key.claims.last))
    }

    /// What holds own writes back.
    fn contested(&self) -> Option<Contest> {
        match self.own[&self.me].confirmed {
            Confirmed::Contested(contest) => Some(contest),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hash::Hash, time::Timestamp};

    fn second(n: u64) -> Time {
        Time(n * SECOND)
    }

    fn claim(n: u8) -> Claim {
        Claim { member: MemberId([7; 32]), older: RunId([1; 8]), newer: RunId([n; 8]), signature: [n; 64] }
    }

    #[test]
    fn it_is_over_soon_where_this_process_is_known_to_be_the_older_one() {
        let theirs = Head {
            owner: MemberId([7; 32]),
            timestamp: Timestamp(9),
            items: 1,
            bytes: 1,
            root: Hash([3; 32]),
            signature: [0; 64],
        };
        let contest = Contest { since: second(100), theirs, diverged: false, lives: false };
        let ends = |claimed: Option<u64>| {
            let claimed = claimed.map(second);
            (contest.ends_at(claimed), contest.is_claimed(claimed))
        };
        assert_eq!(ends(None), (second(130), false));
        assert_eq!(ends(Some(40)), (second(130), false), "a minute ago");
        assert_eq!(ends(Some(41)), (second(103), true));
        assert_eq!(ends(Some(110)), (second(113), true));
        assert_eq!(ends(Some(129)), (second(130), true));
    }

    #[test]
    fn claims_are_remembered_up_to_a_limit_and_people_are_told_once_an_hour() {
        let (mut claims, now) = (Claims::default(), second(1));
        for n in 0..=CLAIMS_MAX as u8 {
            claims.note(claim(n), now);
            claims.note(claim(n), now);
        }
        assert_eq!((claims.made.len(), claims.last), (CLAIMS_MAX, Some(now)));
        assert_eq!((claims.against(RunId([0; 8])), claims.against(RunId([1; 8]))), (None, Some(claim(1))));
        assert!(claims.may_tell(now) && !claims.may_tell(now.after(TOLD_MICROS - 1)));
        assert!(claims.may_tell(now.after(TOLD_MICROS)));
    }
}
