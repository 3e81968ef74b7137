//! Peers that broke a rule: they are not asked, and not listened to, for a while.

use super::Engine;
use crate::{id::MemberId, store::Store, time::SECOND};

/// Most peers of whom it is remembered.
const PENALTIES_MAX: usize = 1_024;

impl<S: Store> Engine<S> {
    /// Counts a broken rule and backs the peer off: twice as long each time, up to ten minutes.
    pub(super) fn lie(&mut self, peer: MemberId, name: &'static str) {
        self.stats.refuse(name);
        if self.penalties.len() >= PENALTIES_MAX {
            self.penalties.retain(|_, (until, _)| *until > self.now.time);
        }
        let times = self.penalties.get(&peer).map_or(0, |(_, times)| *times);
        let micros = ((5 * SECOND) << times.min(7)).min(600 * SECOND);
        self.penalties.insert(peer, (self.now.time.after(micros), times.saturating_add(1)));
    }

    /// Whether a peer is backed off.
    pub(super) fn is_penalized(&self, peer: &MemberId) -> bool {
        self.penalties.get(peer).is_some_and(|(until, _)| *until > self.now.time)
    }
}
