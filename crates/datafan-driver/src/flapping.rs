//! Keeps links that go up and down repeatedly from filling the log.

use datafan_core::id::MemberId;
use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

/// How to log the end of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loudness {
    /// Normally.
    Plain,
    /// Normally, with the remark that later ones are logged at level debug.
    Last,
    /// At level debug.
    Quiet,
}

/// When links ended recently, by peer.
#[derive(Default)]
pub struct Flapping(BTreeMap<MemberId, VecDeque<Instant>>);

impl Flapping {
    /// Records that a link that was up has ended.
    pub fn on_end(&mut self, peer: MemberId, now: Instant) -> Loudness {
        self.0.retain(|_, ends| ends.back().is_some_and(|last| now.duration_since(*last) < SPAN));
        if !self.0.contains_key(&peer) && self.0.len() >= PEERS_MAX {
            return Loudness::Plain;
        }
        let ends = self.0.entry(peer).or_default();
        while ends.len() > ENDS_MAX || ends.front().is_some_and(|first| now.duration_since(*first) >= SPAN) {
            ends.pop_front();
        }
        ends.push_back(now);
        match ends.len() {
            0..ENDS_MAX => Loudness::Plain,
            ENDS_MAX => Loudness::Last,
            _ => Loudness::Quiet,
        }
    }

    /// Whether the link events of a peer are logged at level debug.
    pub fn is_quiet(&self, peer: &MemberId) -> bool {
        self.0.get(peer).is_some_and(|ends| ends.len() >= ENDS_MAX)
    }
}

/// Number of ends of one peer's links logged within this time.
const ENDS_MAX: usize = 4;
const SPAN: Duration = Duration::from_secs(60);
/// Maximum number of peers tracked; there are never more links.
const PEERS_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_again_and_again_is_said_a_few_times() {
        let (mut flapping, now, peer) = (Flapping::default(), Instant::now(), MemberId([1; 32]));
        let said: Vec<_> =
            (0..100).map(|n| flapping.on_end(peer, now + n * Duration::from_millis(100))).collect();
        assert_eq!(said[..5], [[Loudness::Plain; 3].as_slice(), &[Loudness::Last, Loudness::Quiet]].concat());
        assert!(said[5..].iter().all(|said| *said == Loudness::Quiet) && flapping.is_quiet(&peer));
        assert_eq!(flapping.on_end(MemberId([2; 32]), now), Loudness::Plain, "others are heard");
        let later = now + 2 * SPAN;
        assert_eq!(flapping.on_end(peer, later), Loudness::Plain);
        assert!(!flapping.is_quiet(&peer));
    }

    #[test]
    fn what_happens_now_and_then_is_always_said() {
        let (mut flapping, now, peer) = (Flapping::default(), Instant::now(), MemberId([1; 32]));
        for n in 0..100 {
            assert_eq!(flapping.on_end(peer, now + n * SPAN / 3), Loudness::Plain);
        }
    }
}
