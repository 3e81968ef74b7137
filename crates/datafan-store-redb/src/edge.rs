//! The boundary between redb and the store's callers: translates errors, catches panics, and refuses
//! everything after the first of either.

use datafan_core::{codec::DecodeError, store::StoreError};
use redb::{
    CommitError, CursorError, DatabaseError, SetDurabilityError, StorageError, TableError, TransactionError,
};
use std::{
    any::Any,
    io::ErrorKind,
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Shared by the writer, the readers and their snapshots: whether everything is refused.
#[derive(Clone, Default)]
pub struct Edge(Arc<AtomicBool>);

impl Edge {
    /// Runs `work` on redb. After an error or a panic this store does nothing more.
    pub fn run<T>(&self, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, StoreError> {
        if self.0.load(Ordering::Acquire) {
            return Err(StoreError::Stopped);
        }
        caught(work).inspect_err(|_| self.stop())
    }

    /// Refuses everything from now on.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Runs `work` on redb; a panic there means that a page is corrupt.
pub fn caught<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, StoreError> {
    // Nothing that `work` touched is used again: after an error everything is refused.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(outcome) => outcome.map_err(|fault| fault.0),
        Err(panic) => Err(damaged(format!("redb: {}", message_of(&*panic)))),
    }
}

/// A value of redb whose drop may panic too.
pub struct Caught<T>(Option<T>);

impl<T> Caught<T> {
    /// Wraps `value`.
    pub fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// Drops it now; a panic becomes an error.
    pub fn finish(mut self) -> Result<(), StoreError> {
        let value = self.0.take();
        caught(|| {
            drop(value);
            Ok(())
        })
    }

    /// For operations that need exclusive access.
    pub fn get_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("taken by drop only")
    }
}

impl<T> Deref for Caught<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("taken by drop only")
    }
}

impl<T> Drop for Caught<T> {
    fn drop(&mut self) {
        let value = self.0.take();
        // The result of dropping what failed before does not matter.
        let _ = caught(|| {
            drop(value);
            Ok(())
        });
    }
}

/// An error inside `work`: from redb, from a decoder, or already translated.
pub struct Fault(StoreError);

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self(error)
    }
}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        Self(damaged(error.to_string()))
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self(translated(error.into()))
    }
}

macro_rules! translates {
    ($($error:ty)*) => {$(
        impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                Self(translated(error.into()))
            }
        }
    )*};
}

translates!(CommitError CursorError DatabaseError SetDurabilityError StorageError TableError TransactionError);

/// The bytes contradict themselves.
pub fn damaged(what: impl Into<String>) -> StoreError {
    StoreError::Damaged { what: what.into() }
}

fn translated(error: redb::Error) -> StoreError {
    let what = error.to_string();
    match error {
        redb::Error::DatabaseClosed | redb::Error::PreviousIo => StoreError::Stopped,
        redb::Error::DatabaseAlreadyOpen => StoreError::InUse { path: String::new() },
        redb::Error::Io(io) if matches!(io.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
            damaged(what)
        }
        redb::Error::Io(_) | redb::Error::Unsupported => StoreError::Failed { what },
        redb::Error::Corrupted(_)
        | redb::Error::LockPoisoned(_)
        | redb::Error::UpgradeRequired(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TableIsNotMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::TableDoesNotExist(_) => damaged(what),
        _ => StoreError::Failed { what },
    }
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panic")
}
