//! How data came, and what hearing of a head came to.

use alloc::sync::Arc;

/// How a delta came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How<'a> {
    /// Unasked, in this message.
    Pushed(&'a Arc<[u8]>),
    Pulled,
    /// It was pulled, and did not come in time.
    Late,
}

/// What hearing of a head came to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Learned {
    /// It is wanted.
    Newer,
    /// It is held, or known already.
    Known,
    /// A later one is held.
    Older,
    /// It is not wanted.
    Refused,
}
