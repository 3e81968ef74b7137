//! The store as of the last commit.

use alloc::sync::Arc;
use core::ops::Deref;

/// A snapshot that is let go of while the store writes: a store in memory need not copy then what it changes, and one
/// on disk may use its pages again.
pub(super) struct Present<V>(Option<Arc<V>>);

impl<V> Present<V> {
    pub(super) fn new(snapshot: V) -> Self {
        Self(Some(Arc::new(snapshot)))
    }

    /// The snapshot, for whoever keeps it longer.
    pub(super) fn share(&self) -> Arc<V> {
        self.0.clone().expect(ABSENT)
    }

    /// Lets go of it, until [`Present::replace`]. If the store fails meanwhile, the member stops.
    pub(super) fn release(&mut self) {
        self.0 = None;
    }

    pub(super) fn replace(&mut self, snapshot: V) {
        *self = Self::new(snapshot);
    }
}

impl<V> Deref for Present<V> {
    type Target = V;

    fn deref(&self) -> &V {
        self.0.as_ref().expect(ABSENT)
    }
}

const ABSENT: &str = "nothing is read while the store writes, nor after it failed";
