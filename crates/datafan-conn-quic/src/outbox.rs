//! What waits to be sent on a link, by lane, within bounds.

use crate::config::queue_bytes_max;
use datafan_core::connector::{Frame, Lane, SendError};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// The two queues of a link, between the driver's thread and the link's writer.
#[derive(Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    /// Told when there is something new for the writer.
    pub(crate) news: Notify,
}

#[derive(Default)]
struct State {
    lanes: [Queue; 2],
    /// No more is taken; the small lane is still sent.
    closing: bool,
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<Arc<[u8]>>,
    /// Of the frames, and of the one that the writer is at.
    bytes: usize,
    /// `Full` was answered and `Room` is owed.
    owes_room: bool,
}

impl Outbox {
    /// Queues `frame`, if it fits.
    pub(crate) fn push(&self, frame: Frame) -> Result<(), SendError> {
        let mut state = self.lock();
        if state.closing {
            return Err(SendError::Down);
        }
        let queue = &mut state.lanes[frame.lane as usize];
        let cost = cost(frame.bytes.len());
        if queue.bytes + cost > queue_bytes_max(frame.lane) {
            queue.owes_room = true;
            return Err(SendError::Full(frame));
        }
        queue.bytes += cost;
        queue.frames.push_back(frame.bytes);
        drop(state);
        self.news.notify_one();
        Ok(())
    }

    /// The next frame of `lane`. Its bytes count until [`Self::sent`].
    pub(crate) fn pop(&self, lane: Lane) -> Option<Arc<[u8]>> {
        self.lock().lanes[lane as usize].frames.pop_front()
    }

    /// A frame of `n_bytes` has left; whether `Room` must be told.
    pub(crate) fn sent(&self, lane: Lane, n_bytes: usize) -> bool {
        let mut state = self.lock();
        let queue = &mut state.lanes[lane as usize];
        queue.bytes -= cost(n_bytes);
        let has_room = queue.owes_room && queue.bytes <= queue_bytes_max(lane) / 2;
        queue.owes_room &= !has_room;
        has_room
    }

    /// Takes no more, and lets the writer finish the small lane.
    pub(crate) fn close(&self) {
        self.lock().closing = true;
        self.news.notify_one();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.lock().closing
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a frame counts: more than its bytes, so that empty ones are bounded too.
fn cost(n_bytes: usize) -> usize {
    n_bytes + 64
}
