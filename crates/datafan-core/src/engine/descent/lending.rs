//! Working on the comparison of an owner while the engine lends it.

use super::{super::Engine, state::Descent};
use crate::{id::MemberId, store::Store};

impl<S: Store> Engine<S> {
    /// Runs `act` on the descent of `owner`, if there is one; it stays unless `act` says that it is over.
    pub(super) fn with_descent<E>(
        &mut self,
        owner: &MemberId,
        act: impl FnOnce(&mut Self, &mut Descent) -> Result<Going, E>,
    ) -> Result<(), E> {
        let Some(mut descent) = self.replicas.lend_descent(owner) else { return Ok(()) };
        let goes_on = act(self, &mut descent)? == Going::On;
        if !goes_on || !self.replicas.return_descent(owner, descent) {
            self.links.drop_requests(owner);
        }
        self.replicas.relist(owner);
        Ok(())
    }
}

/// Whether a descent goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Going {
    On,
    Over,
}
