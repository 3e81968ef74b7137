//! How fast an owner is followed: so much in each interval, and beyond it only its newest head, at the
//! interval's end. What came at once and was more is held against the intervals that follow. Who has signed
//! what cannot be loses push, and is followed once per round.

use super::{handlers::Gossip, learned::Learned};
use crate::{engine::rejection::Rejection, store::Store};

impl<S: Store> Gossip<'_, S> {
    /// Learns of what was held back, once its interval is over.
    pub(super) fn end_interval(&mut self) {
        for (head, from) in self.replicas.take_held_back() {
            if !self.links.contains_key(&from) || self.links.is_penalized(&from, self.cx.time()) {
                continue;
            }
            if self.learn(from, &head, self.cx.now.time) == Learned::Older {
                self.cx.stats.reject(Rejection::StaleHead);
            }
        }
    }
}
