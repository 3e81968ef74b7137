//! What a connector is told, what it counts, and its limits.

use datafan_core::{
    connector::Lane,
    identity::Identity,
    limits::{LINKS_MAX, MESSAGE_BYTES_MAX, SMALL_BYTES_MAX, STRANGERS_MAX},
};
use std::{io, net::SocketAddr, time::Duration};
use tokio::runtime::Handle;

/// How to bind a connector.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whose links these are.
    pub identity: Identity,
    /// UDP addresses to listen on, at least one. A dial leaves from one of its target's family, so that the
    /// peer sees an address that can be dialled back. An IPv6 address takes no IPv4.
    pub listen: Vec<SocketAddr>,
    /// Where the tasks run; a current-thread runtime will do.
    pub runtime: Handle,
    /// How long a dial may take to get an answer, and a connection to become a link. Default 5 s: three lost
    /// packets on a slow line.
    pub handshake_timeout: Duration,
    /// How often a silent link is probed. Default 5 s: keeps the address translation of home routers alive.
    pub keep_alive_interval: Duration,
    /// After how long without any answer a link is down. Default 15 s: three probes.
    pub idle_timeout: Duration,
    /// Bytes of the bulk lanes of all links together that nobody has looked at yet; default 64 MiB, at least
    /// one frame. Where they are used up, whoever has been sending one frame for longest loses its link.
    pub unverified_bytes_max: usize,
    /// Incoming handshakes under way from one address, at most; default 16, and twice as many from where
    /// members are. Of IPv6 all addresses of a /64 count as one. Beyond, the oldest of them gives way.
    pub half_open_source_max: usize,
    /// How long a closed link may take to send what is queued in its small lane. Default 2 s.
    pub close_timeout: Duration,
}

impl Config {
    /// A configuration with the defaults.
    pub fn new(identity: Identity, listen: Vec<SocketAddr>, runtime: Handle) -> Self {
        Self {
            identity,
            listen,
            runtime,
            handshake_timeout: Duration::from_secs(5),
            keep_alive_interval: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(15),
            unverified_bytes_max: 64 << 20,
            half_open_source_max: 16,
            close_timeout: Duration::from_secs(2),
        }
    }
}

/// Why a connector could not be bound. Nothing is left open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// There is nothing to listen on.
    #[error("no address to listen on")]
    NoAddress,
    /// Another program listens there.
    #[error("UDP port {} of {} is taken", .address.port(), .address.ip())]
    Taken {
        /// Where.
        address: SocketAddr,
    },
    /// The system refuses the address.
    #[error("cannot listen on {address}: {source}")]
    Refused {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The member's key makes no certificate.
    #[error("cannot make a certificate of the member's key: {reason}")]
    Certificate {
        /// What the library says.
        reason: String,
    },
}

/// What the connector has counted since it was bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Handshakes refused because too many were half open, or links too many.
    pub handshakes_refused: u64,
    /// Incoming handshakes that came to nothing: a bad certificate, a bad greeting, no answer in time, and
    /// those that gave way.
    pub handshakes_failed: u64,
    /// Connections closed because another one of the same pair was kept.
    pub duplicates: u64,
    /// Links closed because the peer broke the format: a frame too long, an unknown or a broken stream.
    pub protocol_errors: u64,
    /// Links closed because a frame did not end while others had no room.
    pub links_crowded_out: u64,
    /// Bytes of bulk lanes that nobody has looked at yet: what there is now, not a count.
    pub unverified_bytes: u64,
    /// Incoming handshakes under way, now.
    pub handshakes_half_open: u64,
    /// Incoming handshakes that gave way to later ones, for there were too many at a time.
    pub handshakes_evicted: u64,
}

/// Most incoming handshakes under way; beyond half of it senders must prove their address first. A quarter is
/// for the addresses of members.
pub(crate) const HALF_OPEN_MAX: usize = 64;
/// Most addresses of which it is remembered that members are there.
pub(crate) const KNOWN_SOURCES_MAX: usize = 1_024;
/// A link that has lasted so long is one with a member: the engine ends those with strangers sooner.
pub(crate) const LASTING: Duration = Duration::from_secs(30);
/// Most connections that are links and are not being closed: the engine's, and as many more as it may want to
/// refuse or to put in the place of others.
pub(crate) const CONNECTIONS_MAX: usize = LINKS_MAX + STRANGERS_MAX;
/// Most addresses tried of those that a name resolves to.
pub(crate) const RESOLVED_MAX: usize = 4;
/// Most bytes of the reason of a close.
pub(crate) const REASON_BYTES_MAX: usize = 200;
/// Most peers of whom it is remembered which link ended last.
pub(crate) const ENDED_MAX: usize = 1_024;

/// Bytes in flight and not yet acknowledged, all lanes of a link together. Moderate, because what the bulk
/// lane has put here is ahead of a small message.
pub(crate) const SEND_WINDOW_BYTES: u64 = 2 << 20;
/// Bytes of one lane that a peer may send beyond what was read.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 2 << 20;
/// Bytes that a peer may send before its connection is a link.
pub(crate) const GREETING_WINDOW_BYTES: u32 = 16 << 10;
/// Bytes of all lanes of a link that a peer may send beyond what was read: a full bulk lane leaves room for
/// the small one.
pub(crate) const RECEIVE_WINDOW_BYTES: u32 = 2 * STREAM_WINDOW_BYTES + (64 << 10);
/// The socket's buffers, if the system grants them: a window's worth, so that bursts are not dropped.
pub(crate) const SOCKET_BUFFER_BYTES: usize = 2 << 20;

/// Longest frame of `lane`.
pub(crate) fn frame_bytes_max(lane: Lane) -> usize {
    match lane {
        Lane::Small => SMALL_BYTES_MAX,
        Lane::Bulk => MESSAGE_BYTES_MAX,
    }
}

/// Bytes of `lane` that wait to be sent before `send` answers `Full`.
pub(crate) fn queue_bytes_max(lane: Lane) -> usize {
    match lane {
        Lane::Small => 1 << 20,
        Lane::Bulk => 17 << 20,
    }
}

/// Bytes of `lane` that wait in the inbox before its stream is no longer read; one more frame may be under
/// way.
pub(crate) fn inbox_bytes_max(lane: Lane) -> usize {
    match lane {
        Lane::Small => 1 << 20,
        Lane::Bulk => 8 << 20,
    }
}

const _: () = assert!(2 * MESSAGE_BYTES_MAX < 17 << 20 && SMALL_BYTES_MAX < 1 << 20);
const _: () = assert!(RECEIVE_WINDOW_BYTES > STREAM_WINDOW_BYTES);
