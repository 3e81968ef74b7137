//! What a line does to datagrams: random faults from a seed, and the line's rate.

use crate::rng::Rng;
use std::time::{Duration, Instant};

/// How good a line is in one direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    /// Datagrams lost, in a hundred.
    pub loss_percent: u8,
    /// Datagrams that arrive twice, in a hundred of those not lost.
    pub repeats_percent: u8,
    /// How long each datagram is under way at least.
    pub delay: Duration,
    /// Copies that take longer, in a hundred: others overtake them.
    pub late_percent: u8,
    /// Up to how much longer, drawn for each of them.
    pub lateness: Duration,
    /// Bytes of payload that the line carries in a second; 0 for any number.
    pub bytes_per_second: u64,
    /// Bytes that may wait for a line with a rate; what comes on top is lost.
    pub queue_bytes: u64,
}

/// A direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// From those who dial the relay to what lies behind it.
    There,
    /// From what lies behind it to those who dialled.
    Back,
}

/// What a relay has done since it was made, both directions together.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Datagrams that came in.
    pub arrived: u64,
    /// Lost at random.
    pub lost: u64,
    /// Lost because the queue of the line was full.
    pub overflowed: u64,
    /// Sent a second time.
    pub repeated: u64,
    /// Sent after one that came in later, in the same direction of the same session.
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
    /// One in a hundred is lost, comes twice, or comes late: a weak wireless network.
    pub const FAIR: Self = Self {
        loss_percent: 1,
        repeats_percent: 1,
        late_percent: 1,
        lateness: Duration::from_millis(5),
        ..Self::GOOD
    };
    /// One in ten is lost, one in ten comes late, one in fifty comes twice: QUIC itself slows down to a
    /// trickle.
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

/// What becomes of a datagram.
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

    /// The fate of a datagram of `bytes` that comes in `now`. Every datagram draws as many random numbers, so
    /// that the fate of the n-th does not depend on how the line changed before it.
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

    /// When the line has taken the datagram; `None` if too much waits already.
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
        // The eleventh finds exactly the whole queue before it.
        assert_eq!(sent.len(), 11);
        assert!(sent.windows(2).all(|pair| pair[1] - pair[0] == Duration::from_millis(1)));
    }
}
