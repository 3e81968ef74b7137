//! Whether peers are still there. A peer that dies says nothing, and a connector notices that late: so a link
//! on which nothing came for three rounds of ours is probed, and ends if the probe is not answered.
//!
//! A link in use costs nothing here, and a healthy idle one neither: the peer's rounds are heard. They are
//! counted against our own rounds, so a member that did not run for a while blames nobody. A peer with longer
//! rounds answers probes in between, of two bytes each.
//!
//! Who hears nothing over nearly all links has most likely lost them all at once, knows nobody to ask for
//! what is written now, and has to dial first: it does not wait for the third round.

use super::handlers::{Exchange, Greeting};
use crate::{connector::Lane, engine::rejection::Rejection, id::MemberId, message::Message, store::Store};

impl<V> Exchange<'_, V> {
    /// Probes the peers that have been silent. Called at each round.
    pub(super) fn probe_silent(&mut self) {
        let silent = self.links.probe(self.cx.time());
        if silent.is_empty() {
            return;
        }
        let frame = Message::Probe.frame();
        for peer in silent {
            self.cx.stats.probes_sent += 1;
            // Where the lane is full the answer to what is in it will do.
            if !self.links[&peer].is_full(Lane::Small) {
                self.cx.send_frame_at_once(peer, frame.clone());
            }
        }
    }

    pub(super) fn on_probe(&mut self, from: MemberId) {
        if self.links.on_probe(&from, self.cx.time()) {
            self.cx.send_frame_at_once(from, Message::Alive.frame());
        }
    }
}

impl<S: Store> Greeting<'_, S> {
    /// Ends the links of peers that did not answer.
    pub(super) fn end_silent(&mut self) {
        for peer in self.links.unanswered(self.cx.time()) {
            self.cx.stats.reject(Rejection::NoAnswer);
            self.close_link(peer, "a probe was not answered".into());
            // It may only be the line that is gone.
            self.discovery.seek_lost(self.cx, self.members, self.replicas, &peer);
        }
    }
}
