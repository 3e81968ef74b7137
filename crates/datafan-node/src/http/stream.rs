//! Answers of any length, produced while they are read, with only a few chunks in memory: JSON lines or
//! bytes.

use super::{
    bounds::{Place, STALLED_TIMEOUT},
    refuse::typed,
};
use axum::{body::Body, response::Response};
use bytes::Bytes;
use datafan_core::store::StoreError;
use futures_core::Stream;
use serde::Serialize;
use std::{
    io, mem,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{runtime::Handle, sync::mpsc};

/// Bytes after which a chunk is sent.
const CHUNK_BYTES: usize = 64 << 10;
/// Maximum number of chunks that wait for the reader.
const CHUNKS_WAITING_MAX: usize = 4;

type Chunk = Result<Bytes, io::Error>;

/// The writing end of an answer.
pub struct Lines {
    chunk: Vec<u8>,
    to: mpsc::Sender<Chunk>,
    runtime: Handle,
    /// How long a reader may read nothing: meanwhile it keeps a snapshot alive, and with it old pages.
    patience: Duration,
    /// A chunk was not sent: nothing more may follow, and the answer must not end normally.
    given_up: bool,
}

/// The reader is gone.
pub struct Gone;

impl Lines {
    /// Writes one object on one line; waits for a slow reader.
    pub fn line(&mut self, value: &impl Serialize) -> Result<(), Gone> {
        serde_json::to_writer(&mut self.chunk, value).expect("plain data with text keys is JSON");
        self.chunk.push(b'\n');
        if self.chunk.len() < CHUNK_BYTES { Ok(()) } else { self.hand_over() }
    }

    /// Writes raw bytes; waits for a slow reader.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() < CHUNK_BYTES { Ok(()) } else { self.hand_over() }
    }

    /// Sends what is buffered, before an error breaks the answer off.
    pub fn flush(&mut self) -> Result<(), Gone> {
        self.hand_over()
    }

    fn hand_over(&mut self) -> Result<(), Gone> {
        let chunk = mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_BYTES));
        self.send(Ok(chunk.into()))
    }

    fn send(&mut self, chunk: Chunk) -> Result<(), Gone> {
        if !self.given_up {
            self.given_up = self.runtime.block_on(self.to.send_timeout(chunk, self.patience)).is_err();
        }
        if self.given_up { Err(Gone) } else { Ok(()) }
    }
}

/// An answer that `work` writes on its own thread. An error breaks the connection off, so that the reader
/// does not take a part for the whole.
pub fn lines(
    place: Place,
    work: impl FnOnce(&mut Lines) -> Result<(), StoreError> + Send + 'static,
) -> Response {
    stream("application/x-ndjson", place, work)
}

/// Like [`lines`], for any content type.
pub fn stream(
    content_type: &'static str,
    place: Place,
    work: impl FnOnce(&mut Lines) -> Result<(), StoreError> + Send + 'static,
) -> Response {
    typed(content_type, Body::from_stream(chunks(STALLED_TIMEOUT, place, work)))
}

fn chunks(
    patience: Duration,
    place: Place,
    work: impl FnOnce(&mut Lines) -> Result<(), StoreError> + Send + 'static,
) -> Chunks {
    let (to, chunks) = mpsc::channel(CHUNKS_WAITING_MAX);
    let (runtime, whole) = (Handle::current(), Arc::new(AtomicBool::new(false)));
    let is_whole = whole.clone();
    tokio::task::spawn_blocking(move || {
        let chunk = Vec::with_capacity(CHUNK_BYTES);
        let mut lines = Lines { chunk, to, runtime, patience, given_up: false };
        let handed_over = match work(&mut lines) {
            Ok(()) => lines.hand_over().is_ok(),
            Err(error) => {
                let _ = lines.send(Err(io::Error::other(error)));
                false
            }
        };
        // Set before the channel is closed: whoever sees the end of the channel sees this too.
        is_whole.store(handed_over, Ordering::Release);
        drop((lines, place));
    });
    Chunks { chunks, whole, failed: None }
}

struct Chunks {
    chunks: mpsc::Receiver<Chunk>,
    /// Whether the end of the channel is also the end of the answer; it is not if the writer gave up or
    /// panicked.
    whole: Arc<AtomicBool>,
    /// An error that closes the connection after everything before it was sent.
    failed: Option<io::Error>,
}

impl Stream for Chunks {
    type Item = Chunk;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Chunk>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let error = match ready!(self.chunks.poll_recv(context)) {
            None if self.whole.load(Ordering::Acquire) => return Poll::Ready(None),
            None => io::Error::other("the answer was not written to its end"),
            Some(Err(error)) => error,
            Some(Ok(chunk)) => return Poll::Ready(Some(Ok(chunk))),
        };
        // hyper has not flushed yet, and an error would discard what it has buffered.
        self.failed = Some(error);
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::bounds::Bounds;
    use std::future::poll_fn;

    async fn read(chunks: &mut Chunks) -> Option<Chunk> {
        poll_fn(|context| Pin::new(&mut *chunks).poll_next(context)).await
    }

    async fn chunks_of(
        patience: Duration,
        work: impl FnOnce(&mut Lines) -> Result<(), StoreError> + Send + 'static,
    ) -> Chunks {
        chunks(patience, Bounds::default().stream().await.unwrap(), work)
    }

    #[tokio::test]
    async fn an_answer_has_an_end_only_if_it_is_whole() {
        let mut good = chunks_of(STALLED_TIMEOUT, |out| out.bytes(b"all").map_err(|_| failed())).await;
        assert_eq!(read(&mut good).await.unwrap().unwrap(), b"all"[..]);
        assert!(read(&mut good).await.is_none());
        let mut bad = chunks_of(STALLED_TIMEOUT, |_| Err(failed())).await;
        assert!(read(&mut bad).await.unwrap().is_err());
        let mut panicked = chunks_of(STALLED_TIMEOUT, |_| panic!("a bug")).await;
        assert!(read(&mut panicked).await.unwrap().is_err());
    }

    #[tokio::test]
    async fn an_error_leaves_time_to_send_what_came_before_it() {
        let mut chunks = chunks_of(STALLED_TIMEOUT, |out| {
            let _ = out.bytes(b"the last line").and_then(|()| out.flush());
            Err(failed())
        })
        .await;
        assert_eq!(read(&mut chunks).await.unwrap().unwrap(), b"the last line"[..]);
        // hyper flushes when there is nothing to send for a moment.
        let first = poll_fn(|context| Poll::Ready(Pin::new(&mut chunks).poll_next(context))).await;
        assert!(first.is_pending());
        assert!(read(&mut chunks).await.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_reader_that_comes_back_too_late_sees_that_something_is_missing() {
        let (done, given_up) = tokio::sync::oneshot::channel();
        let mut late = chunks_of(Duration::from_millis(1), |out| {
            // Like in the endpoints: the reader is gone, so there is nothing left to do.
            while out.bytes(&[0; CHUNK_BYTES]).is_ok() {}
            let _ = done.send(());
            Ok(())
        })
        .await;
        given_up.await.unwrap();
        for _ in 0..CHUNKS_WAITING_MAX {
            assert_eq!(read(&mut late).await.unwrap().unwrap().len(), CHUNK_BYTES);
        }
        assert!(read(&mut late).await.unwrap().is_err(), "the answer must not end normally");
    }

    fn failed() -> StoreError {
        StoreError::Failed { what: "on purpose".to_owned() }
    }
}
