//! Checks whether peers are alive. A peer that dies sends nothing, and a connector notices that late. So a
//! link on which nothing arrived for three of our rounds is probed, and closed if the probe is not answered.
//!
//! A link in use is never probed, nor is a healthy idle one, since the peer's rounds arrive. Silence is
//! counted in our own rounds, so a member that was suspended does not blame its peers. A peer with longer
//! rounds answers probes of two bytes in between.
//!
//! A member that receives nothing on nearly all links has most likely lost all of them at once. It cannot get
//! new data before it dials, so it does not wait for the third round.

use super::handlers::{Exchange, Greeting};
use crate::{connector::Lane, engine::rejection::Rejection, id::MemberId, message::Message, store::Store};

impl<V> Exchange<'_, V> {
    /// Probes silent peers. Called at each round.
    pub(super) fn probe_silent(&mut self) {
        let silent = self.links.probe(self.cx.time());
        if silent.is_empty() {
            return;
        }
        let frame = Message::Probe.frame();
        for peer in silent {
            self.cx.stats.probes_sent += 1;
            // If the lane is full, an answer to the queued messages will do.
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
    /// Closes the links of peers that did not answer.
    pub(super) fn end_silent(&mut self) {
        for peer in self.links.unanswered(self.cx.time()) {
            self.cx.stats.reject(Rejection::NoAnswer);
            self.close_link(peer, "a probe was not answered".into());
            // Perhaps only the connection is lost, so the peer is dialled again.
            self.discovery.redial(self.cx, self.members, self.replicas, &peer);
        }
    }
}
