//! Bounded queues of the frames to send on a link, one per lane.

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
    /// Signalled when the writer has something to do.
    pub(crate) news: Notify,
}

#[derive(Default)]
struct State {
    lanes: [Queue; 2],
    /// Nothing more is accepted; the small lane is still sent.
    closing: bool,
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<Arc<[u8]>>,
    /// Bytes of the queued frames and of the one being written.
    bytes: usize,
    /// `Full` was answered, and `Room` must follow.
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

    /// Records that a frame of `n_bytes` was sent; returns whether to report `Room`.
    pub(crate) fn sent(&self, lane: Lane, n_bytes: usize) -> bool {
        let mut state = self.lock();
        let queue = &mut state.lanes[lane as usize];
        queue.bytes -= cost(n_bytes);
        let has_room = queue.owes_room && queue.bytes <= queue_bytes_max(lane) / 2;
        queue.owes_room &= !has_room;
        has_room
    }

    /// Accepts nothing more, and lets the writer finish the small lane.
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

/// The size of a frame with overhead, so that empty ones are bounded too.
fn cost(n_bytes: usize) -> usize {
    n_bytes + 64
}
