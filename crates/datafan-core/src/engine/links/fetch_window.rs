//! The fetch window: how much is requested over a link at once, adapted to what the link delivered in time.
//! On a link of a few kilobytes per second, a request for megabytes would be answered too late and delay
//! other answers.
//!
//! The window grows after each fast answer, shrinks after a slow one, and shrinks more after a late one.
//! (Additive increase would take too long here; for the theory see R. Jain, K. K. Ramakrishnan, D.-M. Chiu,
//! 1988.)

use crate::{
    limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX},
    time::{SECOND, Time},
};

/// The fetch window of one link.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct FetchWindow {
    bytes: u64,
    /// An answer was late, and not enough fast ones followed.
    slow: bool,
    /// Fast answers since then.
    n_fast: u32,
    /// When an answer was last late. Answers that are late at the same time count once.
    late_at: Time,
}

impl FetchWindow {
    pub(super) fn new() -> Self {
        Self { bytes: FIRST_BYTES, slow: false, n_fast: 0, late_at: Time(0) }
    }

    /// Bytes that may be requested at once.
    pub(in crate::engine) fn bytes(self) -> u64 {
        self.bytes
    }

    /// Whether this many bytes should be reconciled rather than pulled, because the size of a delta is not
    /// known before it arrives.
    pub(in crate::engine) fn is_too_slow_for(self, bytes: u64) -> bool {
        self.slow && bytes > self.bytes
    }

    /// An answer arrived, for which `bytes` were expected.
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

    /// An answer did not arrive in time.
    pub(super) fn on_late(&mut self, now: Time) {
        if self.late_at < now {
            self.bytes = (self.bytes / 4).max(BYTES_MIN);
            (self.slow, self.n_fast, self.late_at) = (true, 0, now);
        }
    }

    /// How much longer a request may take that exceeds the window, which happens only for one large item.
    pub(in crate::engine) fn extra_micros(self, bytes: u64) -> u64 {
        // No item can be larger than this.
        let bytes = bytes.min((KEY_BYTES_MAX + VALUE_BYTES_MAX) as u64);
        bytes.saturating_sub(self.bytes).saturating_mul(SECOND) / BYTES_MIN
    }
}

const FIRST_BYTES: u64 = 1 << 20;
const BYTES_MIN: u64 = 32 << 10;
const BYTES_MAX: u64 = 32 << 20;
/// An answer in less time is fast; one that takes longer than [`SLOW_MICROS`] is slow.
const FAST_MICROS: u64 = SECOND;
const SLOW_MICROS: u64 = 4 * SECOND;
/// Number of fast answers, of any size, after which a link is no longer slow.
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
