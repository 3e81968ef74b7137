//! What a driver asks of a connector: links between members whose identity the connector proves.
//!
//! There is at most one link per pair of members, however often and from whichever side it is dialled.
//! Messages of a lane arrive in order while the link is up, and bulk never delays the small lane.

use crate::id::MemberId;
use alloc::{boxed::Box, string::String, sync::Arc};
use core::fmt;

/// Where a member can be dialled; what it means is the connector's matter (`HOST:PORT` for QUIC).
pub type Address = Arc<str>;

/// Which of a link's two streams a message takes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Lane {
    /// Heads, pushes, requests: at most [`crate::limits::SMALL_BYTES_MAX`] bytes each.
    Small,
    /// Answers with data.
    Bulk,
}

/// An encoded message, shared by all the links that it goes to.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its lane.
    pub lane: Lane,
    /// At most [`crate::limits::MESSAGE_BYTES_MAX`] bytes.
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

/// Why a frame was not taken. It was not sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SendError {
    /// The lane's queue is full; [`Event::Room`] follows when there is room again. The frame comes back.
    Full(Frame),
    /// There is no such link; its `LinkDown` was pushed or is about to be.
    Down,
}

/// Runs when the driver has handled what it belongs to: so a connector knows how much waits in the inbox, and
/// stops reading from a peer whose bytes are not yet taken. A driver may hold some small ones until its next
/// round, so a connector must not wait for each before it goes on.
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

/// What a connector tells its driver.
#[derive(Debug)]
pub enum Event {
    /// A link came up: the peer's identity is proven, and the other side has accepted the connection.
    LinkUp {
        /// Who.
        peer: MemberId,
        /// Where the peer was seen; for both directions an address that can be dialled where the connector
        /// knows one.
        address: Option<Address>,
        /// Who dialled.
        direction: Direction,
    },
    /// A link went down. Comes before the `LinkUp` of a link that replaces it.
    LinkDown {
        /// Who.
        peer: MemberId,
        /// Why, for people.
        reason: String,
    },
    /// A message arrived on a link that is up.
    Received {
        /// Who sent it, proven.
        from: MemberId,
        /// At most [`crate::limits::MESSAGE_BYTES_MAX`] bytes.
        bytes: Arc<[u8]>,
        /// Dropped when the message was handled.
        receipt: Receipt,
    },
    /// The peer broke the format of the link, below messages. `LinkDown` follows.
    Broken {
        /// Who.
        peer: MemberId,
    },
    /// A lane that answered `Full` has room again.
    Room {
        /// Whose.
        peer: MemberId,
        /// Which.
        lane: Lane,
    },
    /// A dial found a peer that is linked and answers. The new connection was closed.
    DialFound {
        /// Where.
        address: Address,
        /// Who was expected.
        expected: Option<MemberId>,
        /// Who is there; proven.
        peer: MemberId,
    },
    /// A dial came to nothing. A dial that succeeds is a `LinkUp`.
    DialFailed {
        /// Where.
        address: Address,
        /// Who was expected.
        expected: Option<MemberId>,
        /// Why, for people.
        error: String,
    },
}

/// Where a connector pushes its events; called from any thread, must not block.
pub trait Inbox: Send + Sync + 'static {
    /// Hands over `event`.
    fn push(&self, event: Event);
}

/// Links to other members. Dropping it closes them all.
pub trait Connector: Send + 'static {
    /// Queues `frame` on the link to `to`; never blocks.
    fn send(&self, to: MemberId, frame: Frame) -> Result<(), SendError>;
    /// Starts to dial; the outcome is an event. Where nobody is expected, the address is resolved and dialled
    /// whoever was found there before. Dialling oneself fails.
    fn dial(&self, address: Address, expected: Option<MemberId>);
    /// Closes the link to `peer` after what was queued in the small lane was sent; `LinkDown` follows on both
    /// sides.
    fn close(&self, peer: MemberId, reason: &str);
    /// Closes everything and waits for no one; no event comes after it returns. Idempotent.
    fn stop(&self);
    /// Bytes of messages sent and received so far on all links together: (sent, received).
    fn traffic(&self) -> (u64, u64);
}
