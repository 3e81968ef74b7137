//! The driver: one thread that owns a datafan engine, and the handle through which everybody else uses it.
//!
//! It works with any store, any connector, and any async runtime or none. [`start`] opens the engine, lets
//! the caller make the connector, starts the thread and returns a [`Handle`]. Waiting requests are handled
//! and committed together, so many concurrent writers cost one commit (*group commit*).
//!
//! For a complete member with a disk and a network, see `datafan-node`.

mod block_on;
mod board;
mod changes;
mod clock;
mod codec;
mod compaction;
mod current;
mod error;
mod flapping;
mod handle;
mod lease;
mod leased;
mod member;
mod outgoing;
mod queue;
mod reads;
mod start;
mod timers;
mod trace;
mod traffic;
mod used;

pub use block_on::BlockOn;
pub use board::{KeyInUse, RunState};
pub use changes::Changes;
pub use codec::{Codec, CodecError, Json};
pub use compaction::CompactError;
pub use datafan_core::{
    engine::{Committed, Config, Disposition, Stats, Status, Write},
    read::{Entry, Items, KeyRange, Snapshot},
};
pub use error::{CommitError, ReadError, StartError, StopReason, TimedOut, WaitError, Written};
pub use handle::{Handle, WeakHandle};
pub use leased::Leased;
pub use reads::Usage;
pub use start::start;
pub use traffic::Traffic;
