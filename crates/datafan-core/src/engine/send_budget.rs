//! The send budget for all links together: a leaky bucket (J. Turner, New directions in communications,
//! 1986).
//!
//! Messages that keep the mesh connected (handshakes, rounds, requests) are always sent, and count. Pushes
//! are sent while they use at most three quarters of the budget; a push that does not fit is not queued but
//! replaced by one later delta from the peer's position. Answers with data are sent while everything together
//! stays within the budget, so at least a quarter is left for them.

use super::config::Config;
use crate::{
    limits::{DELTA_BYTES_MAX, PUSH_BYTES_MAX},
    time::{MILLI, SECOND, Time},
};

/// Bytes sent beyond what the rate has allowed since.
#[derive(Default)]
pub(super) struct SendBudget {
    as_of: Time,
    /// Of all messages, in bytes.
    all: u64,
    /// Of pushes, in bytes.
    pushes: u64,
}

/// The bucket holds the bytes of this much time.
const BURST_MICROS: u64 = 100 * MILLI;

impl SendBudget {
    /// Called at the start of each call, to account for the time that has passed.
    pub(super) fn begin_call(&mut self, now: Time, config: &Config) {
        if is_limited(config) {
            self.drain(now, config.send_bytes_max);
        }
    }

    /// Whether answers with data may be sent.
    pub(super) fn may_answer(&self, config: &Config) -> bool {
        !is_limited(config) || self.all <= bytes_in(BURST_MICROS, config.send_bytes_max)
    }

    /// Whether pushes may be sent.
    pub(super) fn may_push(&self, config: &Config) -> bool {
        !is_limited(config) || self.pushes <= bytes_in(BURST_MICROS, for_pushes(config.send_bytes_max))
    }

    /// When answers may be sent.
    pub(super) fn answers_at(&self, config: &Config) -> Time {
        self.as_of.after(micros_for(self.all, config.send_bytes_max))
    }

    /// When pushes may be sent.
    pub(super) fn pushes_at(&self, config: &Config) -> Time {
        self.as_of.after(micros_for(self.pushes, for_pushes(config.send_bytes_max)))
    }

    fn drain(&mut self, now: Time, per_second: u64) {
        let micros = now.0.saturating_sub(self.as_of.0);
        self.as_of = now;
        self.all = self.all.saturating_sub(bytes_in(micros, per_second));
        self.pushes = self.pushes.saturating_sub(bytes_in(micros, for_pushes(per_second)));
    }

    pub(super) fn count_sent(&mut self, bytes: usize) {
        self.all = self.all.saturating_add(bytes as u64);
    }

    pub(super) fn count_pushed(&mut self, bytes: usize) {
        self.pushes = self.pushes.saturating_add(bytes as u64);
    }
}

/// The largest delta that answers a pull: the budget of one second. Peers reconcile anything larger in parts.
pub(super) fn answer_bytes_max(config: &Config) -> usize {
    let second = usize::try_from(config.send_bytes_max).unwrap_or(usize::MAX);
    second.clamp(PUSH_BYTES_MAX, DELTA_BYTES_MAX)
}

fn is_limited(config: &Config) -> bool {
    config.send_bytes_max < u64::MAX
}

/// Microseconds until the bucket has room again.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::context;

    #[test]
    fn pushes_wait_first_and_all_traffic_resumes_at_the_rate() {
        let mut config = context().config;
        config.send_bytes_max = 1_000;
        let (mut budget, now) = (SendBudget::default(), Time(SECOND));
        budget.begin_call(now, &config);
        budget.count_sent(90);
        budget.count_pushed(90);
        assert!(
            budget.may_answer(&config) && !budget.may_push(&config),
            "75 bytes of a burst are for pushes"
        );
        assert_eq!(budget.pushes_at(&config), now.after(SECOND * 15 / 750 + 1));
        budget.count_sent(60);
        assert!(!budget.may_answer(&config));
        assert_eq!(budget.answers_at(&config), now.after(SECOND * 50 / 1_000 + 1));
        budget.begin_call(budget.answers_at(&config), &config);
        assert!(budget.may_answer(&config) && budget.may_push(&config));
        config.send_bytes_max = u64::MAX;
        budget.count_sent(usize::MAX);
        assert!(budget.may_answer(&config), "there is no limit");
    }
}
