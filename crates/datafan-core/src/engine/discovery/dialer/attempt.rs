//! One dial: tries all addresses of one target, best first, for five seconds in total.

use super::target::{Endpoint, Target, Why};
use crate::{
    connector::Address,
    id::MemberId,
    time::{MILLI, SECOND, Time},
};
use alloc::{
    collections::VecDeque,
    format,
    string::{String, ToString},
    vec::Vec,
};

/// A dial under way.
pub(super) struct Attempt {
    target: Target,
    why: Why,
    /// Addresses being tried.
    open: Vec<Address>,
    /// Addresses still to be tried.
    waiting: VecDeque<Address>,
    /// When the next address is tried even if the earlier ones have not answered.
    next: Time,
    step_micros: u64,
    until: Time,
    error: Option<String>,
}

/// Whether a dial is over.
pub(super) enum Ended {
    /// It is under way.
    No,
    /// No address answered; with the error.
    Failed(String),
}

/// How long a dial of all addresses may take.
const ATTEMPT_MICROS: u64 = 5 * SECOND;
/// How long an address is tried alone before the next one is tried too; less if there are many.
const STEP_MICROS: u64 = 300 * MILLI;

impl Attempt {
    pub(super) fn new(target: Target, addresses: Vec<Address>, why: Why, now: Time) -> Self {
        // The last address gets at least half of the time.
        let step_micros = STEP_MICROS.min(ATTEMPT_MICROS / 2 / addresses.len().max(1) as u64);
        let (open, waiting, error) = (Vec::new(), addresses.into(), None);
        Self { target, why, open, waiting, next: now, step_micros, until: now.after(ATTEMPT_MICROS), error }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn into_target(self) -> Target {
        self.target
    }

    pub(super) fn why(&self) -> Why {
        self.why
    }

    /// The address being tried.
    pub(super) fn address(&self) -> Option<&Address> {
        self.open.last().or(self.waiting.front())
    }

    /// Tries the addresses whose turn it is.
    pub(super) fn step(&mut self, now: Time, dial: &mut impl FnMut(Endpoint)) {
        while self.next <= now
            && let Some(address) = self.waiting.pop_front()
        {
            dial((self.expected(), address.clone()));
            self.open.push(address);
            self.next = self.next.max(now).after(self.step_micros);
        }
    }

    /// Whether this address is being tried, for the same expected member.
    pub(super) fn has_dialled(&self, (expected, address): &Endpoint) -> bool {
        *expected == self.expected() && self.open.contains(address)
    }

    /// One of its addresses failed, so the next one need not wait.
    pub(super) fn on_failed(&mut self, place: &Endpoint, error: &str, now: Time) {
        if self.has_dialled(place) {
            self.open.retain(|address| *address != place.1);
            self.next = now;
            self.error = Some(error.to_string());
        }
    }

    pub(super) fn ended(&self, now: Time) -> Ended {
        let is_over = self.open.is_empty() && self.waiting.is_empty();
        if !is_over && now < self.until {
            return Ended::No;
        }
        let silent = || format!("no answer within {} s", ATTEMPT_MICROS / SECOND);
        Ended::Failed(self.error.clone().unwrap_or_else(silent))
    }

    /// When the next address is tried, or the dial is given up.
    pub(super) fn wakes_at(&self) -> Time {
        if self.waiting.is_empty() { self.until } else { self.next.min(self.until) }
    }

    fn expected(&self) -> Option<MemberId> {
        match &self.target {
            Target::Member(member) => Some(*member),
            Target::User((expected, _)) => *expected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: MemberId = MemberId([1; 32]);

    fn attempt(n: usize) -> Attempt {
        let addresses = (0..n).map(|n| format!("m{n}").into()).collect();
        Attempt::new(Target::Member(A), addresses, Why::Slow, Time(0))
    }

    fn step(attempt: &mut Attempt, now: u64) -> Vec<String> {
        let mut dialled = Vec::new();
        attempt.step(Time(now), &mut |(expected, address)| {
            assert_eq!(expected, Some(A));
            dialled.push(address.to_string());
        });
        dialled
    }

    #[test]
    fn addresses_are_tried_in_turn_for_five_seconds_in_total() {
        let mut attempt = attempt(3);
        assert_eq!(step(&mut attempt, 0), ["m0"]);
        assert_eq!(step(&mut attempt, STEP_MICROS - 1), [""; 0]);
        assert_eq!(step(&mut attempt, STEP_MICROS), ["m1"]);
        attempt.on_failed(&(Some(A), "m0".into()), "refused", Time(STEP_MICROS + 1));
        assert_eq!(step(&mut attempt, STEP_MICROS + 1), ["m2"], "a failed address is followed at once");
        assert!(matches!(attempt.ended(Time(ATTEMPT_MICROS - 1)), Ended::No));
        assert_eq!(attempt.wakes_at(), Time(ATTEMPT_MICROS));
        assert!(matches!(attempt.ended(Time(ATTEMPT_MICROS)), Ended::Failed(error) if error == "refused"));
    }

    #[test]
    fn it_ends_when_no_address_is_left() {
        let mut attempt = attempt(1);
        assert_eq!(step(&mut attempt, 0), ["m0"]);
        attempt.on_failed(&(None, "m0".into()), "not our peer", Time(1));
        assert!(matches!(attempt.ended(Time(1)), Ended::No), "another dial of the same address failed");
        attempt.on_failed(&(Some(A), "m0".into()), "refused", Time(1));
        assert!(matches!(attempt.ended(Time(1)), Ended::Failed(_)));
    }

    #[test]
    fn the_last_of_many_addresses_gets_half_of_the_time() {
        let mut attempt = attempt(50);
        let mut last = 0;
        for now in (0..ATTEMPT_MICROS).step_by(10_000) {
            if !step(&mut attempt, now).is_empty() {
                last = now;
            }
        }
        assert!(attempt.waiting.is_empty() && last <= ATTEMPT_MICROS / 2, "{last}");
    }
}
