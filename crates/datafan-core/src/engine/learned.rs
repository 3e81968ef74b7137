//! How a delta arrived, and how an announced head was judged.

use alloc::sync::Arc;

/// How a delta arrived.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How<'a> {
    /// Pushed, in this message.
    Pushed(&'a Arc<[u8]>),
    Pulled,
    /// It was pulled but arrived late.
    Late,
}

/// How an announced head was judged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Learned {
    /// It is newer and acceptable.
    Newer,
    /// It is held, or needs no action.
    Known,
    /// A later one is held.
    Older,
    /// It is not acceptable.
    Refused,
}
