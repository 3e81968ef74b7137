//! Receives what a peer sends on a link, no faster than it is handled.

use crate::{
    budget::Share,
    config::{frame_bytes_max, inbox_bytes_max},
    ending::Code,
    framing::{self, FrameError},
    link::Link,
    table::Table,
};
use datafan_core::connector::{Event, Lane, Receipt};
use quinn::RecvStream;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst},
};
use tokio::{sync::Notify, task::JoinSet};

/// Reads both lanes until the connection is gone, and hands over all that had arrived by then.
pub(crate) async fn read(table: Arc<Table>, link: Arc<Link>) {
    let mut readers = JoinSet::new();
    while let Ok(stream) = link.connection.accept_uni().await {
        readers.spawn(read_stream(table.clone(), link.clone(), stream));
    }
    while readers.join_next().await.is_some() {}
}

async fn read_stream(table: Arc<Table>, link: Arc<Link>, stream: RecvStream) {
    if let Err(FrameError::Broken(what)) = read_frames(&table, &link, stream).await {
        table.stats(|stats| stats.protocol_errors += 1);
        tracing::debug!(peer = ?link.peer, what, "protocol error");
        table.push(&link, Event::Broken { peer: link.peer });
        link.end(Code::Protocol, &what);
    }
}

async fn read_frames(table: &Table, link: &Arc<Link>, mut stream: RecvStream) -> Result<(), FrameError> {
    let lane = framing::read_lane(&mut stream).await?;
    let intake = &link.intakes[lane as usize];
    if intake.is_open.swap(true, Relaxed) {
        return Err(FrameError::Broken(format!("a second stream of lane {lane:?}")));
    }
    loop {
        intake.wait(link, lane).await;
        let length = framing::read_length(&mut stream, frame_bytes_max(lane)).await?;
        let Some(length) = length else { return Ok(()) };
        // Small messages wait for nobody; how many there can be of them follows from the number of links.
        let mut share = (lane == Lane::Bulk).then(|| table.budget.begin(link));
        let bytes = framing::read(&mut stream, length, &mut share).await?;
        table.count_received(bytes.len());
        let receipt = intake.take(bytes.len(), share);
        table.push(link, Event::Received { from: link.peer, bytes: bytes.into(), receipt });
    }
}

/// How much of a lane waits in the inbox.
#[derive(Default)]
pub(crate) struct Intake {
    /// The peer has opened this lane; it may do so once.
    is_open: AtomicBool,
    waiting: Arc<Waiting>,
}

#[derive(Default)]
struct Waiting {
    bytes: AtomicUsize,
    handled: Notify,
}

impl Intake {
    /// Waits until more may be read. What had arrived before the connection was lost is bounded by its window, and
    /// is read at once.
    async fn wait(&self, link: &Link, lane: Lane) {
        while self.waiting.bytes.load(SeqCst) >= inbox_bytes_max(lane) {
            tokio::select! {
                () = self.waiting.handled.notified() => {}
                _ = link.connection.closed() => return,
            }
        }
    }

    /// Counts a message, which is complete, until its receipt is dropped; its share of the budget goes with it.
    fn take(&self, n_bytes: usize, mut share: Option<Share>) -> Receipt {
        if let Some(share) = &mut share {
            share.finish();
        }
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
