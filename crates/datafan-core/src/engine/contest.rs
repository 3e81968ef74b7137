//! Two processes with this member's key that write: which of them goes on.
//!
//! Whoever sees a state of its own shard that names its own run, and that it did not write, holds its writes
//! back: another process goes on from what it wrote. The one that began first goes on. Peers that both are
//! linked with compare how long each has run (`processes`), the older one signs a claim, and the newer one
//! stops when it gets that. Where nobody can compare them, who is held back stops after [`HOLD_MICROS`] if
//! the other one was heard of meanwhile, and goes on if not.

use super::{Alarm, Engine, own::Confirmed, same_key::SameKeyPlace};
use crate::{
    claim::Claim,
    connector::Lane,
    hash::Hash,
    head::Head,
    id::MemberId,
    message::Message,
    runs::RunId,
    store::Store,
    time::{SECOND, Time, Timestamp},
};
use alloc::collections::VecDeque;

/// How long own writes wait where nobody says which process began first.
const HOLD_MICROS: u64 = 30 * SECOND;
/// How long the older one waits until the newer one has heard of its claim.
const CLAIMED_MICROS: u64 = 3 * SECOND;
/// How long a process that has written waits for peers that know another one with its key.
const MEET_MICROS: u64 = 4 * SECOND;
/// A claim counts for so long.
const LASTS_MICROS: u64 = 60 * SECOND;
/// What is heard of the other one in this time may have been made before.
const LATE_MICROS: u64 = 10 * SECOND;
/// Claims that are remembered, and for how long at least. Whoever gets one in return for its own could else
/// be stopped though the other one stops, too.
const CLAIMS_MAX: usize = 64;
const KEPT_MICROS: u64 = 3_600 * SECOND;
/// Most new claims for one peer's word within [`LASTS_MICROS`]: as many processes as a peer remembers.
const PEERS_MAX: usize = 4;
/// People are told again of another process after this time.
const TOLD_MICROS: u64 = 3_600 * SECOND;

/// Another process goes on from what this one wrote: own writes wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Contest {
    /// Since when.
    since: Time,
    /// The last head of the other one that was seen.
    pub(super) theirs: Head,
    /// Later than this is no head that was heard of before.
    heard: (Timestamp, Hash),
    /// What is held here is not all part of what the other one made.
    diverged: bool,
    /// The other one has made a head since, as what was heard later says.
    lives: bool,
}

/// What this process has claimed of itself.
#[derive(Default)]
pub(super) struct Claims {
    /// Oldest first; for whose word, and when.
    made: VecDeque<(Claim, MemberId, Time)>,
    last: Option<Time>,
    /// When people are told next.
    tell_at: Time,
}

impl Claims {
    fn against(&self, newer: RunId) -> Option<Claim> {
        self.made.iter().map(|(claim, ..)| claim).find(|claim| claim.newer == newer).copied()
    }

    /// Whether one more claim may be made for the word of `peer`.
    fn has_room_for(&mut self, peer: &MemberId, now: Time) -> bool {
        let fresh = self.made.iter().filter(|(_, by, at)| by == peer && at.after(LASTS_MICROS) > now);
        if fresh.count() >= PEERS_MAX {
            return false;
        }
        if self.made.len() >= CLAIMS_MAX
            && self.made.front().is_some_and(|first| first.2.after(KEPT_MICROS) <= now)
        {
            self.made.pop_front();
        }
        self.made.len() < CLAIMS_MAX
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
        let claimed = claimed.filter(|_| self.is_claimed(claimed));
        claimed.map_or(end, |at| at.after(CLAIMED_MICROS).max(self.since).min(end))
    }

    /// Whether the last claim was made lately enough to count.
    fn is_claimed(&self, claimed: Option<Time>) -> bool {
        claimed.is_some_and(|at| at.after(LASTS_MICROS) > self.since)
    }
}

impl<S: Store> Engine<S> {
    /// A peer says that another process with our key was linked with it, which has run for so long.
    pub(super) fn on_other_run(&mut self, from: MemberId, run: RunId, age_micros: u64) {
        let (own, now) = (self.runs.process, self.cx.now.time);
        if run == own {
            return self.cx.stats.refuse("other_run");
        }
        if self.is_stopping() || (self.runs.age_micros(now), own) < (age_micros, run) {
            return;
        }
        let claims = &mut self.same_key.claims;
        let known = claims.against(run);
        let is_full = self.links.get(&from).is_none_or(|link| link.is_full(Lane::Small));
        if is_full || known.is_none() && !claims.has_room_for(&from, now) {
            // It tells again when a link comes up.
            return self.cx.stats.refuse("other_run");
        }
        let claim = known.unwrap_or_else(|| {
            let claim = Claim::signed(&self.cx.config.mesh, &self.cx.config.member, own, run);
            claims.made.push_back((claim, from, now));
            claim
        });
        claims.last = Some(now);
        self.hasten_recovery();
        let claims = &mut self.same_key.claims;
        if claims.may_tell(now) {
            self.cx.alarm(Alarm::OtherProcess { told_by: from });
        }
        self.cx.send(from, &Message::Claim(claim));
    }

