//! Answers of any length, made as they are read, never more than a few chunks in memory: JSON lines, or bytes.

use super::refuse::typed;
use axum::{body::Body, response::Response};
use bytes::Bytes;
use datafan_core::store::StoreError;
use futures_core::Stream;
use serde::Serialize;
use std::{
    io, mem,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{runtime::Handle, sync::mpsc};

/// Bytes after which a chunk is handed over.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks that wait for the reader.
const CHUNKS_WAITING_MAX: usize = 4;
/// How long a reader may take nothing before it is given up: it keeps a snapshot alive, and with it old pages.
const STALLED_TIMEOUT: Duration = Duration::from_secs(60);

type Chunk = Result<Bytes, io::Error>;

/// Where lines go.
pub struct Lines {
    chunk: Vec<u8>,
    to: mpsc::Sender<Chunk>,
    runtime: Handle,
}

/// Nobody reads any more.
pub struct Gone;

impl Lines {
    /// One object on one line; waits for the reader where it is slower.
    pub fn line(&mut self, value: &impl Serialize) -> Result<(), Gone> {
        serde_json::to_writer(&mut self.chunk, value).expect("plain data with text keys is JSON");
        self.chunk.push(b'\n');
        if self.chunk.len() < CHUNK_BYTES { Ok(()) } else { self.hand_over() }
    }

    /// Bytes as they are; waits for the reader where it is slower.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() < CHUNK_BYTES { Ok(()) } else { self.hand_over() }
    }

    fn hand_over(&mut self) -> Result<(), Gone> {
        let chunk = mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_BYTES));
        self.send(Ok(chunk.into()))
    }

    fn send(&self, chunk: Chunk) -> Result<(), Gone> {
        self.runtime.block_on(self.to.send_timeout(chunk, STALLED_TIMEOUT)).map_err(|_| Gone)
    }
}

/// An answer that `work` writes on a thread of its own. An error breaks the connection off, so that the reader does
/// not take what it got for all.
pub fn lines(work: impl FnOnce(&mut Lines) -> Result<(), StoreError> + Send + 'static) -> Response {
    stream("application/x-ndjson", work)
}

/// As [`lines`], of any content.
pub fn stream(
    content_type: &'static str,
    work: impl FnOnce(&mut Lines) -> Result<(), StoreError> + Send + 'static,
) -> Response {
    let (to, chunks) = mpsc::channel(CHUNKS_WAITING_MAX);
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let mut lines = Lines { chunk: Vec::with_capacity(CHUNK_BYTES), to, runtime };
        let worked = work(&mut lines);
        let _ = match worked {
            Ok(()) => lines.hand_over(),
            Err(error) => lines.send(Err(io::Error::other(error))),
        };
    });
    typed(content_type, Body::from_stream(Chunks(chunks)))
}

struct Chunks(mpsc::Receiver<Chunk>);

impl Stream for Chunks {
    type Item = Chunk;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Chunk>> {
        self.0.poll_recv(context)
    }
}
