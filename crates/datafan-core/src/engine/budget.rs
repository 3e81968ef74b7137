//! How much may be sent over all links together: a leaky bucket (J. Turner, New directions in communications, 1986).
//!
//! What keeps the mesh together - greetings, rounds, requests - always goes, and counts. Pushes go while they keep to three
//! quarters of the budget; what does not fit is no queue, but one delta from where the peer is once it does. Answers with data
//! go while all that was sent keeps to the budget, so a quarter is left for them at least.

use super::Engine;
use crate::{
    limits::{DELTA_BYTES_MAX, PUSH_BYTES_MAX},
    store::Store,
    time::{MILLI, SECOND, Time},
};

/// What was sent beyond what the rate has allowed since.
#[derive(Default)]
pub(super) struct Budget {
    as_of: Time,
    /// Of everything, in bytes.
    all: u64,
    /// Of pushes.
    pushes: u64,
}

/// So much time's worth may be sent at once.
const BURST_MICROS: u64 = 100 * MILLI;

impl Budget {
    /// Time has passed, so something was allowed.
    fn turn(&mut self, now: Time, per_second: u64) {
        let micros = now.0.saturating_sub(self.as_of.0);
        self.as_of = now;
        self.all = self.all.saturating_sub(bytes_in(micros, per_second));
        self.pushes = self.pushes.saturating_sub(bytes_in(micros, for_pushes(per_second)));
    }

    pub(super) fn note_sent(&mut self, bytes: usize) {
        self.all = self.all.saturating_add(bytes as u64);
    }

    pub(super) fn note_pushed(&mut self, bytes: usize) {
        self.pushes = self.pushes.saturating_add(bytes as u64);
    }
}

impl<S: Store> Engine<S> {
    /// At the beginning of each call.
    pub(super) fn turn_budget(&mut self) {
        if self.has_budget() {
            self.cx.budget.turn(self.cx.now.time, self.cx.config.send_bytes_max);
        }
    }

    fn has_budget(&self) -> bool {
        self.cx.config.send_bytes_max < u64::MAX
    }

    /// Whether answers with data may be sent.
    pub(super) fn may_answer(&self) -> bool {
        !self.has_budget() || self.cx.budget.all <= bytes_in(BURST_MICROS, self.cx.config.send_bytes_max)
    }

    /// The largest delta that answers a pull: a second's worth. What is larger is asked for in parts.
    pub(super) fn answer_bytes_max(&self) -> usize {
        let second = usize::try_from(self.cx.config.send_bytes_max).unwrap_or(usize::MAX);
        second.clamp(PUSH_BYTES_MAX, DELTA_BYTES_MAX)
    }

    /// Whether pushes may be sent.
    pub(super) fn may_push(&self) -> bool {
        !self.has_budget()
            || self.cx.budget.pushes <= bytes_in(BURST_MICROS, for_pushes(self.cx.config.send_bytes_max))
    }

    /// When what waits for the budget goes on.
    pub(super) fn budget_wakes_at(&self) -> Time {
        let answers = (!self.cx.may_answer() && self.links.values().any(|link| link.has_owed()))
            .then(|| micros_for(self.cx.budget.all, self.cx.config.send_bytes_max));
        let pushes = (!self.cx.may_push() && self.links.values().any(|link| link.is_catching_up()))
            .then(|| micros_for(self.cx.budget.pushes, for_pushes(self.cx.config.send_bytes_max)));
        let first = answers.into_iter().chain(pushes).min();
        first.map_or(Time::NEVER, |micros| self.cx.budget.as_of.after(micros))
    }
}

/// Until so much was allowed that a burst fits again.
fn micros_for(bytes: u64, per_second: u64) -> u64 {
    let over = bytes.saturating_sub(bytes_in(BURST_MICROS, per_second));
    let micros = u128::from(over) * u128::from(SECOND) / u128::from(per_second.max(1));
    u64::try_from(micros).unwrap_or(u64::MAX).saturating_add(1)
}

fn bytes_in(micros: u64, per_second: u64) -> u64 {
    let bytes = u128::from(micros) * u128::from(per_second) / u128::from(SECOND);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn for_pushes(per_second: u64) -> u64 {
    (per_second / 4).saturating_mul(3).max(1)
}
