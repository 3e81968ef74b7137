//! The contest that holds own writes back while another process continues from them, and the claims of this
//! process. `contest.rs` of the engine explains how the two find out which began first.

use crate::{
    claim::Claim,
    hash::Hash,
    head::Head,
    id::MemberId,
    runs::RunId,
    time::{SECOND, Time, Timestamp},
};
use alloc::collections::VecDeque;

/// How long own writes wait if no peer can tell which process began first.
const HOLD_MICROS: u64 = 30 * SECOND;
/// How long the older process waits for its claim to reach the newer one.
const CLAIMED_MICROS: u64 = 3 * SECOND;
/// How long a claim counts.
const LASTS_MICROS: u64 = 60 * SECOND;
/// Heads of the other process that arrive within this time may have been made before.
pub(super) const LATE_MICROS: u64 = 10 * SECOND;
/// Most claims that are remembered, and for how long at least. Without them, two processes that claim against
/// each other could both stop.
const CLAIMS_MAX: usize = 64;
const KEPT_MICROS: u64 = 3_600 * SECOND;
/// Most new claims because of one peer's reports within [`LASTS_MICROS`]: as many processes as a peer
/// remembers.
const PEERS_MAX: usize = 4;
/// Pause before another alarm about a second process.
const TOLD_MICROS: u64 = 3_600 * SECOND;

/// Another process continues from our writes, so own writes wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::engine) struct Contest {
    /// When the contest began.
    pub(super) since: Time,
    /// The last head of the other process that was seen.
    pub(super) theirs: Head,
    /// The greatest head that was known before.
    pub(super) heard: (Timestamp, Hash),
    /// The other process's state does not contain everything that is held here.
    pub(super) diverged: bool,
    /// The other process made a head since then, as a later announcement shows.
    pub(super) lives: bool,
}

/// The outcome of a contest. `claimed`: this process claimed to be the older one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::engine) enum Verdict {
    /// The other process continues, and this one stops.
    GiveWay(Head),
    /// Writes continue from the state acknowledged here. Peers keep what only the other process wrote.
    KeepOwn { theirs: Head, claimed: bool },
    /// The other process's state contains all of our writes, so it is recovered.
    TakeBack { theirs: Head, claimed: bool },
}

/// The claims that this process signed.
#[derive(Default)]
pub(in crate::engine) struct Claims {
    /// Claims, oldest first, with the peer that reported the other process, and the time.
    made: VecDeque<(Claim, MemberId, Time)>,
    pub(super) last: Option<Time>,
    /// When the next alarm may be raised.
    tell_at: Time,
}

impl Claims {
    pub(in crate::engine) fn against(&self, newer: RunId) -> Option<Claim> {
        self.made.iter().map(|(claim, ..)| claim).find(|claim| claim.newer == newer).copied()
    }

    /// Whether one more claim may be signed because of a report of `peer`.
    pub(in crate::engine) fn has_room_for(&mut self, peer: &MemberId, now: Time) -> bool {
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

    /// Records a claim that was signed because of a report of `peer`.
    pub(in crate::engine) fn add(&mut self, claim: Claim, peer: MemberId, now: Time) {
        self.made.push_back((claim, peer, now));
    }

    /// A claim is sent, for the first time or again.
    pub(in crate::engine) fn on_sent(&mut self, now: Time) {
        self.last = Some(now);
    }

    /// Whether this process claimed within the last minute to be the older one.
    pub(in crate::engine) fn is_older_one(&self, now: Time) -> bool {
        self.last.is_some_and(|at| at.after(LASTS_MICROS) > now)
    }

    /// Whether an alarm about another process may be raised. If so, starts the pause until the next one.
    pub(in crate::engine) fn may_alarm(&mut self, now: Time) -> bool {
        let is_due = self.tell_at <= now;
        if is_due {
            self.tell_at = now.after(TOLD_MICROS);
        }
        is_due
    }
}

impl Contest {
    /// The last head of the other process that was seen.
    pub(in crate::engine) fn theirs(&self) -> &Head {
        &self.theirs
    }

    /// When the contest ends, if nothing happens. `claimed` is when the last claim was sent.
    pub(in crate::engine) fn ends_at(&self, claimed: Option<Time>) -> Time {
        let end = self.since.after(HOLD_MICROS);
        let claimed = claimed.filter(|_| self.is_claimed(claimed));
        claimed.map_or(end, |at| at.after(CLAIMED_MICROS).max(self.since).min(end))
    }

    /// Whether the last claim is recent enough to count.
    pub(super) fn is_claimed(&self, claimed: Option<Time>) -> bool {
        claimed.is_some_and(|at| at.after(LASTS_MICROS) > self.since)
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
    fn a_contest_ends_soon_if_this_process_is_known_to_be_older() {
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
        assert_eq!(ends(Some(41)), (second(100), true), "the newer process has been told");
        assert_eq!(ends(Some(99)), (second(102), true));
        assert_eq!(ends(Some(110)), (second(113), true));
        assert_eq!(ends(Some(129)), (second(130), true));
    }

    #[test]
    fn a_peer_gets_limited_claims_per_minute_and_each_is_kept_for_an_hour() {
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
    fn an_alarm_is_raised_once_an_hour() {
        let (mut claims, now) = (Claims::default(), second(1));
        assert!(claims.may_alarm(now) && !claims.may_alarm(now.after(TOLD_MICROS - 1)));
        assert!(claims.may_alarm(now.after(TOLD_MICROS)));
    }
}
