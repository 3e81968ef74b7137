//! Handles heads that peers announce, and adds newer ones to the fetch queue.

use super::{
    handlers::Gossip,
    learned::Learned,
    replicas::{Owner, Reason, Refused},
    verdict::Verdict,
};
use crate::{engine::rejection::Rejection, head::Head, id::MemberId, store::Store, time::Time};

impl<S: Store> Gossip<'_, S> {
    /// Handles a head that `from` holds. A newer one is fetched at `fetch_at` unless it was pushed by then.
    pub(super) fn learn(&mut self, from: MemberId, head: &Head, fetch_at: Time) -> Learned {
        let learned = self.judge_head(from, head);
        if learned == Learned::Newer {
            self.want_head(from, head, fetch_at.max(self.fetch_at(&head.owner)));
        }
        learned
    }

    /// Judges a head that `from` holds. If it is newer, the caller still has to call `want_head`.
    pub(super) fn judge_head(&mut self, from: MemberId, head: &Head) -> Learned {
        if self.cx.is_own(&head.owner) {
            return self.judge_own_head(from, head);
        }
        if self.replicas.is_recent_head(head) {
            self.links.set_position(&from, &head.owner, None);
            return Learned::Known;
        }
        let state = self.replicas.get(&head.owner);
        let held = state.and_then(Owner::head);
        if held.is_some_and(|held| held.order() == head.order()) {
            self.links.set_position(&from, &head.owner, None);
            return Learned::Known;
        }
        if let Some(held) = held.filter(|held| held.timestamp == head.timestamp).copied() {
            self.fork_judge().compare_heads(&held, head);
        }
        let state = self.replicas.get(&head.owner);
        let held = state.and_then(Owner::head);
        let reason = match self.rules().verdict(head) {
            Verdict::Good => None,
            Verdict::Refused(reason) => Some(reason),
            Verdict::Unknown => {
                self.cx.stats.reject(Rejection::UnknownOwner);
                return Learned::Refused;
            }
        };
        let (known, refused) = state.map_or((None, None), |state| (state.known(), state.refused()));
        // A head that was too far ahead of our clock may be acceptable now. Other reasons do not change with
        // time.
        let reached = |refused: Refused| refused.reason == Reason::Clock && reason.is_none();
        if refused.is_some_and(|refused| refused.order == head.order() && !reached(refused)) {
            return Learned::Refused;
        }
        if !self.rules().is_newer(head, held) {
            self.links.set_position(&from, &head.owner, Some(head.timestamp));
            return Learned::Older;
        }
        if known.is_some_and(|known| known == *head) {
            return Learned::Newer;
        }
        if !self.cx.check_signature(head) {
            self.links.penalize(self.cx, from, Rejection::Signature);
            return Learned::Refused;
        }
        if let Some(reason) = reason {
            self.replicas.refuse(self.cx, head, reason);
            return Learned::Refused;
        }
        Learned::Newer
    }

    /// Adds a newer head that `from` holds to the fetch queue.
    pub(super) fn want_head(&mut self, from: MemberId, head: &Head, fetch_at: Time) {
        self.links.set_position(&from, &head.owner, Some(head.timestamp));
        let known = self.replicas.get_or_insert(&head.owner).known();
        if known.is_some_and(|known| known == *head) {
            self.replicas.fetch_earlier(&head.owner, from, fetch_at);
        } else if known.is_none_or(|known| self.rules().is_newer(head, Some(&known))) {
            self.replicas.count(self.cx, &head.owner, 1, 0);
            self.replicas.queue_head(head, from, fetch_at);
        } else {
            self.replicas.relist(&head.owner);
        }
    }

    pub(super) fn on_announce(&mut self, from: MemberId, heads: &[Head]) {
        for head in heads {
            if self.links.is_penalized(&from, self.cx.time()) {
                return;
            }
            let known = self.replicas.get(&head.owner).and_then(|owner| owner.known());
            if known.is_some_and(|known| known.order() > head.order()) {
                // A later head is queued already, so this one's signature need not be checked.
                self.links.set_position(&from, &head.owner, Some(head.timestamp));
            } else if !self.replicas.hold_back(self.cx, head, from) {
                let learned = self.learn(from, head, self.cx.now.time);
                if learned == Learned::Older {
                    self.cx.stats.reject(Rejection::StaleHead);
                }
                if matches!(learned, Learned::Older | Learned::Known) {
                    self.exchange().prune_redundant(from, &head.owner, 0);
                }
            }
        }
    }

    pub(super) fn on_delta_unavailable(&mut self, from: MemberId, head: &Head) {
        // A late answer, after a push brought the data, is not a violation.
        if !self.exchange().end_pull(from, &head.owner) {
            self.cx.stats.reject(Rejection::Unasked);
            return;
        }
        let learned = self.learn(from, head, self.cx.now.time);
        if learned == Learned::Newer {
            self.exchange().reconcile(from, head);
        }
    }
}
