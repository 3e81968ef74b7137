//! The roster in memory, peers that wait to be admitted, and refusals by peers.

mod kind;
pub(super) mod refused;
#[cfg(test)]
mod tests;

pub(super) use kind::Kind;
pub use refused::Refused;
pub(super) use refused::remedy;

use super::{
    context::Context,
    replicas::{Owner, Replicas, Standing},
    status::Pending,
};
use crate::{
    grant::{GRANT_PREFIX, Grant, GrantState, Quota, Role},
    id::{MemberId, Name},
    item::{Item, Key},
    limits::{MEMBERS_MAX, PENDING_MAX},
    message::Refusal,
    roster::{IdRole, role_of},
    store::ShardChange,
    time::{Time, Timestamp},
};
use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};
use core::ops::Bound;
use refused::Said;

/// The roster in memory. Most members need only [`Standing::Plain`].
#[derive(Default)]
pub(super) struct Members {
    /// Members that were revoked, or that have an uncommon role, quota or invitation.
    special: BTreeMap<MemberId, Membership>,
    n_members: usize,
    /// Our own name.
    name: Option<Name>,
    /// The active member that was last granted a name. Only on a member with the authority's key.
    names: BTreeMap<Name, MemberId>,
    /// Invited members that joined, which has to be written. Only on a member with the authority's key.
    joined: BTreeSet<MemberId>,
    /// The roster changed, and the consequences have not been handled.
    changed: bool,
    /// The roster was replaced as a whole and has to be loaded again.
    stale: bool,
    /// Peers that wait to be admitted, in order.
    pending: VecDeque<Pending>,
    /// Why peers refuse this member.
    refused_by: Option<Refusal>,
    /// Refusals that were reported.
    said: Said,
}

/// A grant without its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Membership {
    pub(super) role: Role,
    pub(super) quota: Quota,
    pub(super) state: GrantState,
    pub(super) granted: Timestamp,
}

impl Membership {
    /// The membership of most members. With the default quota, `granted` has no effect.
    fn plain() -> Self {
        let (quota, granted) = (Quota::default(), Timestamp::ZERO);
        Self { role: Role::Member, quota, state: GrantState::Active, granted }
    }

    fn of(grant: &Grant) -> Self {
        Self { role: grant.role, quota: grant.quota, state: grant.state, granted: grant.granted }
    }

    pub(super) fn is_active(&self) -> bool {
        self.state.is_active()
    }
}

impl Members {
    /// The membership of a member; `None` if it is not in the roster.
    pub(super) fn of(&self, replicas: &Replicas, member: &MemberId) -> Option<Membership> {
        match replicas.get(member).map_or(Standing::Unknown, Owner::standing) {
            Standing::Unknown => None,
            Standing::Plain => Some(Membership::plain()),
            Standing::Special => self.special.get(member).copied(),
        }
    }

    /// Whether a member is active or invited.
    pub(super) fn belongs(&self, replicas: &Replicas, member: &MemberId) -> bool {
        self.of(replicas, member).is_some_and(|membership| membership.is_active())
    }

    /// Our own name, once it was granted.
    pub(super) fn name(&self) -> Option<&Name> {
        self.name.as_ref()
    }

    /// Our own name from our grant, or the configured one without a grant.
    pub(super) fn own_name(&self, cx: &Context) -> Name {
        self.name().unwrap_or(&cx.config.name).clone()
    }

    /// The kind of a member for discovery.
    pub(super) fn kind_of(&self, replicas: &Replicas, member: &MemberId) -> Kind {
        match self.of(replicas, member) {
            Some(membership) if !membership.is_active() => Kind::Stranger,
            Some(membership) if membership.role.owns() => Kind::Owner,
            Some(_) => Kind::Reader,
            None => Kind::Stranger,
        }
    }

    /// The active member that was last granted a name. Only on a member with the authority's key.
    pub(super) fn named(&self, name: &Name) -> Option<MemberId> {
        self.names.get(name).copied()
    }

    /// Number of members in the roster, including revoked ones.
    pub(super) fn n_members(&self) -> usize {
        self.n_members
    }

    /// The revoked members.
    pub(super) fn revoked(&self) -> Vec<(MemberId, GrantState)> {
        let revoked = self.special.iter().filter(|(_, membership)| !membership.is_active());
        revoked.map(|(member, membership)| (*member, membership.state)).collect()
    }

    /// The active members that may not own a shard.
    pub(super) fn readers(&self) -> impl Iterator<Item = &MemberId> {
        let is_reader = |membership: &Membership| !membership.role.owns() && membership.is_active();
        self.special.iter().filter(move |(_, membership)| is_reader(membership)).map(|(member, _)| member)
    }

    /// Learns the entries that a change of the roster wrote. A change without items replaces the roster as a
    /// whole, so that it has to be loaded again.
    pub(super) fn learn(&mut self, cx: &mut Context, replicas: &mut Replicas, change: &ShardChange) {
        self.changed = true;
        self.stale |= change.log.is_empty();
        for (key, at) in change.keys.range::<str, _>((Bound::Included(GRANT_PREFIX), Bound::Unbounded)) {
            if let Some(Some(item)) = at.and_then(|at| change.log.get(&at)) {
                self.learn_grant(cx, replicas, key, item);
            }
        }
    }

