//! The comparison of the trie of heads with a peer: requested slots, and when to compare again.

use crate::{hash::Hash, time::Time, trie::Place};
use alloc::{boxed::Box, vec::Vec};

/// The comparison with one peer: the one under way, and the last one that changed nothing.
#[derive(Default)]
pub(in crate::engine) struct Comparison {
    under_way: Option<Box<Comparing>>,
    fruitless: Option<Box<Fruitless>>,
}

/// A comparison under way.
#[derive(Default)]
pub(in crate::engine) struct Comparing {
    /// Requested slots, in the order of the answers.
    pub(in crate::engine) asked: Vec<Place>,
    /// Slots that differ and will be requested, last first, with the peer's hash.
    pub(in crate::engine) later: Vec<(Place, Hash)>,
    /// Number of messages sent.
    pub(in crate::engine) n_messages: u32,
    /// Number of heads received.
    pub(in crate::engine) n_heads: u64,
    /// Until when to wait for the answer.
    pub(in crate::engine) until: Time,
}

/// The two roots that were compared last. While they stay the same, the comparison is repeated ever more
/// rarely.
#[derive(Clone, Copy)]
struct Fruitless {
    roots: (Hash, Hash),
    until: Time,
    rounds: u64,
}

/// Fruitless comparisons are repeated after 2, 4, 8 ... rounds, at most this many.
const FRUITLESS_ROUNDS_MAX: u64 = 64;

impl Comparison {
    /// Whether no comparison is under way or postponed.
    pub(in crate::engine) fn is_over(&self) -> bool {
        self.under_way.is_none() && self.fruitless.is_none()
    }

    /// The roots are equal.
    pub(in crate::engine) fn end(&mut self) {
        *self = Self::default();
    }

    /// Whether an answer is pending, or these roots were recently compared without a change.
    pub(in crate::engine) fn waits(&self, roots: (Hash, Hash), now: Time) -> bool {
        let is_busy = self.under_way.as_ref().is_some_and(|comparing| comparing.until > now);
        is_busy || self.last_of(roots).is_some_and(|last| last.until > now)
    }

    /// Begins a comparison of these roots. It is not repeated for some rounds of `round_micros` while the
    /// roots stay the same.
    pub(in crate::engine) fn begin(&mut self, roots: (Hash, Hash), now: Time, round_micros: u64) {
        let rounds = self.last_of(roots).map_or(2, |last| (last.rounds * 2).min(FRUITLESS_ROUNDS_MAX));
        let until = now.after(rounds * round_micros);
        self.fruitless = Some(Box::new(Fruitless { roots, until, rounds }));
    }

    fn last_of(&self, roots: (Hash, Hash)) -> Option<&Fruitless> {
        self.fruitless.as_deref().filter(|last| last.roots == roots)
    }

    /// Waits for an answer.
    pub(in crate::engine) fn wait_for(&mut self, comparing: Box<Comparing>) {
        self.under_way = Some(comparing);
    }

    /// Takes the comparison under way, because an answer arrived.
    pub(in crate::engine) fn take(&mut self) -> Option<Box<Comparing>> {
        self.under_way.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOTS: (Hash, Hash) = (Hash([1; 32]), Hash([2; 32]));

    #[test]
    fn fruitless_comparisons_of_the_same_roots_become_rarer() {
        let (mut comparison, mut now) = (Comparison::default(), Time(0));
        for rounds in [2, 4, 8, 16, 32, 64, 64] {
            assert!(!comparison.waits(ROOTS, now));
            comparison.begin(ROOTS, now, 10);
            assert!(comparison.waits(ROOTS, now.after(10 * rounds - 1)));
            assert!(!comparison.waits((ROOTS.1, ROOTS.0), now), "other roots are new");
            now = now.after(10 * rounds);
        }
        comparison.begin((ROOTS.1, ROOTS.0), now, 10);
        assert!(!comparison.waits(ROOTS, now));
        comparison.end();
        assert!(comparison.is_over());
    }

    #[test]
    fn no_comparison_begins_while_another_waits_for_an_answer() {
        let mut comparison = Comparison::default();
        comparison.wait_for(Box::new(Comparing { until: Time(5), ..Comparing::default() }));
        assert!(comparison.waits(ROOTS, Time(4)) && !comparison.waits(ROOTS, Time(5)));
        assert!(!comparison.is_over() && comparison.take().is_some() && comparison.is_over());
    }
}
