//! The engine: a synchronous state machine that owns its store.

mod config;
mod effect;
mod input;
mod stats;
mod status;

pub use config::Config;
pub use effect::{Alarm, Answer, CommandError, Committed, Effect, Outbox, Ticket};
pub use input::{Command, Input, Outcome, Write};
pub use stats::Stats;
pub use status::{LinkState, LinkStatus, OwnState, Pending, ShardProgress, ShardStatus, Standing, Status};

use crate::{
    identity::Verifier,
    store::{Store, StoreError},
    time::{Now, Time},
};
use alloc::{boxed::Box, vec::Vec};

/// The engine of one member.
pub struct Engine<S: Store> {
    store: S,
    stats: Stats,
}

/// Why an engine does not open. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store belongs to another mesh or member.
    #[error("the store belongs to member {member} of mesh {mesh}: wrong key file or wrong directory")]
    Belongs {
        /// The store's member.
        member: crate::id::MemberId,
        /// The store's mesh.
        mesh: crate::id::MeshId,
    },
    /// The authority's key is not the mesh's.
    #[error("the authority key is {found}, the mesh is {mesh}")]
    WrongAuthority {
        /// The key's id.
        found: crate::id::MemberId,
        /// The mesh.
        mesh: crate::id::MeshId,
    },
}

impl<S: Store> Engine<S> {
    /// Opens the engine of `config.member` on `store`. `seed` decides all that is drawn by lot (jitter).
    pub fn open(
        config: Config,
        seed: u64,
        verifier: Box<dyn Verifier>,
        store: S,
        now: Now,
    ) -> Result<Self, OpenError> {
        let _ = (config, seed, verifier, now);
        Ok(Self { store, stats: Stats::default() })
    }

    /// Takes in what happened, commits what follows from it in one write, and leaves what it wants in `out`.
    ///
    /// # Errors
    /// Only if the store failed: then nothing in `out` may be carried out, and the member stops.
    pub fn handle(&mut self, now: Now, inputs: Vec<Input>, out: &mut Outbox) -> Result<(), StoreError> {
        let _ = (now, inputs, out);
        Ok(())
    }

    /// Makes what was committed durable and moves the effects that waited for it to `out.now`.
    ///
    /// # Errors
    /// Only if the store failed: then nothing in `out` may be carried out, and the member stops.
    pub fn sync(&mut self, out: &mut Outbox) -> Result<(), StoreError> {
        let _ = out;
        self.store.sync()
    }

    /// When `handle` wants to be called with [`Input::Wake`] if nothing else happens.
    pub fn next_wake(&self) -> Time {
        Time::NEVER
    }

    /// Counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The member at this moment.
    pub fn status(&self) -> Status {
        unreachable!("under construction")
    }

    /// A reader for any thread.
    pub fn reader(&self) -> S::Reader {
        self.store.reader()
    }

    /// Stops cleanly: notes which timestamps were used, syncs, closes the store.
    ///
    /// # Errors
    /// If the store failed.
    pub fn close(self) -> Result<(), StoreError> {
        self.store.close()
    }
}
