//! Members that die without a word: their links stay up at their peers until somebody finds out.

use super::{Disk, World};

impl<D: Disk> World<D> {
    /// Stops a member at once, as [`World::crash`] does, and lets its peers find out by themselves.
    pub fn vanish(&mut self, member: usize) {
        drop(self.members[member].forget());
        self.network.vanished(self.time, member);
    }

    /// Ends the links that a member had when it vanished: it is about to start.
    pub(super) fn end_vanished(&mut self, member: usize) {
        let told = self.network.end_vanished(self.time, member);
        self.tell(told);
    }
}
