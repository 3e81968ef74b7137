//! What the API accepts and sends at a time: no caller starves the others, and none fills the memory.

use super::{refusal::Refusal, refuse::Answered};
use axum::http::Request;
use datafan_core::limits::{KEY_BYTES_MAX, NAME_BYTES_MAX};
use std::{sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Maximum number of connections, of the socket and of TCP each.
pub const CONNECTIONS_MAX: usize = 64;
/// Maximum number of further connections that wait for one of them to end; more wait in the system's queue.
pub const WAITING_MAX: usize = 64;
/// Maximum number of streamed answers at a time: each keeps a snapshot and a thread.
pub const STREAMS_MAX: usize = 16;
/// Maximum number of requests that wait for a condition at a time.
pub const WAITS_MAX: usize = 32;
/// Maximum number of bodies longer than [`SMALL_BODY_BYTES_MAX`] at a time.
pub const BODIES_MAX: usize = 8;
/// Longest body that does not need one of these places, in bytes.
pub const SMALL_BODY_BYTES_MAX: usize = 64 << 10;
/// Longest body of a request, in bytes: the largest commit in base64, and its keys.
pub const BODY_BYTES_MAX: usize = 8 << 20;
/// Longest request line and headers together, in bytes.
pub const HEADER_BYTES_MAX: usize = 64 << 10;
/// Maximum number of headers of a request.
pub const HEADERS_MAX: usize = 64;
/// Longest name or id of an owner, in characters; an id has 52.
const OWNER_CHARS_MAX: usize = NAME_BYTES_MAX;

/// Timeout of a request's header, also between two requests on a connection.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Timeout of a body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a reader may take no data before its connection is closed.
pub const STALLED_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a request waits for a place when all are taken.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time that a request may wait for a condition: a day.
pub const WAIT_MILLIS_MAX: u64 = 86_400_000;
/// Longest lifetime of an item: a thousand years.
pub const TTL_MILLIS_MAX: u64 = 365_250 * 86_400_000;

// However many requests wait and read, some connections remain for plain requests.
const _: () = assert!(STREAMS_MAX + WAITS_MAX < CONNECTIONS_MAX);
// A key of which each byte takes three characters, and some room for the rest.
const _: () = assert!(3 * KEY_BYTES_MAX < HEADER_BYTES_MAX / 2);

/// The places of one member's API.
pub struct Bounds {
    streams: Arc<Semaphore>,
    waits: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
}

/// Occupied until it is dropped.
pub type Place = OwnedSemaphorePermit;

impl Default for Bounds {
    fn default() -> Self {
        let places = |n| Arc::new(Semaphore::new(n));
        Self { streams: places(STREAMS_MAX), waits: places(WAITS_MAX), bodies: places(BODIES_MAX) }
    }
}

impl Bounds {
    /// A place for a streamed answer.
    pub async fn stream(&self) -> Answered<Place> {
        place(&self.streams, STREAMS_MAX, "streamed answers are in progress").await
    }

    /// A place for a request that waits for a condition.
    pub async fn wait(&self) -> Answered<Place> {
        place(&self.waits, WAITS_MAX, "requests are waiting for a condition").await
    }

    /// A place for a long body.
    pub async fn body(&self) -> Answered<Place> {
        place(&self.bodies, BODIES_MAX, "long bodies are being received").await
    }
}

async fn place(places: &Arc<Semaphore>, most: usize, taken: &str) -> Answered<Place> {
    match tokio::time::timeout(BUSY_TIMEOUT, places.clone().acquire_owned()).await {
        Ok(place) => Ok(place.expect("never closed")),
        Err(_) => Err(Refusal::busy(format!("{most} {taken}, the limit: try again later"))),
    }
}

/// Bytes of the request line and the headers, about as they were sent.
pub fn head_bytes<B>(request: &Request<B>) -> usize {
    let line = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    line + headers.sum::<usize>()
}

/// Checks a key or a prefix of one.
pub fn key(text: &str) -> Answered<()> {
    match text.len() {
        ..=KEY_BYTES_MAX => Ok(()),
        len => Err(Refusal::usage(format!("key is {len} bytes, limit {KEY_BYTES_MAX}"))),
    }
}

/// Checks the name or id of an owner.
pub fn owner(text: &str) -> Answered<()> {
    match text.chars().count() {
        ..=OWNER_CHARS_MAX => Ok(()),
        n => Err(Refusal::usage(format!("owner is {n} characters, limit {OWNER_CHARS_MAX}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::wire::RefusalKind;

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_place_waits_for_one_and_is_told() {
        let bounds = Bounds::default();
        let mut places = Vec::new();
        for _ in 0..WAITS_MAX {
            places.push(bounds.wait().await.unwrap());
        }
        let refused = bounds.wait().await.unwrap_err();
        assert_eq!(refused.kind, RefusalKind::Busy);
        assert!(refused.error.contains("32 requests are waiting"), "{}", refused.error);
        assert!(bounds.stream().await.is_ok() && bounds.body().await.is_ok(), "others have their own");
        let (place, ()) = tokio::join!(bounds.wait(), async {
            tokio::time::sleep(BUSY_TIMEOUT / 2).await;
            places.pop();
        });
        assert!(place.is_ok(), "it got the freed place");
    }

    #[test]
    fn keys_and_owners_have_their_lengths() {
        assert!(key(&"k".repeat(KEY_BYTES_MAX)).is_ok() && key(&"k".repeat(KEY_BYTES_MAX + 1)).is_err());
        assert!(
            owner(&"ü".repeat(OWNER_CHARS_MAX)).is_ok() && owner(&"o".repeat(OWNER_CHARS_MAX + 1)).is_err()
        );
    }
}
