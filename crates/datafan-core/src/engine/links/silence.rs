//! How long a link has been silent, and when that is too long.

use crate::time::{SECOND, Time};

/// Number of our silent rounds after which the peer is probed.
const SILENT_ROUNDS: u8 = 3;
/// The same if at least two links are that silent, and at most one is not.
const ALL_SILENT_ROUNDS: u8 = 2;
/// How long the answer to a probe may take.
const ANSWER_MICROS: u64 = SECOND;

/// Number of silent rounds after which a peer is probed, if `n_silent` of `n_up` links have been silent for
/// [`ALL_SILENT_ROUNDS`].
pub(super) fn rounds_until_probe(n_up: usize, n_silent: usize) -> u8 {
    let nearly_all = n_silent >= 2 && n_silent + 1 >= n_up;
    if nearly_all { ALL_SILENT_ROUNDS } else { SILENT_ROUNDS }
}

/// How long a link has been silent.
#[derive(Default)]
pub(in crate::engine) struct Silence {
    /// Our rounds since the last message.
    rounds: u8,
    /// Until when a probe has to be answered, by any message.
    answer_by: Option<Time>,
    /// When the peer's last probe was answered.
    answered_at: Option<Time>,
}

impl Silence {
    /// A message arrived.
    pub(super) fn reset(&mut self) {
        self.rounds = 0;
        self.answer_by = None;
    }

    /// One of our rounds begins.
    pub(super) fn on_round(&mut self) {
        self.rounds = self.rounds.saturating_add(1);
    }

    /// Whether the link has been silent for so long that all links may be lost.
    pub(super) fn is_long(&self) -> bool {
        self.rounds >= ALL_SILENT_ROUNDS
    }

    /// Whether to probe the peer, if it was silent for `silent_rounds`.
    pub(super) fn probe(&mut self, now: Time, silent_rounds: u8) -> bool {
        let probe = self.rounds >= silent_rounds && self.answer_by.is_none();
        if probe {
            self.answer_by = Some(now.after(ANSWER_MICROS));
        }
        probe
    }

    /// Until when the peer has to answer; never if it was not probed.
    pub(super) fn ends_at(&self) -> Time {
        self.answer_by.unwrap_or(Time::NEVER)
    }

    /// A probe arrived. Returns whether to answer it: one answer at a time is enough.
    pub(super) fn on_probe(&mut self, now: Time) -> bool {
        self.answered_at.replace(now) != Some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn a_peer_that_sends_is_not_probed() {
        let mut silence = Silence::default();
        for round in 0..100 {
            silence.on_round();
            assert!(!silence.probe(Time(round), ALL_SILENT_ROUNDS + 1));
            assert_eq!(silence.ends_at(), Time::NEVER);
            if round % 2 == 1 {
                silence.reset();
            }
        }
    }

    #[test]
    fn after_three_silent_rounds_a_probe_must_be_answered_within_a_second() {
        let mut silence = Silence::default();
        let probe = |silence: &mut Silence, round| {
            silence.on_round();
            silence.probe(Time(round), SILENT_ROUNDS)
        };
        let probed: Vec<bool> = (0..6).map(|round| probe(&mut silence, round)).collect();
        assert_eq!(probed, [false, false, true, false, false, false]);
        assert_eq!(silence.ends_at(), Time(2 + ANSWER_MICROS), "later rounds do not delay it");
        silence.reset();
        assert_eq!(silence.ends_at(), Time::NEVER);
        let probed: Vec<bool> = (6..9).map(|round| probe(&mut silence, round)).collect();
        assert_eq!(probed, [false, false, true], "and counting restarts");
    }

    #[test]
    fn a_member_that_hears_few_peers_probes_sooner() {
        let sooner = |up, silent| rounds_until_probe(up, silent) == ALL_SILENT_ROUNDS;
        assert!(sooner(4, 4) && sooner(4, 3) && sooner(3, 2) && sooner(2, 2));
        assert!(!sooner(4, 2) && !sooner(6, 4), "other peers answer");
        assert!(!sooner(2, 1) && !sooner(1, 1) && !sooner(0, 0), "a single peer may be late by chance");
    }

    #[test]
    fn simultaneous_probes_get_one_answer() {
        let mut silence = Silence::default();
        assert!(silence.on_probe(Time(5)) && !silence.on_probe(Time(5)));
        assert!(silence.on_probe(Time(6)));
    }
}
