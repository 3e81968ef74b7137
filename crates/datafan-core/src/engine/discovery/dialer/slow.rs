//! Slow dials: dials members that may be out of reach, one at a time, forever.

use crate::{
    rng::Rng,
    time::{SECOND, Time},
};

/// When the next slow dial begins, and its pool.
#[derive(Default)]
pub(super) struct Slow {
    next: Time,
    n_dials: u64,
}

/// The pool from which a slow dial takes a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::engine) enum Pool {
    /// Members that are not known to be reachable, limited to those with the latest heads, so that many dead
    /// members do not dilute the pool.
    Latest,
    /// All members that are not known to be reachable, and user addresses.
    Unreachable,
    /// All members that are not linked, and user addresses.
    Unlinked,
}

const PAUSE_MICROS_MIN: u64 = 10 * SECOND;
const PAUSE_MICROS_MAX: u64 = 300 * SECOND;
const PAUSE_MICROS_STABLE: u64 = 600 * SECOND;
/// Pause per reachable member, so that all members together dial at about the same rate, regardless of their
/// number.
const PAUSE_MICROS_EACH: u64 = SECOND * 5 / 4;

/// The mean pause between slow dials.
pub(in crate::engine) fn pause_micros(n_reachable: usize, n_unreachable: usize) -> u64 {
    match n_unreachable {
        0 => PAUSE_MICROS_STABLE,
        _ => (PAUSE_MICROS_EACH * n_reachable as u64).clamp(PAUSE_MICROS_MIN, PAUSE_MICROS_MAX),
    }
}

impl Slow {
    pub(super) fn next(&self) -> Time {
        self.next
    }

    /// The pool of the next slow dial.
    pub(super) fn pool(&self) -> Pool {
        match self.n_dials % 4 {
            0 | 2 => Pool::Latest,
            1 => Pool::Unreachable,
            _ => Pool::Unlinked,
        }
    }

    /// A slow dial begins, or its pool was empty.
    pub(super) fn begin(&mut self, now: Time, pause_micros: u64, rng: &mut Rng) {
        self.n_dials += 1;
        self.next = now.after(rng.jitter(pause_micros));
    }

    /// Shortens the pause, if it became shorter.
    pub(super) fn shorten_pause(&mut self, now: Time, pause_micros: u64, rng: &mut Rng) {
        if self.next > now.after(pause_micros + pause_micros / 4) {
            self.next = now.after(rng.jitter(pause_micros));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_with_the_mesh_and_are_bounded() {
        let seconds = |reachable, unreachable| pause_micros(reachable, unreachable) / SECOND;
        assert_eq!([seconds(0, 1), seconds(8, 1), seconds(16, 9)], [10, 10, 20]);
        assert_eq!([seconds(1_000, 1), seconds(1_000, 0), seconds(0, 0)], [300, 600, 600]);
    }

    #[test]
    fn every_second_dial_goes_to_a_late_head_and_every_fourth_to_anyone() {
        let (mut slow, mut rng, mut now) = (Slow::default(), Rng::new(1), Time(0));
        let mut pools = alloc::vec::Vec::new();
        for _ in 0..8 {
            pools.push(slow.pool());
            slow.begin(now, 10 * SECOND, &mut rng);
            let wait = slow.next().0 - now.0;
            assert!((7 * SECOND..13 * SECOND).contains(&wait), "{wait}");
            now = slow.next();
        }
        let turn = [Pool::Latest, Pool::Unreachable, Pool::Latest, Pool::Unlinked];
        assert_eq!(pools, [turn, turn].concat());
        slow.begin(now, PAUSE_MICROS_STABLE, &mut rng);
        slow.shorten_pause(now, PAUSE_MICROS_MIN, &mut rng);
        assert!(slow.next() <= now.after(13 * SECOND), "a member became unreachable");
    }
}
