//! Rate limit per owner: a fixed amount in each interval, and beyond it only the newest head at the end of
//! the interval. An excess counts against the following intervals. An owner that signed an invalid state
//! loses push and is followed once per round.

use super::{handlers::Gossip, learned::Learned};
use crate::{engine::rejection::Rejection, store::Store};

impl<S: Store> Gossip<'_, S> {
    /// Handles heads that were held back, once their interval is over.
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
