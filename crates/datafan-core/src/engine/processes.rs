//! Peers that run twice: tells the older process about the newer one, and relays claims.

use super::handlers::Conflicts;
use crate::{claim::Claim, engine::rejection::Rejection, id::MemberId, store::Store};

impl<S: Store> Conflicts<'_, S> {
    /// A link is up: tells its process what is known about others with the same key.
    pub(super) fn on_process_up(&mut self, peer: MemberId) {
        let link = &self.links[&peer];
        let Some(hello) = link.hello() else { return };
        let (run, age) = (hello.run, (hello.age_micros, link.greeted_at()));
        for message in self.key_conflicts.processes.on_up(peer, run, age, self.cx.now.time) {
            self.cx.send(peer, &message);
        }
    }

    /// The link to `peer` is gone.
    pub(super) fn on_process_down(&mut self, peer: &MemberId) {
        self.key_conflicts.processes.on_down(peer, self.cx.now.time);
    }

    /// Handles a claim: of the peer about its own key, to be relayed, or about ours.
    pub(super) fn on_claim(&mut self, from: MemberId, claim: &Claim) {
        let now = self.cx.now.time;
        let place = self.key_conflicts.processes.place_of(claim, now).filter(|_| claim.member == from);
        let is_against_us = claim.member == self.cx.me && claim.newer == self.own.run.process();
        // Claims that are known or would have no effect are not verified.
        match &place {
            Some(kept) if **kept == Some(*claim) => return,
            None if !is_against_us => return self.cx.stats.reject(Rejection::Claim),
            Some(_) | None => self.cx.stats.verified += 1,
        }
        if !claim.verify(&self.cx.config.mesh, self.cx.verifier()) {
            return self.links.penalize(self.cx, from, Rejection::Signature);
        }
        match place {
            Some(place) => *place = Some(*claim),
            None => self.on_claim_against_us(claim),
        }
    }
}