    /// Learns one entry of the roster.
    pub(super) fn learn_grant(&mut self, cx: &mut Context, replicas: &mut Replicas, key: &Key, item: &Item) {
        let (Some(member), Ok(grant)) = (Grant::member_of(key.as_str()), Grant::decode(&item.value)) else {
            return;
        };
        if role_of(&cx.config.mesh, &member) == IdRole::Authority {
            // An older build allowed the mesh's own id to be admitted. Accepting the entry would freeze the
            // roster.
            return;
        }
        let owner = replicas.get_or_insert(&member);
        let is_held = owner.head().is_some();
        if owner.standing() == Standing::Unknown {
            if self.n_members >= MEMBERS_MAX {
                return;
            }
            self.n_members += 1;
        }
        let is_plain = (grant.state, grant.role) == (GrantState::Active, Role::Member);
        if is_plain && grant.quota == Quota::default() {
            replicas.set_standing(&member, Standing::Plain);
            self.special.remove(&member);
        } else {
            replicas.set_standing(&member, Standing::Special);
            self.special.insert(member, Membership::of(&grant));
        }
        if member == cx.me {
            self.name = Some(grant.name.clone());
        }
        // A name belongs to one active member at a time, but while loading, a previous holder's entry may
        // come later.
        if cx.config.authority.is_some() && grant.is_active() {
            self.names.insert(grant.name, member);
        }
        if is_held {
            self.on_seen(cx, replicas, &member);
        }
    }

    /// A member is present. If it was invited, it has joined, which the member with the authority's key
    /// writes.
    pub(super) fn on_seen(&mut self, cx: &mut Context, replicas: &Replicas, member: &MemberId) {
        if cx.config.authority.is_none() {
            return;
        }
        let state = self.of(replicas, member).map(|membership| membership.state);
        if let Some(GrantState::Invited { .. }) = state {
            self.joined.insert(*member);
            cx.more_to_do = true;
        }
    }

    /// Number of joined members that have to be written.
    pub(super) fn n_joined(&self) -> usize {
        self.joined.len()
    }

    /// Takes one joined member, to be written now.
    pub(super) fn pop_joined(&mut self) -> Option<MemberId> {
        self.joined.pop_first()
    }

    /// Handles the consequences of the roster again, because a crash may have interrupted that.
    pub(super) fn mark_changed(&mut self) {
        self.changed = true;
    }

    /// Whether the roster changed and the consequences have not been handled.
    pub(super) fn has_changed(&self) -> bool {
        self.changed
    }

    /// Takes whether the roster changed. If so, the caller has to handle the consequences now.
    pub(super) fn take_changed(&mut self) -> bool {
        core::mem::take(&mut self.changed)
    }

    /// Takes whether all entries have to be loaded again.
    pub(super) fn take_stale(&mut self) -> bool {
        core::mem::take(&mut self.stale)
    }
}

/// Pending peers, and refusals by peers.
impl Members {
    /// Peers that wait to be admitted, in order.
    pub(super) fn pending(&self, replicas: &Replicas) -> impl Iterator<Item = &Pending> {
        self.pending.iter().filter(|pending| !self.belongs(replicas, &pending.id))
    }

    /// Adds a peer that is not in the roster. It keeps the time of its first attempt.
    pub(super) fn add_pending(&mut self, mut knocked: Pending) {
        if let Some(before) = self.pending.iter().find(|pending| pending.id == knocked.id) {
            knocked.since = before.since;
        }
        self.forget_pending(&knocked.id);
        if self.pending.len() >= PENDING_MAX {
            self.pending.pop_front();
        }
        self.pending.push_back(knocked);
    }

    /// Removes a peer that is linked or will be dialled.
    pub(super) fn forget_pending(&mut self, member: &MemberId) {
        self.pending.retain(|pending| pending.id != *member);
    }

    /// Takes the pending peers that have been admitted.
    pub(super) fn take_admitted(&mut self, replicas: &Replicas) -> Vec<Pending> {
        let belongs = |pending: &&Pending| self.belongs(replicas, &pending.id);
        let admitted: Vec<Pending> = self.pending.iter().filter(belongs).cloned().collect();
        admitted.iter().for_each(|pending| self.forget_pending(&pending.id));
        admitted
    }

    /// Why peers refuse this member, if one did and no link came up since.
    pub(super) fn refused_by(&self) -> Option<Refusal> {
        self.refused_by
    }

    /// A peer refused this member.
    pub(super) fn on_refused(&mut self, refusal: Refusal) {
        self.refused_by = Some(refusal);
    }

    /// A link with `peer` is up, so earlier refusals no longer count.
    pub(super) fn on_link_up(&mut self, peer: &MemberId) {
        self.refused_by = None;
        self.said.forget(peer);
    }

    /// Whether a refusal has to be reported. If so, marks it as reported.
    pub(super) fn is_news(&mut self, refused: &Refused, now: Time) -> bool {
        self.said.is_new(refused, now)
    }
}
