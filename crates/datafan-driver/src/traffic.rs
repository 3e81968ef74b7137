//! Bytes on the links.

/// Bytes of messages on all links since the start, counted by the connector.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Traffic {
    /// Sent.
    pub sent: u64,
    /// Received.
    pub received: u64,
}
