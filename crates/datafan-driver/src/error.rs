//! What can go wrong, per operation.

use crate::codec::CodecError;
use datafan_core::{
    engine::{CommandError, OpenError, OwnState},
    item::KeyError,
    store::StoreError,
};
use std::time::Duration;

/// What is known of a write that returned an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    /// Nothing was written and nothing will be.
    No,
    /// It may have been written, or may be written yet. Putting the same again is harmless: what is already
    /// there is not written twice.
    Maybe,
}

/// Why a write was not acknowledged.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The key is no key. Nothing was written.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The typed value could not be turned into bytes. Nothing was written.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The engine refused. Nothing was written.
    #[error(transparent)]
    Refused(#[from] CommandError),
    /// The time the caller gave passed. The write may be carried out later.
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
    /// The disk became full while the write was under way, and the store was opened again as it was on disk.
    /// Whether the write is there can be read.
    #[error("the disk became full ({what}): the write may have been made")]
    DiskFull {
        /// What the system said.
        what: String,
    },
    /// The member stopped.
    #[error("the member stopped: {reason}")]
    Stopped {
        /// Why.
        reason: StopReason,
        /// Whether the write may have been under way.
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

    /// Whether the same call on the same handle may succeed later, with nothing changed by the caller.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::TimedOut(_)
            | Self::DiskFull { .. }
            | Self::Refused(
                CommandError::ClockBehind { .. }
                | CommandError::Refused { .. }
                | CommandError::DiskFull { .. },
            ) => true,
            Self::Key(_) | Self::Codec(_) | Self::Refused(_) | Self::Stopped { .. } => false,
        }
    }
}

/// The time that a caller gave with [`crate::Handle::timeout`] passed. What was asked for goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not done within {within:?}{}", hint(.own))]
pub struct TimedOut {
    /// The time given.
    pub within: Duration,
    /// How the member stands to its own shard: while it is `Waiting`, that is what writes wait for.
    pub own: OwnState,
}

fn hint(own: &OwnState) -> &'static str {
    match own {
        OwnState::Waiting => ": the member waits for the confirmation of its own shard by a peer",
        OwnState::Recovering { .. } => {
            ": the member takes back its own shard, of which peers hold more than its disk"
        }
        OwnState::Checking { .. } => {
            ": the member began without data, and looks whether another process runs with its key"
        }
        OwnState::Contested { .. } => {
            ": another process writes with the member's key, and it is not clear yet which began first"
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
    /// The bytes are not a value of the type that was asked for.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// Why waiting ended without what was waited for. Waiting changes nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The time the caller gave passed. Waiting again is fine.
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
    /// The member stopped: it will not come.
    #[error("the member stopped: {reason}")]
    Stopped {
        /// Why.
        reason: StopReason,
    },
}

impl WaitError {
    /// Whether the same call on the same handle may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::TimedOut(_))
    }
}

/// Why a member stopped.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StopReason {
    /// Somebody asked it to, or the last handle was dropped. Its store was closed cleanly.
    #[error("it was asked to")]
    Asked,
    /// Its store failed. A restart is the way on.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A bug in datafan: its thread panicked. A restart is the way on.
    #[error("its thread panicked, which is a bug: {what}")]
    Panicked {
        /// What the panic said.
        what: String,
    },
    /// Something that the member cannot do without has ended. Its store was closed cleanly.
    #[error("{what}")]
    Worker {
        /// What ended, and why if that is known.
        what: String,
    },
}

/// Why a member did not start. `E` is the error of whoever makes the connector.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError<E> {
    /// The engine did not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The connector could not be made. The store was closed cleanly.
    #[error(transparent)]
    Connector(E),
    /// The system gave no thread. The store was closed cleanly.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
}
