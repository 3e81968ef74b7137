//! The events of one member on their way to its inbox: in order, one at a time, pushed by whichever thread is
//! there.

use datafan_core::connector::{Event, Inbox};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::{self, ThreadId},
};

/// Events are queued here under the switch's lock, which fixes their order, and pushed without it: an inbox
/// that drops an event at once may run a receipt, which takes that lock.
pub(crate) struct Mailbox {
    state: Mutex<State>,
    /// Signalled when a thread has pushed all events.
    idle: Condvar,
    inbox: Arc<dyn Inbox>,
    /// Bytes of messages queued here so far.
    received_bytes: AtomicU64,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Event>,
    /// The thread that is pushing; others leave their events to it.
    carrier: Option<ThreadId>,
    closed: bool,
}

impl Mailbox {
    pub(crate) fn new(inbox: Arc<dyn Inbox>) -> Self {
        Self { state: Mutex::default(), idle: Condvar::new(), inbox, received_bytes: AtomicU64::new(0) }
    }

    /// Appends `event`; a closed mailbox returns it, to be dropped when no lock is held.
    pub(crate) fn put(&self, event: Event) -> Result<(), Event> {
        let mut state = self.lock();
        if state.closed {
            return Err(event);
        }
        if let Event::Received { bytes, .. } = &event {
            self.received_bytes.fetch_add(bytes.len() as u64, Relaxed);
        }
        state.waiting.push_back(event);
        Ok(())
    }

    /// Pushes the queued events, unless another thread, or this one further up its stack, is doing so.
    pub(crate) fn carry(&self) {
        let mut state = self.lock();
        if state.carrier.is_some() {
            return;
        }
        state.carrier = Some(thread::current().id());
        while let Some(event) = state.waiting.pop_front() {
            drop(state);
            self.inbox.push(event);
            state = self.lock();
        }
        state.carrier = None;
        self.idle.notify_all();
    }

    /// After this returns, no event is pushed. The queued ones are returned, to be dropped when no lock is
    /// held.
    pub(crate) fn close(&self) -> VecDeque<Event> {
        let mut state = self.lock();
        state.closed = true;
        let waiting = std::mem::take(&mut state.waiting);
        // An inbox that closes its own member during a push must not wait for itself.
        while state.carrier.is_some_and(|carrier| carrier != thread::current().id()) {
            state = self.idle.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        waiting
    }

    /// Bytes of messages queued here so far.
    pub(crate) fn received_bytes(&self) -> u64 {
        self.received_bytes.load(Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
