//! Receives what a peer sends on a link, no faster than the engine handles it.

use crate::{
    budget::Share,
    config::frame_bytes_max,
    ending::Code,
    framing::{self, FrameError},
    link::Link,
    table::Table,
};
use datafan_core::connector::{Event, Lane};
use quinn::RecvStream;
use std::sync::{Arc, atomic::Ordering::Relaxed};
use tokio::task::JoinSet;

/// Reads both lanes until the connection is gone, and hands over everything that arrived before.
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
        intake.wait(&link.connection, lane).await;
        let length = framing::read_length(&mut stream, frame_bytes_max(lane)).await?;
        let Some(length) = length else { return Ok(()) };
        // Small messages never wait; the number of links bounds how many there can be.
        let mut share = (lane == Lane::Bulk).then(|| table.budget.begin(link));
        let bytes = read_frame(&mut stream, length, &mut share).await?;
        table.count_received(bytes.len());
        if let Some(share) = &mut share {
            share.finish();
        }
        let receipt = intake.take(bytes.len(), share);
        table.push(link, Event::Received { from: link.peer, bytes: bytes.into(), receipt });
    }
}

/// Reads a frame of known length. `share` grows as bytes arrive, at most to twice as much: a peer that
/// announces a long frame and sends little of it costs little.
async fn read_frame(
    stream: &mut RecvStream,
    length: usize,
    share: &mut Option<Share>,
) -> Result<Vec<u8>, FrameError> {
    let (mut bytes, mut reserved) = (Vec::new(), 0);
    while bytes.len() < length {
        if bytes.len() == reserved {
            // Doubled each time, so that bytes are rarely copied.
            let more = reserved.max(RESERVE_BYTES).min(length - reserved);
            if let Some(share) = share {
                share.grow(more).await?;
            }
            bytes.reserve_exact(more);
            reserved += more;
        }
        let Some(chunk) = stream.read_chunk(reserved - bytes.len(), true).await? else {
            return Err(FrameError::Broken("incomplete frame".into()));
        };
        bytes.extend_from_slice(&chunk.bytes);
    }
    Ok(bytes)
}

/// Reserved for a frame before any of its bytes arrive.
const RESERVE_BYTES: usize = 64 << 10;
