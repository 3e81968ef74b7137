//! Bounds the bytes of frames that the engine has not handled yet, over all links. Memory is charged as bytes
//! arrive. If unfinished frames use up the budget, the link whose overdue frame holds most of it is closed.

use crate::{ending::Code, framing::FrameError, link::Link};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// The budget of a connector.
pub(crate) struct Budget {
    bytes_max: usize,
    held: Mutex<Held>,
    freed: Notify,
}

#[derive(Default)]
struct Held {
    bytes: usize,
    /// Unfinished frames, in the order in which they began.
    unfinished: BTreeMap<u64, Unfinished>,
    /// Bytes charged to these.
    unfinished_bytes: usize,
    /// Bytes charged to frames whose links were closed for it, until they are returned.
    ending_bytes: usize,
    last_number: u64,
    n_crowded_out: u64,
}

struct Unfinished {
    since: Instant,
    link: Arc<Link>,
    bytes: usize,
}

/// The answer to a request for more.
enum Taken {
    Yes,
    /// Not now; try again at this time, unless bytes are returned before.
    Not {
        until: Instant,
    },
}

impl Budget {
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { bytes_max, held: Mutex::default(), freed: Notify::new() })
    }

    /// Records that a frame begins to arrive on `link`.
    pub(crate) fn begin(self: &Arc<Self>, link: &Arc<Link>) -> Share {
        let mut held = self.lock();
        held.last_number += 1;
        let number = held.last_number;
        let unfinished = Unfinished { since: Instant::now(), link: link.clone(), bytes: 0 };
        held.unfinished.insert(number, unfinished);
        Share { budget: self.clone(), link: link.clone(), number, bytes: 0, finished: false }
    }

    /// Bytes charged, and the number of links that were closed for lack of room.
    pub(crate) fn stats(&self) -> (u64, u64) {
        let held = self.lock();
        (held.bytes as u64, held.n_crowded_out)
    }

    fn take(&self, n_bytes: usize, number: u64) -> Taken {
        let mut held = self.lock();
        if held.bytes + n_bytes <= self.bytes_max {
            held.bytes += n_bytes;
            match held.unfinished.get_mut(&number) {
                Some(unfinished) => {
                    unfinished.bytes += n_bytes;
                    held.unfinished_bytes += n_bytes;
                }
                // Its link was closed, but its reader has not noticed yet.
                None => held.ending_bytes += n_bytes,
            }
            return Taken::Yes;
        }
        let now = Instant::now();
        let not_yet = Taken::Not { until: now + PATIENCE };
        // The bytes about to be returned may suffice; and if most bytes belong to complete frames, room
        // appears as fast as the engine works.
        let comes_back = held.bytes - held.ending_bytes + n_bytes <= self.bytes_max;
        if comes_back || held.unfinished_bytes < self.bytes_max / 2 {
            return not_yet;
        }
        let took_long = |unfinished: &Unfinished| unfinished.since + PATIENCE <= now;
        let others = held.unfinished.iter().filter(|(other, frame)| **other != number && took_long(frame));
        let largest = others.max_by_key(|(other, frame)| (frame.bytes, std::cmp::Reverse(**other)));
        if let Some(other) = largest.filter(|(_, frame)| frame.bytes > 0).map(|(other, _)| *other)
            && let Some(unfinished) = held.end(other)
        {
            // Returned when its reader has noticed the end.
            held.ending_bytes += unfinished.bytes;
            held.n_crowded_out += 1;
            unfinished.link.end(Code::Full, "its frame took too long while others waited");
        }
        not_yet
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // A panic cannot leave sums and entries half changed.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Removes a frame from the unfinished ones.
    fn end(&mut self, number: u64) -> Option<Unfinished> {
        let ended = self.unfinished.remove(&number)?;
        self.unfinished_bytes -= ended.bytes;
        Some(ended)
    }
}

/// The part of the budget that one frame holds until this is dropped.
pub(crate) struct Share {
    budget: Arc<Budget>,
    link: Arc<Link>,
    number: u64,
    bytes: usize,
    finished: bool,
}

impl Share {
    /// Charges more bytes, waiting until there is room or the connection is gone.
    pub(crate) async fn grow(&mut self, n_bytes: usize) -> Result<(), FrameError> {
        loop {
            let freed = self.budget.freed.notified();
            tokio::pin!(freed);
            // Registered before the check, so that no returned bytes are missed.
            freed.as_mut().enable();
            match self.budget.take(n_bytes, self.number) {
                Taken::Yes => {
                    self.bytes += n_bytes;
                    return Ok(());
                }
                Taken::Not { until } => tokio::select! {
                    () = freed => {}
                    () = tokio::time::sleep_until(until) => {}
                    _ = self.link.connection.closed() => return Err(FrameError::Lost),
                },
            }
        }
    }

    /// The frame is complete: it waits for the engine, and no timeout applies any more.
    pub(crate) fn finish(&mut self) {
        self.finished = self.budget.lock().end(self.number).is_some();
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.budget.lock();
        if held.end(self.number).is_none() && !self.finished {
            held.ending_bytes -= self.bytes;
        }
        held.bytes -= self.bytes;
        drop(held);
        self.budget.freed.notify_waiters();
    }
}

/// How long a frame may take while others wait.
const PATIENCE: Duration = Duration::from_secs(1);
