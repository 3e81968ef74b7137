//! Which heads are acceptable, and which head replaces which, according to roster, quota and clock.

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
    /// Whether a held head is so far ahead of our clock, and of most peers' clocks, that an earlier
    /// acceptable head may replace it, if that one makes it invalid.
    pub(super) fn is_set_aside(&self, held: &Head) -> bool {
        let bound = |wall: Timestamp| wall.0.saturating_add(self.cx.config.clock_ahead_micros);
        self.cx.is_too_late(held.timestamp)
            && self.links.median_wall(self.cx.now.time).is_some_and(|wall| held.timestamp.0 > bound(wall))
    }

    /// Whether a head is acceptable and newer than the held one.
    pub(super) fn is_wanted(&self, head: &Head) -> bool {
        let held = self.replicas.get(&head.owner).and_then(|state| state.head());
        matches!(self.verdict(head), Verdict::Good) && self.is_newer(head, held)
    }

    /// Judges `head` by roster, quota and clock.
    pub(super) fn verdict(&self, head: &Head) -> Verdict {
        let too_late = self.cx.is_too_late(head.timestamp);
        if self.replicas.invalid_spans().end(&head.owner, head.timestamp).is_some() {
            return Verdict::Refused(Reason::Restamped);
        }
        if self.cx.config.authority.is_some() && head.owner == self.cx.config.mesh.authority() {
            // The authority itself signed it here.
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
            // Our own head is acceptable regardless of our clock and quota.
            GrantState::Active | GrantState::Invited { .. } if head.owner == self.cx.me => {
                return Verdict::Good;
            }
            GrantState::Active | GrantState::Invited { .. } => {}
        }
        // A head from before the grant may exceed it, but only up to the default quota, because its owner
        // chose its timestamp.
        let (mut items, mut bytes) = (grant.quota.items, grant.quota.bytes);
        if head.timestamp <= grant.granted {
            (items, bytes) = (items.max(QUOTA_ITEMS_DEFAULT), bytes.max(QUOTA_BYTES_DEFAULT));
        }
        // A shard that already exceeds its quota may change as long as it does not grow.
        let held = self.replicas.get(&head.owner).and_then(Owner::head);
        let (held_items, held_bytes) = held.map_or((0, 0), |held| (held.items, held.bytes));
        if head.items > items.saturating_add(QUOTA_SYSTEM_ITEMS).max(held_items)
            || head.bytes > bytes.saturating_add(QUOTA_SYSTEM_BYTES).max(held_bytes)
        {
            return Verdict::Refused(Reason::Quota);
        }
        if too_late { Verdict::Refused(Reason::Clock) } else { Verdict::Good }
    }

    /// Whether `head`, which is acceptable, should replace the held one. The head at which a revoked owner's
    /// shard is kept replaces every other, even a later one.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::testing::{Parts, head, owner},
        hash::Hash,
        time::SECOND,
    };

    fn rules(parts: &Parts) -> Rules<'_, ()> {
        let Parts { cx, members, replicas, links } = parts;
        Rules { cx, members, replicas, links }
    }

    fn refused(verdict: Verdict) -> Option<Reason> {
        if let Verdict::Refused(reason) = verdict { Some(reason) } else { None }
    }

    #[test]
    fn a_head_needs_a_grant_a_credible_clock_and_its_quota() {
        let mut parts = Parts::new();
        assert!(matches!(rules(&parts).verdict(&head(owner(1), 5)), Verdict::Unknown));
        parts.grant(1, GrantState::Active, 3);
        assert!(matches!(rules(&parts).verdict(&head(owner(1), 5)), Verdict::Good));
        let ahead = parts.cx.clock_bound().0 + 1;
        assert!(matches!(rules(&parts).verdict(&head(owner(1), ahead - 1)), Verdict::Good));
        assert_eq!(refused(rules(&parts).verdict(&head(owner(1), ahead))), Some(Reason::Clock));
        let of = |items| Head { items, ..head(owner(1), 5) };
        assert!(matches!(rules(&parts).verdict(&of(3 + QUOTA_SYSTEM_ITEMS)), Verdict::Good));
        assert_eq!(refused(rules(&parts).verdict(&of(4 + QUOTA_SYSTEM_ITEMS))), Some(Reason::Quota));
    }

    #[test]
    fn only_the_named_head_of_a_revoked_member_stays_and_replaces_later_ones() {
        let mut parts = Parts::new();
        let (kept, later) = (head(owner(1), 5), head(owner(1), 9));
        let keep = GrantState::Keep { timestamp: kept.timestamp, root: kept.root };
        parts.grant(1, GrantState::Active, 3);
        assert!(rules(&parts).is_newer(&later, Some(&kept)) && !rules(&parts).is_newer(&kept, Some(&later)));
        assert!(rules(&parts).is_newer(&kept, None));
        parts.grant(1, keep, 3);
        assert!(matches!(rules(&parts).verdict(&kept), Verdict::Good));
        assert_eq!(refused(rules(&parts).verdict(&later)), Some(Reason::Revoked));
        assert!(
            rules(&parts).is_newer(&kept, Some(&later)),
            "the only case in which an earlier head replaces a later one"
        );
        assert!(!rules(&parts).is_newer(&kept, Some(&kept)));
        parts.grant(1, GrantState::Drop, 3);
        assert_eq!(refused(rules(&parts).verdict(&kept)), Some(Reason::Revoked));
    }

    #[test]
    fn a_wanted_head_is_valid_and_newer_than_the_held_one() {
        let mut parts = Parts::new();
        parts.grant(1, GrantState::Active, 3);
        parts.hold(1, 5);
        let wanted = |parts: &Parts, at| rules(parts).is_wanted(&head(owner(1), at));
        assert_eq!([4, 5, 6].map(|at| wanted(&parts, at)), [false, false, true]);
        let other = Head { root: Hash([9; 32]), ..head(owner(1), 5) };
        assert_eq!(rules(&parts).is_wanted(&other), other.order() > head(owner(1), 5).order());
        assert!(!wanted(&parts, parts.cx.clock_bound().0 + SECOND), "its timestamp is not credible");
    }
}
