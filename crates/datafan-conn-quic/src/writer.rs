//! Sends the queued frames of a link: one task for both lanes, so that bulk frames make way for small
//! messages.

use crate::{ending::Code, framing, link::Link, table::Table};
use datafan_core::connector::{Event, Lane};
use quinn::{SendStream, WriteError};
use std::sync::Arc;

/// Sends until the link is closed: by us, after the small lane is sent, or otherwise at once.
pub(crate) async fn write(table: &Table, link: &Arc<Link>) {
    match write_lanes(table, link).await {
        Ok(mut lanes) => {
            // A connection that closes drops unacknowledged data.
            let _ = lanes.small.finish();
            let _ = tokio::time::timeout(table.close_timeout, lanes.small.stopped()).await;
            link.close_now();
        }
        Err(WriteError::ConnectionLost(_)) => {}
        Err(error) => link.end(Code::Protocol, &error.to_string()),
    }
}

/// The two streams. They end with the connection: a stream dropped earlier would end within a frame.
struct Lanes {
    small: SendStream,
    bulk: SendStream,
}

/// Returns the lanes when the small one is fully written and the link is to be closed.
async fn write_lanes(table: &Table, link: &Arc<Link>) -> Result<Lanes, WriteError> {
    let mut lanes = Lanes { small: open(link, Lane::Small).await?, bulk: open(link, Lane::Bulk).await? };
    let mut current: Option<Progress> = None;
    loop {
        if let Some(bytes) = link.outbox.pop(Lane::Small) {
            table.count_sent(bytes.len());
            lanes.small.write_all(&header(&bytes)).await?;
            lanes.small.write_all(&bytes).await?;
            sent(table, link, Lane::Small, bytes.len());
            continue;
        }
        if link.outbox.is_closing() {
            return Ok(lanes);
        }
        if current.is_none() {
            current = link.outbox.pop(Lane::Bulk).map(Progress::new);
            table.count_sent(current.as_ref().map_or(0, |progress| progress.bytes.len()));
        }
        let Some(progress) = &mut current else {
            link.outbox.news.notified().await;
            continue;
        };
        // While the windows are full, a new small message must not wait behind this one.
        tokio::select! {
            biased;
            () = link.outbox.news.notified() => {}
            written = lanes.bulk.write(progress.rest()) => progress.offset += written?,
        }
        if progress.rest().is_empty() {
            sent(table, link, Lane::Bulk, progress.bytes.len());
            current = None;
        }
    }
}

/// Opens the stream of `lane` and sends its lane byte.
async fn open(link: &Link, lane: Lane) -> Result<SendStream, WriteError> {
    let mut stream = link.connection.open_uni().await?;
    // Fails only on a closed stream.
    let _ = stream.set_priority(if lane == Lane::Small { 1 } else { 0 });
    stream.write_all(&[framing::tag(lane)]).await?;
    Ok(stream)
}

fn sent(table: &Table, link: &Arc<Link>, lane: Lane, n_bytes: usize) {
    if link.outbox.sent(lane, n_bytes) {
        table.push(link, Event::Room { peer: link.peer, lane });
    }
}

/// A bulk frame that is partly sent.
struct Progress {
    bytes: Arc<[u8]>,
    header: [u8; 4],
    /// Bytes of header and content sent.
    offset: usize,
}

impl Progress {
    fn new(bytes: Arc<[u8]>) -> Self {
        Self { header: header(&bytes), bytes, offset: 0 }
    }

    /// The next bytes to send; empty at the end.
    fn rest(&self) -> &[u8] {
        match self.header.get(self.offset..) {
            Some(rest) if !rest.is_empty() => rest,
            _ => {
                let rest = &self.bytes[self.offset - self.header.len()..];
                &rest[..rest.len().min(CHUNK_BYTES)]
            }
        }
    }
}

fn header(bytes: &[u8]) -> [u8; 4] {
    let length = u32::try_from(bytes.len()).expect("a frame is within its lane's limit");
    length.to_be_bytes()
}

/// How much of a bulk frame is passed to the connection at once.
const CHUNK_BYTES: usize = 64 << 10;
