//! What a driver needs from a connector: links between members whose identity the connector has verified.
//!
//! There is at most one link per pair of members, no matter how often and from which side it is dialled.
//! While the link is up, the messages of a lane arrive in order, and the bulk lane never delays the small
//! lane.

use crate::id::MemberId;
use alloc::{boxed::Box, string::String, sync::Arc};
use core::fmt;

/// Where a member can be dialled. The connector defines its format (`HOST:PORT` for QUIC).
pub type Address = Arc<str>;

/// One of the two streams of a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Lane {
    /// Heads, pushes, requests: at most [`crate::limits::SMALL_BYTES_MAX`] bytes each.
    Small,
    /// Answers that carry data.
    Bulk,
}

/// An encoded message, shared by all links that it is sent on.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// The lane that it takes.
    pub lane: Lane,
    /// The encoded message: at most [`crate::limits::MESSAGE_BYTES_MAX`] bytes.
    pub bytes: Arc<[u8]>,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} B", self.lane, self.bytes.len())
    }
}

/// Which side dialled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// We dialled the peer.
    Out,
    /// The peer dialled us.
    In,
}

/// Why a frame was not queued. It was not sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SendError {
    /// The lane's queue is full; [`Event::Room`] follows when there is room again. The frame is returned.
    Full(Frame),
    /// There is no such link. Its `LinkDown` was pushed or will be soon.
    Down,
}

/// Runs a callback when the driver has handled the event that it belongs to. A connector uses it to know how
/// much waits in the inbox, and stops reading from a peer whose bytes have not been handled yet. A driver may
/// delay some small messages until its next round, so a connector must not wait for each receipt before it
/// continues.
#[derive(Default)]
pub struct Receipt(Option<Box<dyn FnOnce() + Send>>);

impl Receipt {
    /// Calls `done` when dropped.
    pub fn new(done: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(done)))
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done();
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receipt")
    }
}

/// What a connector reports to its driver.
#[derive(Debug)]
pub enum Event {
    /// A link came up: the peer's identity is verified, and the peer accepted the connection.
    LinkUp {
        /// The peer.
        peer: MemberId,
        /// The address of the peer. In both directions, an address that can be dialled if the connector knows
        /// one.
        address: Option<Address>,
        /// Which side dialled.
        direction: Direction,
    },
    /// A link went down. This event precedes the `LinkUp` of a link that replaces it.
    LinkDown {
        /// The peer.
        peer: MemberId,
        /// The reason, for people.
        reason: String,
    },
    /// A message arrived on a link that is up.
    Received {
        /// The sender, whose identity is verified.
        from: MemberId,
        /// The message: at most [`crate::limits::MESSAGE_BYTES_MAX`] bytes.
        bytes: Arc<[u8]>,
        /// Dropped when the message has been handled.
        receipt: Receipt,
    },
    /// The peer sent bytes that are not valid frames. `LinkDown` follows.
    Broken {
        /// The peer.
        peer: MemberId,
    },
    /// A lane that answered `Full` has room again.
    Room {
        /// The peer.
        peer: MemberId,
        /// The lane.
        lane: Lane,
    },
    /// A dial reached a peer that already has a working link. The new connection was closed.
    DialFound {
        /// The address that was dialled.
        address: Address,
        /// The expected peer, if there was one.
        expected: Option<MemberId>,
        /// The peer at the address, whose identity is verified.
        peer: MemberId,
    },
    /// A dial failed. A dial that succeeds is reported as a `LinkUp`.
    DialFailed {
        /// The address that was dialled.
        address: Address,
        /// The expected peer, if there was one.
        expected: Option<MemberId>,
        /// The reason, for people.
        error: String,
    },
}

/// Where a connector pushes its events. It is called from any thread and must not block.
pub trait Inbox: Send + Sync + 'static {
    /// Queues `event` for the driver.
    fn push(&self, event: Event);
}

/// Links to other members. Dropping the connector closes them all.
pub trait Connector: Send + 'static {
    /// Queues `frame` on the link to `to`. Never blocks.
    fn send(&self, to: MemberId, frame: Frame) -> Result<(), SendError>;
    /// Starts to dial; an event reports the outcome. If `expected` is `None`, the address is resolved and
    /// dialled regardless of which peer was found there before. Dialling oneself fails.
    fn dial(&self, address: Address, expected: Option<MemberId>);
    /// Closes the link to `peer` after sending what is queued in the small lane. `LinkDown` follows on both
    /// sides.
    fn close(&self, peer: MemberId, reason: &str);
    /// Closes everything without waiting for peers. No event follows after this returns. Idempotent.
    fn stop(&self);
    /// Total bytes of messages sent and received so far on all links: (sent, received).
    fn traffic(&self) -> (u64, u64);
}
