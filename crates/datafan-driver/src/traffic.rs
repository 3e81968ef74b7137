//! How much passed on the links.

/// Bytes of messages on all links since the start, as the connector counts them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Traffic {
    /// Sent.
    pub sent: u64,
    /// Received.
    pub received: u64,
}
