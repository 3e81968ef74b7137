//! How much is asked for over a link at once: as much as it has shown to bring in time. A line of a few
//! kilobytes per second must not be asked for megabytes, which come when nobody waits for them any more and
//! hold up what does.
//!
//! More after each answer that came fast, less after one that came slowly, much less after one that did not
//! come in time (additive increase would take too long here: R. Jain, K. K. Ramakrishnan, D.-M. Chiu, 1988,
//! have the theory).

use crate::{
    limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX},
    time::{SECOND, Time},
};

/// The window of one link.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct FetchWindow {
    bytes: u64,
    /// An answer did not come in time, and no better ones have followed.
    slow: bool,
    /// Fast answers since then.
    n_fast: u32,
    /// When one was late last: what is late at the same time is so for the same reason.
    late_at: Time,
}

impl FetchWindow {
    pub(super) fn new() -> Self {
        Self { bytes: FIRST_BYTES, slow: false, n_fast: 0, late_at: Time(0) }
    }

    /// Bytes that may be on their way.
    pub(in crate::engine) fn bytes(self) -> u64 {
        self.bytes
    }

    /// Whether so much is better compared than pulled: of a delta nobody knows how large it is before it
    /// comes.
    pub(in crate::engine) fn is_too_slow_for(self, bytes: u64) -> bool {
        self.slow && bytes > self.bytes
    }

    /// An answer came, for which so many bytes were expected.
    pub(super) fn on_answer(&mut self, bytes: u64, sent: Time, now: Time) {
        let micros = now.0.saturating_sub(sent.0);
        if micros > SLOW_MICROS {
            self.bytes = (self.bytes / 2).max(BYTES_MIN);
        } else if micros < FAST_MICROS {
            if bytes >= self.bytes / 4 {
                self.bytes = (self.bytes * 2).min(BYTES_MAX);
            }
            self.n_fast = self.n_fast.saturating_add(1);
            self.slow &= self.bytes < FIRST_BYTES && self.n_fast < FAST_ENOUGH;
        }
    }

    /// An answer did not come in time.
    pub(super) fn on_late(&mut self, now: Time) {
        if self.late_at < now {
            self.bytes = (self.bytes / 4).max(BYTES_MIN);
            (self.slow, self.n_fast, self.late_at) = (true, 0, now);
        }
    }

    /// How much longer than others a request may take that asks for more than there is window for: one large
    /// item.
    pub(in crate::engine) fn extra_micros(self, bytes: u64) -> u64 {
        // No item is larger, whatever its owner says.
        let bytes = bytes.min((KEY_BYTES_MAX + VALUE_BYTES_MAX) as u64);
        bytes.saturating_sub(self.bytes).saturating_mul(SECOND) / BYTES_MIN
    }
}

const FIRST_BYTES: u64 = 1 << 20;
const BYTES_MIN: u64 = 32 << 10;
const BYTES_MAX: u64 = 32 << 20;
/// An answer that takes less is fast, one that takes more is slow.
const FAST_MICROS: u64 = SECOND;
const SLOW_MICROS: u64 = 4 * SECOND;
/// After so many fast answers, however small, a line is not slow any more.
const FAST_ENOUGH: u32 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_follows_what_a_line_carries() {
        for rate in [10 << 10, 100 << 10, 1 << 20, 100 << 20] {
            let (mut window, mut now) = (FetchWindow::new(), Time(0));
            for _ in 0..30 {
                let (sent, micros) = (now, window.bytes() * SECOND / rate);
                now = now.after(micros);
                match micros > 10 * SECOND {
                    true => window.on_late(now),
                    false => window.on_answer(window.bytes(), sent, now),
                }
            }
            let seconds = window.bytes() as f64 / rate as f64;
            assert!(seconds < 4.0, "{rate} bytes per second: {window:?}");
            assert!(window.bytes() == BYTES_MAX || seconds > 0.5, "{rate} bytes per second: {window:?}");
        }
    }
}
