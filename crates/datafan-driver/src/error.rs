//! The errors, one type per operation.

use crate::codec::CodecError;
use datafan_core::{
    engine::{CommandError, NotWritable, OpenError, OwnState},
    item::KeyError,
    store::StoreError,
};
use std::time::Duration;

/// Whether a write that returned an error took effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    /// Nothing was written, and nothing will be.
    No,
    /// It may have been written, or may still be. It is safe to put the same again: an unchanged value is not
    /// written twice.
    Maybe,
}

/// Why a write was not acknowledged.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The key is invalid. Nothing was written.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The typed value could not be encoded. Nothing was written.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The engine refused the write. Nothing was written.
    #[error(transparent)]
    Refused(#[from] CommandError),
    /// The caller's timeout passed. The write may still be carried out.
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
    /// The disk became full during the write, and the store was opened again from disk. Read the key to see
    /// whether the write was made.
    #[error("the disk became full ({what}): the write may have been made")]
    DiskFull {
        /// The error of the system.
        what: String,
    },
    /// The member stopped.
    #[error("the member stopped: {reason}")]
    Stopped {
        /// Why it stopped.
        reason: StopReason,
        /// Whether the write may have been in progress.
        written: Written,
    },
}

impl CommitError {
    /// Whether anything was written.
    pub fn written(&self) -> Written {
        match self {
            Self::Key(_) | Self::Codec(_) | Self::Refused(_) => Written::No,
            Self::TimedOut(_) | Self::DiskFull { .. } => Written::Maybe,
            Self::Stopped { written, .. } => *written,
        }
    }

    /// Whether the same call may succeed later without any change by the caller.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::TimedOut(_) | Self::DiskFull { .. } => true,
            Self::Refused(error) => matches!(
                error.not_writable(),
                Some(
                    NotWritable::ClockBehind { .. }
                        | NotWritable::Refused { .. }
                        | NotWritable::DiskFull { .. }
                )
            ),
            Self::Key(_) | Self::Codec(_) | Self::Stopped { .. } => false,
        }
    }
}

/// The timeout that the caller gave to [`crate::Handle::timeout`] passed. The operation continues.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not done within {within:?}{}", hint(.own))]
pub struct TimedOut {
    /// The timeout.
    pub within: Duration,
    /// The state of the member's own shard; while it is `Waiting`, writes wait for it.
    pub own: OwnState,
}

fn hint(own: &OwnState) -> &'static str {
    match own {
        OwnState::Waiting => ": the member waits for a peer to confirm its own shard",
        OwnState::Recovering { .. } => {
            ": peers hold a newer state of the member's own shard, which it restores before it writes"
        }
        OwnState::Checking { .. } => {
            ": the member began without data and checks whether another process runs with its key"
        }
        OwnState::Contested { .. } => {
            ": another process writes with the member's key, and it is not yet clear which of the two began \
             first"
        }
        OwnState::Confirmed | OwnState::Foreign { .. } => "",
    }
}

/// Why a read failed. Reads change nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The store failed, or is closed because the member stopped.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bytes are not a value of the requested type.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// Why waiting ended early. Waiting changes nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The caller's timeout passed. You can wait again.
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
    /// The member stopped, so the condition cannot be met.
    #[error("the member stopped: {reason}")]
    Stopped {
        /// Why it stopped.
        reason: StopReason,
    },
}

impl WaitError {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::TimedOut(_))
    }
}

/// Why a member stopped.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StopReason {
    /// A caller stopped it, or the last handle was dropped. Its store was closed cleanly.
    #[error("it was told to stop")]
    Asked,
    /// Its store failed. Restart it to recover.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A bug in datafan: its thread panicked. Restart it to recover.
    #[error("its thread panicked, which is a bug: {what}")]
    Panicked {
        /// The message of the panic.
        what: String,
    },
    /// Something that the member needs has ended. Its store was closed cleanly.
    #[error("{what}")]
    Worker {
        /// What ended, and why if that is known.
        what: String,
    },
}

/// Why a member did not start. `E` is the error of the connector's constructor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError<E> {
    /// The engine could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The connector could not be made. The store was closed cleanly.
    #[error(transparent)]
    Connector(E),
    /// The system provided no thread. The store was closed cleanly.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
}
