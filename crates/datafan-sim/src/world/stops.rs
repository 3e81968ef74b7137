//! How members end: with a goodbye to their peers, or without.

use super::{Disk, World};
use datafan_core::time::SECOND;

/// Time without an answer after which a connector considers a link down.
const IDLE_MICROS: u64 = 15 * SECOND;

impl<D: Disk> World<D> {
    /// Stops a member cleanly.
    pub fn stop(&mut self, member: usize) {
        let engine = self.members[member].forget().expect("it runs");
        let error = engine.close().err().map(|error| error.to_string());
        let told = self.network.stopped(self.time, member, error);
        self.tell(told);
    }

    /// The disk of a member was full or has room again: it opens its store again, and its links go down.
    pub(super) fn reopen(&mut self, member: usize) {
        let now = self.now(member);
        self.members[member].reopen(now);
        let told = self.network.stopped(self.time, member, Some("its disk was full".into()));
        self.tell(told);
        self.network.started(self.time, member);
        for command in self.members[member].told() {
            self.ask(member, command);
        }
    }

    /// Stops a member at once: unsynced data is lost, and sent messages are in flight. Its peers notice after
    /// the idle time.
    pub fn crash(&mut self, member: usize) {
        let idle = self.network.idle_micros;
        drop(self.members[member].forget());
        let told = self.network.vanished(self.time, member, idle);
        self.tell(told);
    }

    /// Stops a member at once and tells nobody: the connectors of its peers notice after 15 s.
    pub fn kill(&mut self, member: usize) {
        drop(self.members[member].forget());
        let told = self.network.vanished(self.time, member, IDLE_MICROS);
        self.tell(told);
    }
}