    /// Whether this process has claimed within the last minute to be the older one.
    pub(super) fn is_older_one(&self) -> bool {
        self.same_key.claims.last.is_some_and(|at| at.after(LASTS_MICROS) > self.cx.now.time)
    }

    /// How long what peers hold of the own shard is waited for before it is fetched: all have to tell of it.
    /// A process that has written may hear that another one has its key; then what it wrote itself goes on.
    pub(super) fn settle_micros(&self, owner: &MemberId) -> u64 {
        let waits = *owner == self.cx.me && !self.own[owner].made.is_empty() && !self.is_older_one();
        if waits { self.cx.config.settle_micros.max(MEET_MICROS) } else { self.cx.config.settle_micros }
    }

    /// This process is the older one: what it was to wait for has come.
    fn hasten_recovery(&mut self) {
        let soon = self.cx.now.time.after(self.cx.config.settle_micros);
        let own = self.own.get_mut(&self.cx.me).expect("the own shard");
        let Confirmed::Recovering { until } = own.confirmed else { return };
        own.confirmed = Confirmed::Recovering { until: until.min(soon) };
        self.fetch_lost();
    }

    /// Begins to fetch what a peer holds of the own shard.
    fn fetch_lost(&mut self) {
        if let Some((peer, head)) = self.lost_head(&self.cx.me) {
            self.learn(peer, &head, self.cx.now.time);
        }
    }

    /// The older one of two processes keeps what it wrote itself before what the other one wrote, of which it
    /// knows nothing.
    pub(super) fn keeps_own(&self, owner: &MemberId) -> bool {
        *owner == self.cx.me && !self.own[owner].made.is_empty() && self.is_older_one()
    }

    /// Own writes go on from what is held here, above a head that the other process made.
    pub(super) fn go_on_from_own(&mut self, theirs: &Head, claimed: bool) {
        self.cx.alarm(Alarm::ContestOver { theirs: *theirs, claimed });
        self.forget(&theirs.owner);
        self.note_own_head(theirs);
        self.own.get_mut(&self.cx.me).expect("the own shard").confirmed = Confirmed::Yes;
        self.outranks = true;
        self.cx.more_to_do = true;
    }

    /// Whether this process has given way already, and is about to end.
    fn is_stopping(&self) -> bool {
        self.same_key.found().is_some() || matches!(self.own[&self.cx.me].confirmed, Confirmed::Foreign(_))
    }

    /// Another process with our key has signed that it began before one of its own, which may be this one.
    pub(super) fn on_claim_against_us(&mut self, claim: &Claim) {
        let own = self.runs.process;
        // Where both claim to be the older one, as their starts were too close for the peers to tell, one of
        // them stops.
        if self.same_key.claims.against(claim.older).is_none() || claim.older < own {
            self.on_same_key(SameKeyPlace::Linked);
        }
    }

    /// A state of the own shard names this run, and was not written here.
    pub(super) fn contest(&mut self, theirs: &Head, diverged: bool) {
        let ours = self.owners[&self.cx.me].head().copied();
        // What is known of it was looked at: it is not asked for again.
        self.forget(&self.cx.me.clone());
        let own = self.own.get_mut(&self.cx.me).expect("the own shard");
        if matches!(own.confirmed, Confirmed::Foreign(_) | Confirmed::Contested(_)) {
            return;
        }
        let heard = [Some(*theirs), ours, own.lost.greatest()].into_iter().flatten().map(|head| head.order());
        let heard = heard.max().expect("theirs");
        let contest = Contest { since: self.cx.now.time, theirs: *theirs, heard, diverged, lives: false };
        own.confirmed = Confirmed::Contested(contest);
        self.cx.stats.refuse("foreign_own_head");
        self.cx.alarm(Alarm::Contested { theirs: *theirs, ours });
    }

