//! Faults of the lines between members.

use super::{Disk, World};
use datafan_core::time::SECOND;

impl<D: Disk> World<D> {
    /// Cuts the link of two members; both notice at once, or after the idle time if there is one.
    pub fn cut(&mut self, a: usize, b: usize) {
        self.network.link(a, b).cut = true;
        self.look_at_line(a, b);
    }

    /// Breaks the link of two members once; the member that keeps it dials again.
    pub fn flap(&mut self, a: usize, b: usize) {
        self.network.link(a, b).cut = true;
        let told = self.network.break_link(self.time, a, b, "cut");
        self.tell(told);
        self.network.heal(self.time.after(SECOND), a, b);
    }

    /// Loses everything that one member sends to another from now on. Nobody notices, unless there is an idle
    /// time: then both notice after it.
    pub fn deafen(&mut self, from: usize, to: usize) {
        self.network.link(from, to).ways[usize::from(from > to)].deaf = true;
        self.look_at_line(from, to);
    }

    /// Ends that.
    pub fn undeafen(&mut self, from: usize, to: usize) {
        self.network.link(from, to).ways[usize::from(from > to)].deaf = false;
        self.look_at_line(from, to);
    }

    fn look_at_line(&mut self, a: usize, b: usize) {
        let told = self.network.look_at_line(self.time, a, b);
        self.tell(told);
    }

    /// Whether the link of two members is cut.
    pub fn is_cut(&mut self, a: usize, b: usize) -> bool {
        self.network.link(a, b).cut
    }

    /// Ends a cut; a link that is kept is dialled at once.
    pub fn heal(&mut self, a: usize, b: usize) {
        self.network.heal(self.time, a, b);
    }
}
