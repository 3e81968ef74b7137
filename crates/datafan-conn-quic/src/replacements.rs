//! Detects from links that two processes run with one peer's key.

use crate::hello::Run;
use datafan_core::id::MemberId;
use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

/// Which runs of a peer have replaced each other's links. If a run returns after another replaced it, both
/// are running.
#[derive(Default)]
pub(crate) struct Replacements {
    peers: BTreeMap<MemberId, Replaced>,
    /// When our own links were replaced recently.
    taken_over: VecDeque<Instant>,
}

#[derive(Clone, Copy)]
struct Replaced {
    run: Run,
    warned: Option<Instant>,
}

impl Replacements {
    /// Records that run `new` of a peer replaces the link of run `old`. Returns whether both are running.
    pub(crate) fn record(&mut self, peer: MemberId, old: Run, new: Run) -> bool {
        if !self.peers.contains_key(&peer) && self.peers.len() >= PEERS_MAX {
            self.peers.pop_first();
        }
        let known = self.peers.entry(peer).or_insert(Replaced { run: old, warned: None });
        let comes_back = known.run == new;
        known.run = old;
        comes_back
    }

    /// Records that a peer replaced our connection although we made no new one. Returns whether this repeats:
    /// once may be a race.
    pub(crate) fn is_taken_over(&mut self, now: Instant) -> bool {
        self.taken_over.retain(|at| now.duration_since(*at) < TAKEN_OVER_SPAN);
        if self.taken_over.len() >= TAKEN_OVER_MIN {
            self.taken_over.pop_front();
        }
        self.taken_over.push_back(now);
        self.taken_over.len() >= TAKEN_OVER_MIN
    }

    /// Whether a warning about a peer is due; it counts as given then.
    pub(crate) fn may_warn(&mut self, peer: MemberId, now: Instant) -> bool {
        if !self.peers.contains_key(&peer) && self.peers.len() >= PEERS_MAX {
            self.peers.pop_first();
        }
        let known = self.peers.entry(peer).or_insert(Replaced { run: Run::default(), warned: None });
        let due = known.warned.is_none_or(|at| now.duration_since(at) >= PAUSE);
        if due {
            known.warned = Some(now);
        }
        due
    }
}

/// The warning for a member whose links are replaced.
pub(crate) const TAKEN_OVER: &str = "peers keep replacing our links by those of another process with this \
    member's key: stop one of the two (a ticket used twice, a copied directory, a cloned machine)";
/// This many replaced links within this time make it certain.
const TAKEN_OVER_SPAN: Duration = Duration::from_secs(60);
const TAKEN_OVER_MIN: usize = 3;
/// Maximum number of peers remembered.
const PEERS_MAX: usize = 1_024;
/// Minimum time between two warnings about a peer.
const PAUSE: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: MemberId = MemberId([7; 32]);

    #[test]
    fn runs_that_take_turns_are_there_at_a_time() {
        let mut replacements = Replacements::default();
        let run = |n: u8| [n; 16];
        // Restarts.
        assert!(!replacements.record(PEER, run(1), run(2)));
        assert!(!replacements.record(PEER, run(2), run(3)));
        assert!(!replacements.record(PEER, run(3), run(4)));
        // Two processes.
        assert!(replacements.record(PEER, run(4), run(3)));
        assert!(replacements.record(PEER, run(3), run(4)));
    }

    #[test]
    fn a_link_that_is_taken_over_once_or_twice_is_a_race() {
        let (mut replacements, now) = (Replacements::default(), Instant::now());
        assert!(!replacements.is_taken_over(now) && !replacements.is_taken_over(now));
        assert!(replacements.is_taken_over(now) && replacements.is_taken_over(now));
        assert!(!replacements.is_taken_over(now + TAKEN_OVER_SPAN));
    }

    #[test]
    fn a_warning_is_repeated_only_after_a_pause_and_peers_are_bounded() {
        let (mut replacements, now) = (Replacements::default(), Instant::now());
        assert!(replacements.may_warn(PEER, now) && !replacements.may_warn(PEER, now));
        replacements.record(PEER, [1; 16], [2; 16]);
        assert!(!replacements.may_warn(PEER, now) && replacements.may_warn(PEER, now + PAUSE));
        for n in 0..2 * PEERS_MAX as u32 {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&n.to_be_bytes());
            replacements.may_warn(MemberId(id), now);
        }
        assert_eq!(replacements.peers.len(), PEERS_MAX);
    }
}
