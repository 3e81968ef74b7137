//! The runs of this process. A new run begins whenever earlier writes may have been replaced or rolled back.

use crate::{
    rng::Rng,
    runs::RunId,
    time::{Now, SECOND, Time},
};

/// A larger jump of the wall clock against the monotonic clock may mean that the machine was rolled back.
const JUMP_MICROS: u64 = 60 * SECOND;
/// A jump begins a new run at most this often.
const JUMP_PAUSE_MICROS: u64 = 600 * SECOND;

/// The runs of this process.
pub(in crate::engine) struct OwnRun {
    /// Drawn when the engine was opened, and sent in Hello. It does not change while the process runs.
    process: RunId,
    /// The run of current own writes.
    current: RunId,
    /// The clocks at the last call.
    seen: Now,
    /// When this process began.
    began: Time,
    next_jump: Time,
}

impl OwnRun {
    pub(in crate::engine) fn new(rng: &mut Rng, now: Now) -> Self {
        let process = draw(rng);
        Self { process, current: process, seen: now, began: now.time, next_jump: Time(0) }
    }

    /// Continues the process of `before`. New writes belong to another run.
    pub(in crate::engine) fn continue_process(&mut self, before: &Self) {
        (self.process, self.began) = (before.process, before.began);
    }

    /// The run that identifies this process.
    pub(in crate::engine) fn process(&self) -> RunId {
        self.process
    }

    /// The run of current own writes.
    pub(in crate::engine) fn current(&self) -> RunId {
        self.current
    }

    /// How long this process has run, in microseconds.
    pub(in crate::engine) fn age_micros(&self, now: Time) -> u64 {
        now.0.saturating_sub(self.began.0)
    }

    /// Begins a new run, because writes of the old one were or may have been replaced.
    pub(in crate::engine) fn renew(&mut self, rng: &mut Rng) {
        self.current = draw(rng);
    }

    /// Compares the clocks with those of the last call. After a jump, the memory of this process may be an
    /// old state, so a new run begins.
    pub(in crate::engine) fn check_clocks(&mut self, now: Now, rng: &mut Rng) {
        let time = now.time.0.saturating_sub(self.seen.time.0);
        let jump = now.wall.0.abs_diff(self.seen.wall.0.saturating_add(time));
        self.seen = now;
        if jump > JUMP_MICROS && self.next_jump <= now.time {
            self.next_jump = now.time.after(JUMP_PAUSE_MICROS);
            self.renew(rng);
        }
    }
}

fn draw(rng: &mut Rng) -> RunId {
    RunId(rng.next().to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn now(seconds: u64, wall: u64) -> Now {
        Now { time: Time(seconds * SECOND), wall: Timestamp(wall * SECOND) }
    }

    #[test]
    fn a53_a_jump_of_the_wall_clock_begins_a_new_run_at_most_once_in_ten_minutes() {
        let rng = &mut Rng::new(1);
        let mut runs = OwnRun::new(rng, now(0, 1_000));
        let (process, first) = (runs.process, runs.current);
        let mut sees = |seconds, wall| {
            runs.check_clocks(now(seconds, wall), rng);
            runs.current
        };
        assert_eq!(sees(500, 1_500), first, "both clocks advance");
        assert_eq!(sees(510, 1_570), first, "a minute is not a jump");
        let second = sees(520, 1_641);
        assert_ne!(second, first, "61 s ahead");
        assert_eq!(sees(530, 1_000), second, "too soon after the last one");
        assert_eq!(sees(1_119, 9_000), second);
        assert_eq!(sees(1_121, 9_002), second, "the missed run is not begun later");
        assert_ne!(sees(1_131, 8_900), second, "backwards");
        assert_eq!(runs.process, process);
    }
}
