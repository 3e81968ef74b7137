//! Descent: comparing the index from the root down, and fetching what differs.
//!
//! The answers are tried on a [`Build`]: a layer over the visible shard while little differs, a hidden copy of it
//! above that. Nothing is visible before the root is the one that the owner signed; what was verified is kept when
//! the target moves or the peer goes.

mod answer;
mod build;
mod building;
mod state;
mod step;

pub(super) use build::Build;
pub(super) use state::Descent;

use super::Engine;
use crate::{id::MemberId, store::Store};

impl<S: Store> Engine<S> {
    /// Runs `act` on the descent of `owner`, if there is one; it stays unless `act` says that it is over.
    fn with_descent<E>(
        &mut self,
        owner: &MemberId,
        act: impl FnOnce(&mut Self, &mut Descent) -> Result<Going, E>,
    ) -> Result<(), E> {
        let Some(mut descent) = self.replicas.lend_descent(owner) else { return Ok(()) };
        let goes_on = act(self, &mut descent)? == Going::On;
        if !goes_on || !self.replicas.return_descent(owner, descent) {
            self.drop_requests(owner);
        }
        self.replicas.relist(owner);
        Ok(())
    }
}

/// Whether a descent goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Going {
    On,
    Over,
}
