//! How much of a lane may wait to be handled.

use crate::config::inbox_bytes_max;
use datafan_core::connector::{Lane, Receipt};
use quinn::Connection;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};
use tokio::sync::Notify;

/// How much of a lane waits in the inbox.
#[derive(Default)]
pub(crate) struct Intake {
    /// Records that the peer opened this lane; it may do so once.
    pub(crate) is_open: AtomicBool,
    waiting: Arc<Waiting>,
}

#[derive(Default)]
struct Waiting {
    bytes: AtomicUsize,
    handled: Notify,
}

impl Intake {
    /// Waits until more may be read. Data that arrived before the connection was lost is bounded by its
    /// window and is read at once.
    pub(crate) async fn wait(&self, connection: &Connection, lane: Lane) {
        while self.waiting.bytes.load(SeqCst) >= inbox_bytes_max(lane) {
            tokio::select! {
                () = self.waiting.handled.notified() => {}
                _ = connection.closed() => return,
            }
        }
    }

    /// Counts a message until its receipt is dropped; its `share` of the budget is released with it.
    pub(crate) fn take(&self, n_bytes: usize, share: impl Send + 'static) -> Receipt {
        // Empty messages take memory too.
        let cost = n_bytes + 64;
        let waiting = self.waiting.clone();
        waiting.bytes.fetch_add(cost, SeqCst);
        Receipt::new(move || {
            waiting.bytes.fetch_sub(cost, SeqCst);
            waiting.handled.notify_one();
            drop(share);
        })
    }
}
