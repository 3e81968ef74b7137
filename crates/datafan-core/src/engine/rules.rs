//! Which heads may be held, and which replaces which: by roster, quota and clock.

use super::{
    handlers::Rules,
    replicas::{Owner, Reason},
    verdict::Verdict,
};
use crate::{
    grant::GrantState,
    head::Head,
    limits::{QUOTA_BYTES_DEFAULT, QUOTA_ITEMS_DEFAULT, QUOTA_SYSTEM_BYTES, QUOTA_SYSTEM_ITEMS},
    time::Timestamp,
};

impl<V> Rules<'_, V> {
    /// Whether a head that is held lies so far ahead of our clock, and of most clocks around, that a credible
    /// one may replace it, if it makes it invalid.
    pub(super) fn is_set_aside(&self, held: &Head) -> bool {
        let bound = |wall: Timestamp| wall.0.saturating_add(self.cx.config.clock_ahead_micros);
        self.cx.is_too_late(held.timestamp)
            && self.links.median_wall(self.cx.now.time).is_some_and(|wall| held.timestamp.0 > bound(wall))
    }

    /// Whether a head is good and newer than what is held.
    pub(super) fn is_wanted(&self, head: &Head) -> bool {
        let held = self.replicas.get(&head.owner).and_then(|state| state.head());
        matches!(self.verdict(head), Verdict::Good) && self.is_newer(head, held)
    }

    /// Whether `head` may be held, as far as roster, quota and clock say.
    pub(super) fn verdict(&self, head: &Head) -> Verdict {
        let too_late = self.cx.is_too_late(head.timestamp);
        if self.replicas.invalid_spans().end(&head.owner, head.timestamp).is_some() {
            return Verdict::Refused(Reason::Restamped);
        }
        if self.cx.config.authority.is_some() && head.owner == self.cx.config.mesh.authority() {
            // What the authority itself has signed.
            return Verdict::Good;
        }
        if head.owner == self.cx.config.mesh.authority() {
            return match head.timestamp < self.cx.config.roster_min {
                true => Verdict::Refused(Reason::Roster),
                false if too_late => Verdict::Refused(Reason::Clock),
                false => Verdict::Good,
            };
        }
        let Some(grant) = self.members.of(self.replicas, &head.owner) else { return Verdict::Unknown };
        match grant.state {
            GrantState::Drop => return Verdict::Refused(Reason::Revoked),
            GrantState::Keep { timestamp, root } if (timestamp, root) != head.order() => {
                return Verdict::Refused(Reason::Revoked);
            }
            GrantState::Keep { .. } => return Verdict::Good,
            GrantState::Active | GrantState::Invited { .. } if !grant.role.owns() => {
                return Verdict::Refused(Reason::Reader);
            }
            // Whatever our clock or quota says by now: it is ours.
            GrantState::Active | GrantState::Invited { .. } if head.owner == self.cx.me => {
                return Verdict::Good;
            }
            GrantState::Active | GrantState::Invited { .. } => {}
        }
        // A head from before the grant may exceed it, but not without bound: its owner chose its timestamp.
        let (mut items, mut bytes) = (grant.quota.items, grant.quota.bytes);
        if head.timestamp <= grant.granted {
            (items, bytes) = (items.max(QUOTA_ITEMS_DEFAULT), bytes.max(QUOTA_BYTES_DEFAULT));
        }
        // A shard that is larger already may change as long as it does not grow.
        let held = self.replicas.get(&head.owner).and_then(Owner::head);
        let (held_items, held_bytes) = held.map_or((0, 0), |held| (held.items, held.bytes));
        if head.items > items.saturating_add(QUOTA_SYSTEM_ITEMS).max(held_items)
            || head.bytes > bytes.saturating_add(QUOTA_SYSTEM_BYTES).max(held_bytes)
        {
            return Verdict::Refused(Reason::Quota);
        }
        if too_late { Verdict::Refused(Reason::Clock) } else { Verdict::Good }
    }

    /// Whether `head`, which is good, should replace what is held. The head at which a revoked owner's shard
    /// stays replaces every other, the one permitted step back.
    pub(super) fn is_newer(&self, head: &Head, than: Option<&Head>) -> bool {
        let Some(than) = than else { return true };
        let kept = match self.members.of(self.replicas, &head.owner).map(|membership| membership.state) {
            Some(GrantState::Keep { timestamp, root }) => Some((timestamp, root)),
            _ => None,
        };
        match kept {
            Some(kept) if kept == head.order() => than.order() != kept,
            None if self.is_set_aside(than) && !self.cx.is_too_late(head.timestamp) => {
                than.order() != head.order()
            }
            _ => head.order() > than.order(),
        }
    }
}
