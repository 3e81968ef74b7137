//! Timeouts of callers, kept by the driver's thread so that they work in every runtime and without one.

use datafan_core::engine::OwnState;
use std::{collections::BTreeMap, time::Instant};
use tokio::sync::oneshot;

/// What a caller is told when its timeout passes.
pub type Alarm = oneshot::Sender<OwnState>;

/// Timers that have not expired.
#[derive(Default)]
pub struct Timers {
    /// Ordered by time; the number makes them distinct.
    alarms: BTreeMap<(Instant, u64), Alarm>,
    n_added: u64,
    /// How many were left when those of callers that are gone were last removed.
    n_kept: usize,
}

impl Timers {
    /// Rings `alarm` at `at`.
    pub fn add(&mut self, at: Instant, alarm: Alarm) {
        // Most callers get their answer long before the timeout. Removing their timers whenever the number
        // doubles costs each a constant share.
        if self.alarms.len() >= 2 * self.n_kept.max(N_KEPT_MIN) {
            self.alarms.retain(|_, alarm| !alarm.is_closed());
            self.n_kept = self.alarms.len();
        }
        self.n_added += 1;
        self.alarms.insert((at, self.n_added), alarm);
    }

    /// When the next timer expires.
    pub fn next(&self) -> Option<Instant> {
        self.alarms.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the timers that have expired by `now` and whose callers still wait.
    pub fn due(&mut self, now: Instant) -> Vec<Alarm> {
        let later = self.alarms.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut self.alarms, later);
        due.into_values().filter(|alarm| !alarm.is_closed()).collect()
    }
}

const N_KEPT_MIN: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn rings_what_is_due_and_forgets_who_is_gone() {
        let (mut timers, start) = (Timers::default(), Instant::now());
        let (first, _first_waits) = oneshot::channel();
        let (later, _later_waits) = oneshot::channel();
        timers.add(start + Duration::from_secs(2), later);
        timers.add(start + Duration::from_secs(1), first);
        timers.add(start, oneshot::channel().0);
        assert_eq!(timers.next(), Some(start));
        assert_eq!(timers.due(start + Duration::from_secs(1)).len(), 1);
        assert_eq!(timers.next(), Some(start + Duration::from_secs(2)));
        for n in 0..100_000 {
            timers.add(start + Duration::from_secs(60 + n), oneshot::channel().0);
        }
        assert!(timers.alarms.len() <= 2 * N_KEPT_MIN + 1);
    }
}