    /// A peer holds a head of the own shard while own writes are held back.
    pub(super) fn see_contested(&mut self, peer: MemberId, head: &Head, mut contest: Contest) {
        let own = &self.own[&self.cx.me];
        if head.order() < contest.theirs.order() && !own.lost.has(head) || own.made.has(head) {
            return;
        }
        if !own.lost.has(head) && !self.cx.check_signature(head) {
            return self.lie(peer, "signature");
        }
        if head.order() > contest.theirs.order() {
            contest.theirs = *head;
        }
        if head.order() > contest.heard {
            contest.heard = head.order();
            contest.lives |= contest.since.after(LATE_MICROS) <= self.cx.now.time;
        }
        let own = self.own.get_mut(&self.cx.me).expect("the own shard");
        own.confirmed = Confirmed::Contested(contest);
        own.lost.tell(peer, head);
    }

    /// Ends what holds own writes back, if it is time.
    pub(super) fn turn_contest(&mut self) {
        let Some(contest) = self.contested() else { return };
        if contest.ends_at(self.same_key.claims.last) > self.cx.now.time {
            return;
        }
        let claimed = contest.is_claimed(self.same_key.claims.last);
        if contest.lives && !claimed {
            return self.stop_own_writes(&contest.theirs);
        }
        // Another name from now on: what was written under the old one may be on the other one's branch.
        self.runs.renew(&mut self.cx.rng);
        if contest.diverged {
            // What was acknowledged here stays; peers keep what only the other one wrote, and tell of it.
            return self.go_on_from_own(&contest.theirs, claimed);
        }
        self.cx.alarm(Alarm::ContestOver { theirs: contest.theirs, claimed });
        self.note_own_head(&contest.theirs);
        let (settled, held) =
            (self.cx.now.time.after(self.cx.config.settle_micros), self.owners[&self.cx.me].timestamp());
        let own = self.own.get_mut(&self.cx.me).expect("the own shard");
        // It lacks what came after that, and no more.
        own.before = own.before.max(held);
        own.confirmed = Confirmed::Recovering { until: settled };
        self.fetch_lost();
    }

    /// When it is time.
    pub(super) fn contest_ends_at(&self) -> Time {
        self.contested().map_or(Time::NEVER, |contest| contest.ends_at(self.same_key.claims.last))
    }

    /// What holds own writes back.
    fn contested(&self) -> Option<Contest> {
        match self.own[&self.cx.me].confirmed {
            Confirmed::Contested(contest) => Some(contest),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let heard = theirs.order();
        let contest = Contest { since: second(100), theirs, heard, diverged: false, lives: false };
        let ends = |claimed: Option<u64>| {
            let claimed = claimed.map(second);
            (contest.ends_at(claimed), contest.is_claimed(claimed))
        };
        assert_eq!(ends(None), (second(130), false));
        assert_eq!(ends(Some(40)), (second(130), false), "a minute ago");
        assert_eq!(ends(Some(41)), (second(100), true), "the newer one knows by now");
        assert_eq!(ends(Some(99)), (second(102), true));
        assert_eq!(ends(Some(110)), (second(113), true));
        assert_eq!(ends(Some(129)), (second(130), true));
    }

    #[test]
    fn a_peer_gets_so_many_claims_a_minute_and_none_is_forgotten_for_an_hour() {
        let (mut claims, begin, peer) = (Claims::default(), second(1), MemberId([9; 32]));
        let mut now = begin;
        let mut n = 0;
        while claims.made.len() < CLAIMS_MAX {
            for _ in 0..PEERS_MAX {
                assert!(claims.has_room_for(&peer, now));
                claims.made.push_back((claim(n), peer, now));
                n += 1;
            }
            assert!(!claims.has_room_for(&peer, now));
            assert!(claims.made.len() == CLAIMS_MAX || claims.has_room_for(&MemberId([8; 32]), now));
            now = now.after(LASTS_MICROS);
        }
        assert_eq!((claims.against(RunId([0; 8])), claims.against(RunId([99; 8]))), (Some(claim(0)), None));
        assert!(!claims.has_room_for(&peer, now) && claims.made.len() == CLAIMS_MAX);
        assert!(
            claims.has_room_for(&peer, begin.after(KEPT_MICROS)) && claims.against(RunId([0; 8])).is_none()
        );
    }

    #[test]
    fn people_are_told_once_an_hour() {
        let (mut claims, now) = (Claims::default(), second(1));
        assert!(claims.may_tell(now) && !claims.may_tell(now.after(TOLD_MICROS - 1)));
        assert!(claims.may_tell(now.after(TOLD_MICROS)));
    }
}
