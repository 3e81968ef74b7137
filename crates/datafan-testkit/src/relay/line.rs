//! The effects of a line on datagrams: random faults from a seed, and the line's rate.

use crate::rng::Rng;
use std::time::{Duration, Instant};

/// The quality of a line in one direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    /// Percentage of datagrams lost.
    pub loss_percent: u8,
    /// Percentage of datagrams that arrive twice, of those not lost.
    pub repeats_percent: u8,
    /// Minimum latency of each datagram.
    pub delay: Duration,
    /// Percentage of copies that take longer, so that others overtake them.
    pub late_percent: u8,
    /// Maximum extra latency, drawn for each of these.
    pub lateness: Duration,
    /// Bytes of payload per second; 0 for no limit.
    pub bytes_per_second: u64,
    /// Bytes that may wait for a line with a rate; more are lost.
    pub queue_bytes: u64,
}

/// A direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// From dialers to the target.
    There,
    /// From the target to dialers.
    Back,
}

/// Counters of a relay, both directions together.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Datagrams received.
    pub arrived: u64,
    /// Datagrams lost at random.
    pub lost: u64,
    /// Datagrams lost because the queue of the line was full.
    pub overflowed: u64,
    /// Datagrams sent a second time.
    pub repeated: u64,
    /// Datagrams sent after one that was received later, in the same direction of the same session.
    pub late: u64,
}

impl Line {
    /// Everything arrives at once and in order.
    pub const GOOD: Self = Self {
        loss_percent: 0,
        repeats_percent: 0,
        delay: Duration::ZERO,
        late_percent: 0,
        lateness: Duration::ZERO,
        bytes_per_second: 0,
        queue_bytes: 256 << 10,
    };
    /// Nothing arrives.
    pub const CUT: Self = Self { loss_percent: 100, ..Self::GOOD };
    /// 1 % each are lost, duplicated and delayed: a weak wireless network.
    pub const FAIR: Self = Self {
        loss_percent: 1,
        repeats_percent: 1,
        late_percent: 1,
        lateness: Duration::from_millis(5),
        ..Self::GOOD
    };
    /// 10 % are lost, 10 % delayed and 2 % duplicated: QUIC itself slows down to a trickle.
    pub const BAD: Self = Self {
        loss_percent: 10,
        repeats_percent: 2,
        delay: Duration::from_millis(1),
        late_percent: 10,
        lateness: Duration::from_millis(8),
        ..Self::GOOD
    };
}

/// One direction of one session: its random numbers, and until when its line is busy.
#[derive(Debug)]
pub(super) struct Faults {
    rng: Rng,
    busy_until: Option<Instant>,
}

/// The fate of a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    Lost,
    Overflowed,
    Sent { at: Instant, repeat_at: Option<Instant> },
}

impl Faults {
    pub(super) fn new(rng: Rng) -> Self {
        Self { rng, busy_until: None }
    }

    /// The fate of a datagram of `bytes` that arrives `now`. Every datagram draws the same number of random
    /// numbers, so that the fate of the n-th does not depend on earlier changes of the line.
    pub(super) fn draw(&mut self, line: &Line, now: Instant, bytes: usize) -> Fate {
        let [lost, repeated] = [(); 2].map(|()| self.rng.below(100));
        let latenesses = [(); 2].map(|()| self.lateness(line));
        if lost < u64::from(line.loss_percent) {
            return Fate::Lost;
        }
        let Some(sent) = self.pass(line, now, bytes as u64) else { return Fate::Overflowed };
        let [at, again] = latenesses.map(|lateness| sent + line.delay + lateness);
        Fate::Sent { at, repeat_at: (repeated < u64::from(line.repeats_percent)).then_some(again) }
    }

    fn lateness(&mut self, line: &Line) -> Duration {
        let (late, millionths) = (self.rng.below(100), self.rng.below(1_000_000));
        if late < u64::from(line.late_percent) {
            line.lateness * millionths as u32 / 1_000_000
        } else {
            Duration::ZERO
        }
    }

    /// When the line has sent the datagram; `None` if too much is already queued.
    fn pass(&mut self, line: &Line, now: Instant, bytes: u64) -> Option<Instant> {
        if line.bytes_per_second == 0 {
            return Some(now);
        }
        let takes = |bytes: u64| Duration::from_nanos(bytes * 1_000_000_000 / line.bytes_per_second);
        let free = self.busy_until.map_or(now, |busy| busy.max(now));
        if free - now > takes(line.queue_bytes) {
            return None;
        }
        self.busy_until = Some(free + takes(bytes));
        self.busy_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(line: Line, seed: u64, n: usize) -> Vec<Fate> {
        let now = Instant::now();
        let mut faults = Faults::new(Rng::new(seed));
        (0..n).map(|_| faults.draw(&line, now, 1_000)).collect()
    }

    #[test]
    fn faults_keep_to_their_shares() {
        let fates = fates(Line { repeats_percent: 20, ..Line::BAD }, 1, 10_000);
        let lost = fates.iter().filter(|fate| matches!(fate, Fate::Lost)).count();
        let twice = |fate: &&Fate| matches!(fate, Fate::Sent { repeat_at: Some(_), .. });
        let twice = fates.iter().filter(twice).count();
        assert!((900..1_100).contains(&lost) && (1_650..1_950).contains(&twice), "{lost}, {twice}");
    }

    #[test]
    fn the_faults_of_a_seed_are_the_same_whatever_the_line_did_before() {
        let (now, mut one, mut other) = (Instant::now(), Faults::new(Rng::new(3)), Faults::new(Rng::new(3)));
        for n in 0..1_000 {
            let before = if n % 2 == 0 { Line::CUT } else { Line::GOOD };
            one.draw(&before, now, 100);
            other.draw(&Line::BAD, now, 1_000);
            assert_eq!(one.draw(&Line::BAD, now, 10), other.draw(&Line::BAD, now, 10));
        }
    }

    #[test]
    fn a_rate_spaces_datagrams_and_overflows() {
        let line = Line { bytes_per_second: 1_000_000, queue_bytes: 10_000, ..Line::GOOD };
        let fates = fates(line, 1, 20);
        let sent: Vec<Instant> = fates
            .iter()
            .filter_map(|fate| match fate {
                Fate::Sent { at, .. } => Some(*at),
                Fate::Lost | Fate::Overflowed => None,
            })
            .collect();
        // The eleventh finds a queue that is exactly full.
        assert_eq!(sent.len(), 11);
        assert!(sent.windows(2).all(|pair| pair[1] - pair[0] == Duration::from_millis(1)));
    }
}
