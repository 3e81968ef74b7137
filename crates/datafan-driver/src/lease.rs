//! The state of one read.

use datafan_core::store::{ReadEnd, StoreError};
use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The purpose of a snapshot, which decides how much the store may grow meanwhile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// A read that can continue with a later state.
    Read,
    /// A copy of everything, which is useless unless it is complete.
    Backup,
}

/// The state of one read, shared by reader and member.
pub(crate) struct Lease<V> {
    pub purpose: Purpose,
    pub began: Instant,
    /// Bytes of the store on disk when it began.
    pub file_bytes: u64,
    /// When it was last used, in milliseconds since `began`.
    used: AtomicU64,
    view: RwLock<Result<Arc<V>, StoreError>>,
}

impl<V> Lease<V> {
    pub fn new(view: Arc<V>, purpose: Purpose, began: Instant, file_bytes: u64) -> Self {
        Self { purpose, began, file_bytes, used: AtomicU64::new(0), view: RwLock::new(Ok(view)) }
    }

    /// How long it has not been used.
    pub fn idle(&self, now: Instant) -> Duration {
        let used = Duration::from_millis(self.used.load(Ordering::Relaxed));
        now.saturating_duration_since(self.began).saturating_sub(used)
    }

    #[cfg(test)]
    pub fn set_used(&self, used: Duration) {
        self.used.store(u64::try_from(used.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// Ends the read, after a call that is in progress.
    pub fn end(&self, why: StoreError) {
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        if view.is_ok() {
            *view = Err(why);
        }
    }

    /// Whether the reader still has it.
    pub fn is_held(&self) -> bool {
        self.view.read().unwrap_or_else(PoisonError::into_inner).is_ok()
    }

    pub fn read<T>(&self, read: impl FnOnce(&V) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner);
        let done = read(view.as_ref().map_err(Clone::clone)?);
        let used = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.used.store(used, Ordering::Relaxed);
        done
    }
}

/// The error of a read that lost its snapshot.
pub(crate) fn ended(reason: ReadEnd) -> StoreError {
    StoreError::ReadEnded { reason }
}
