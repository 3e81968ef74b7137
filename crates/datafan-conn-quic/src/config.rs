//! The configuration, counters and limits of a connector.

use datafan_core::{
    connector::Lane,
    identity::Identity,
    limits::{LINKS_MAX, MESSAGE_BYTES_MAX, SMALL_BYTES_MAX, STRANGERS_MAX},
};
use std::{io, net::SocketAddr, time::Duration};
use tokio::runtime::Handle;

/// The configuration of a connector.
#[derive(Clone, Debug)]
pub struct Config {
    /// The identity of the member.
    pub identity: Identity,
    /// UDP addresses to listen on, at least one. A dial uses the socket of the target's address family, so
    /// that the peer sees an address that it can dial back. An IPv6 address accepts no IPv4.
    pub listen: Vec<SocketAddr>,
    /// The runtime of the tasks; a current-thread runtime suffices.
    pub runtime: Handle,
    /// Timeout of a dial's answer, and of the step from a connection to a link. Default 5 s: three lost
    /// packets on a slow line.
    pub handshake_timeout: Duration,
    /// How often a silent link is probed. Default 5 s, which keeps the address translation of home routers
    /// alive.
    pub keep_alive_interval: Duration,
    /// Time without an answer after which a link is down. Default 15 s: three probes.
    pub idle_timeout: Duration,
    /// Bytes of the bulk lanes of all links together that the engine has not handled yet; default 64 MiB, at
    /// least one frame. When they are used up, the link that has been sending one frame for longest is
    /// closed.
    pub unverified_bytes_max: usize,
    /// Maximum number of incoming handshakes in progress from one address; default 16, and twice as many from
    /// addresses of members. All IPv6 addresses of a /64 count as one. Beyond that, the oldest is dropped.
    pub half_open_source_max: usize,
    /// How long a closed link may take to send its queued small messages. Default 2 s.
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
    /// There is no address to listen on.
    #[error("no address to listen on: name at least one")]
    NoAddress,
    /// Another program uses the port.
    #[error("UDP port {} of {} is taken", .address.port(), .address.ip())]
    Taken {
        /// The address.
        address: SocketAddr,
    },
    /// The system refuses the address.
    #[error("cannot listen on {address}: {source}")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// No certificate can be made from the member's key.
    #[error("cannot create a certificate for the member's key: {reason}")]
    Certificate {
        /// The error of the library.
        reason: String,
    },
}

/// The counters of a connector since it was bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Handshakes refused because too many were in progress, or there were too many links.
    pub handshakes_refused: u64,
    /// Incoming handshakes that failed: a bad certificate, a bad greeting, a timeout, or dropped for a later
    /// one.
    pub handshakes_failed: u64,
    /// Connections closed because another one of the same two members was kept.
    pub duplicates: u64,
    /// Links closed because the peer broke the format: a frame too long, an unknown or a malformed stream.
    pub protocol_errors: u64,
    /// Links closed because an unfinished frame left others no room.
    pub links_crowded_out: u64,
    /// Bytes of bulk lanes that the engine has not handled yet: the current value, not a total.
    pub unverified_bytes: u64,
    /// Incoming handshakes in progress now.
    pub handshakes_half_open: u64,
    /// Incoming handshakes dropped for later ones, because there were too many at a time.
    pub handshakes_evicted: u64,
}

/// Maximum number of incoming handshakes in progress; beyond half of it, senders must prove their address
/// first. A quarter is reserved for addresses of members.
pub(crate) const HALF_OPEN_MAX: usize = 64;
/// Maximum number of addresses remembered as those of members.
pub(crate) const KNOWN_SOURCES_MAX: usize = 1_024;
/// A link that has lasted this long is one with a member: the engine closes links with strangers sooner.
pub(crate) const LASTING: Duration = Duration::from_secs(30);
/// Maximum number of open links: those of the engine, and as many more for it to refuse or to replace others
/// with.
pub(crate) const CONNECTIONS_MAX: usize = LINKS_MAX + STRANGERS_MAX;
/// Maximum number of addresses tried of those that a name resolves to.
pub(crate) const RESOLVED_MAX: usize = 4;
/// Maximum bytes of the reason in a close.
pub(crate) const REASON_BYTES_MAX: usize = 200;
/// Maximum number of peers of which the last ended link is remembered.
pub(crate) const ENDED_MAX: usize = 1_024;

/// Bytes in flight and not yet acknowledged, over all lanes of a link. Moderate, because bulk bytes in flight
/// delay a small message.
pub(crate) const SEND_WINDOW_BYTES: u64 = 2 << 20;
/// Bytes of one lane that a peer may send ahead of what was read.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 2 << 20;
/// Bytes that a peer may send before its connection is a link.
pub(crate) const GREETING_WINDOW_BYTES: u32 = 16 << 10;
/// Bytes of all lanes of a link that a peer may send ahead of what was read: a full bulk lane leaves room for
/// the small one.
pub(crate) const RECEIVE_WINDOW_BYTES: u32 = 2 * STREAM_WINDOW_BYTES + (64 << 10);
/// Size of the socket's buffers, if the system grants it: one window, so that bursts are not dropped.
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

/// Bytes of `lane` that wait in the inbox before its stream is no longer read; one more frame may be in
/// progress.
pub(crate) fn inbox_bytes_max(lane: Lane) -> usize {
    match lane {
        Lane::Small => 1 << 20,
        Lane::Bulk => 8 << 20,
    }
}

const _: () = assert!(2 * MESSAGE_BYTES_MAX < 17 << 20 && SMALL_BYTES_MAX < 1 << 20);
const _: () = assert!(RECEIVE_WINDOW_BYTES > STREAM_WINDOW_BYTES);
