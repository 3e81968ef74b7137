//! Datagrams in flight, sent by one thread when they are due.

use super::line::Counts;
use std::{
    collections::BTreeMap,
    net::{SocketAddr, UdpSocket},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// The datagrams in flight.
#[derive(Default, Debug)]
pub(super) struct Schedule {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default, Debug)]
struct State {
    /// By due time, then by arrival.
    under_way: BTreeMap<(Instant, u64), Datagram>,
    added: u64,
    /// For each flow, the last sent datagram in order of arrival.
    latest: BTreeMap<u64, u64>,
    counts: Counts,
    has_ended: bool,
}

/// A datagram and its destination.
#[derive(Clone, Debug)]
pub(super) struct Datagram {
    pub(super) bytes: Arc<[u8]>,
    /// Its flow (a direction of a session), and its number in it.
    pub(super) flow: u64,
    pub(super) number: u64,
    pub(super) from: Arc<UdpSocket>,
    /// `None` if the socket is connected.
    pub(super) to: Option<SocketAddr>,
}

impl Schedule {
    /// Sends `datagram` at `at`.
    pub(super) fn add(&self, at: Instant, datagram: Datagram) {
        let mut state = self.lock();
        state.added += 1;
        let place = (at, state.added);
        state.under_way.insert(place, datagram);
        self.changed.notify_one();
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.lock().counts);
    }

    pub(super) fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// Ends the thread of [`Schedule::run`], and later calls.
    pub(super) fn end(&self) {
        self.lock().has_ended = true;
        self.changed.notify_all();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lock().has_ended
    }

    /// Sends until the end.
    pub(super) fn run(&self) {
        let mut state = self.lock();
        while !state.has_ended {
            let due = state.under_way.first_key_value().map(|(place, _)| place.0);
            let now = Instant::now();
            state = match due {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(due) if due > now => {
                    let waited = self.changed.wait_timeout(state, due - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                Some(_) => {
                    let (_, datagram) = state.under_way.pop_first().expect("there was one");
                    state.on_send(&datagram);
                    drop(state);
                    datagram.send();
                    self.lock()
                }
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn on_send(&mut self, datagram: &Datagram) {
        let latest = self.latest.entry(datagram.flow).or_default();
        self.counts.late += u64::from(datagram.number < *latest);
        *latest = datagram.number.max(*latest);
    }
}

impl Datagram {
    /// As on any line, nobody is told if it cannot be delivered.
    fn send(&self) {
        let _ = match self.to {
            Some(to) => self.from.send_to(&self.bytes, to),
            None => self.from.send(&self.bytes),
        };
    }
}
