//! Datagrams under way, sent by one thread when their time has come.

use super::line::Counts;
use std::{
    collections::BTreeMap,
    net::{SocketAddr, UdpSocket},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// What is under way.
#[derive(Default, Debug)]
pub(super) struct Schedule {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default, Debug)]
struct State {
    /// By when they are due, then by when they came in.
    under_way: BTreeMap<(Instant, u64), Datagram>,
    added: u64,
    /// Of each flow the datagram that was sent and came in last.
    latest: BTreeMap<u64, u64>,
    counts: Counts,
    has_ended: bool,
}

/// A datagram and where it goes.
#[derive(Clone, Debug)]
pub(super) struct Datagram {
    pub(super) bytes: Arc<[u8]>,
    /// The direction of a session that it belongs to, and its number in it.
    pub(super) flow: u64,
    pub(super) number: u64,
    pub(super) from: Arc<UdpSocket>,
    /// `None` where the socket is connected.
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

    /// Ends the thread of [`Schedule::run`] and tells all who ask.
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
