//! The current snapshot: the store as of the last commit.

use alloc::sync::Arc;
use core::ops::Deref;

/// A snapshot that is released while the store writes, so that a store in memory need not copy what it
/// changes, and a store on disk can reuse pages.
pub(super) struct CurrentSnapshot<V>(Option<Arc<V>>);

impl<V> CurrentSnapshot<V> {
    pub(super) fn new(snapshot: V) -> Self {
        Self(Some(Arc::new(snapshot)))
    }

    /// The snapshot, for callers that keep it.
    pub(super) fn share(&self) -> Arc<V> {
        self.0.clone().expect(ABSENT)
    }

    /// Releases the snapshot until [`CurrentSnapshot::replace`]. If the store fails meanwhile, the member
    /// stops.
    pub(super) fn release(&mut self) {
        self.0 = None;
    }

    pub(super) fn replace(&mut self, snapshot: V) {
        *self = Self::new(snapshot);
    }
}

impl<V> Deref for CurrentSnapshot<V> {
    type Target = V;

    fn deref(&self) -> &V {
        self.0.as_ref().expect(ABSENT)
    }
}

const ABSENT: &str = "nothing is read while the store writes, nor after it failed";
