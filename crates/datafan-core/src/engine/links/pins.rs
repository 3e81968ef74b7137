//! Pins: states that are kept for a peer that copies them, so that a busy owner does not starve it.
//!
//! A snapshot keeps old pages of the store in use. So a pin ends after a fixed time, regardless of further
//! requests, and earlier if requests stop or the store has written much since. The peer then continues with a
//! later state and keeps what it verified.
//!
//! The limit counts written bytes rather than growth of the file, so that it is the same for a first and a
//! later pin, and for a file with free space.

use crate::{id::MemberId, time::Time};
use alloc::{collections::BTreeMap, sync::Arc};

/// The pinned states of one peer, by owner.
pub(super) struct Pins<V>(BTreeMap<MemberId, Pin<V>>);

struct Pin<V> {
    snapshot: Arc<V>,
    until: Time,
    /// The pin ends then, regardless of further requests.
    last: Time,
    /// Bytes that the store had written when the pin was taken.
    written: u64,
}

/// The start and the duration of a pin.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Term {
    pub(in crate::engine) now: Time,
    pub(in crate::engine) micros: u64,
    /// Bytes that the store has written so far.
    pub(in crate::engine) written: u64,
}

/// Most pinned states of one peer.
const PINS_MAX: usize = 8;

impl<V> Pins<V> {
    pub(super) fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The pinned state of `owner`.
    pub(super) fn of(&self, owner: &MemberId) -> Option<Arc<V>> {
        self.0.get(owner).map(|pin| pin.snapshot.clone())
    }

    /// Pins a state of `owner` for `term` in total, and for a third of it after the last request. If there
    /// are too many pins, the one that ends first is dropped.
    pub(super) fn keep(&mut self, owner: MemberId, snapshot: Arc<V>, term: Term) {
        let rests_until = term.now.after(term.micros / 3);
        if let Some(pin) = self.0.get_mut(&owner).filter(|pin| Arc::ptr_eq(&pin.snapshot, &snapshot)) {
            pin.until = rests_until.min(pin.last);
            return;
        }
        let (last, written) = (term.now.after(term.micros), term.written);
        self.0.insert(owner, Pin { snapshot, until: rests_until, last, written });
        if self.0.len() > PINS_MAX {
            let first = self.0.iter().min_by_key(|(_, pin)| pin.until).map(|(owner, _)| *owner);
            first.map(|owner| self.0.remove(&owner));
        }
    }

    /// Releases pins whose time is over.
    pub(super) fn end(&mut self, now: Time) {
        self.0.retain(|_, pin| pin.until > now);
    }

    /// Releases pins since which the store wrote `max` bytes or more. It has written `written` bytes so far.
    pub(super) fn end_written(&mut self, written: u64, max: u64) {
        self.0.retain(|_, pin| written.saturating_sub(pin.written) < max);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When the first pin ends.
    pub(super) fn ends_at(&self) -> Time {
        self.0.values().map(|pin| pin.until).min().unwrap_or(Time::NEVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: MemberId = MemberId([1; 32]);
    const MIB: u64 = 1 << 20;

    #[test]
    fn a56_a_state_is_kept_for_its_time_however_often_it_is_asked_for() {
        let mut pins = Pins::new();
        let old = Arc::new("old");
        for second in 0..30 {
            pins.end(Time(second));
            pins.keep(OWNER, old.clone(), at(second));
        }
        assert_eq!((pins.of(&OWNER), pins.ends_at()), (Some(old), Time(30)));
        pins.end(Time(30));
        assert_eq!((pins.of(&OWNER), pins.ends_at()), (None, Time::NEVER));
        pins.keep(OWNER, Arc::new("new"), at(30));
        assert_eq!((pins.of(&OWNER).as_deref(), pins.ends_at()), (Some(&"new"), Time(40)));
        pins.end(Time(40));
        assert_eq!(pins.of(&OWNER), None, "no peer requests it any more");
    }

    #[test]
    fn a56_states_go_when_the_store_has_written_much_since() {
        let (mut pins, other) = (Pins::new(), MemberId([2; 32]));
        let state = Arc::new("state");
        pins.keep(OWNER, state.clone(), Term { written: 100 * MIB, ..at(0) });
        pins.keep(other, Arc::new("state"), Term { written: 90 * MIB, ..at(0) });
        pins.end_written(98 * MIB - 1, 8 * MIB);
        assert!(pins.of(&other).is_some());
        pins.end_written(98 * MIB, 8 * MIB);
        assert!(pins.of(&other).is_none() && pins.of(&OWNER).is_some());
        // Another request for it does not extend the limit.
        pins.keep(OWNER, state, Term { written: 107 * MIB, ..at(1) });
        pins.end_written(108 * MIB, 8 * MIB);
        assert!(pins.is_empty());
    }

    #[test]
    fn a_peer_has_a_limited_number_of_states() {
        let mut pins = Pins::new();
        for n in 0..=PINS_MAX {
            pins.keep(MemberId([n as u8; 32]), Arc::new(n), at(n as u64));
        }
        assert!(pins.of(&MemberId([0; 32])).is_none());
        assert_eq!(pins.0.len(), PINS_MAX);
    }

    fn at(now: u64) -> Term {
        Term { now: Time(now), micros: 30, written: 0 }
    }
}
