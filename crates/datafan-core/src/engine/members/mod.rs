//! Who belongs, as far as it is kept in memory beside the roster's shard; who knocked, and who refuses us.

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

/// The roster in memory: for most members nothing but [`Standing::Plain`].
#[derive(Default)]
pub(super) struct Members {
    /// Members that do not belong any more, or whose role, quota or invitation is not as of most.
    special: BTreeMap<MemberId, Membership>,
    n_members: usize,
    /// Our own name.
    name: Option<Name>,
    /// Which active member was granted a name last; only where we write the roster.
    names: BTreeMap<Name, MemberId>,
    /// Who was invited and has joined, which is yet to be written; only there, too.
    joined: BTreeSet<MemberId>,
    /// The roster has changed, and what follows from that is not done.
    changed: bool,
    /// The roster was put in place as a whole, and is not read.
    stale: bool,
    /// Who knocked, in order.
    pending: VecDeque<Pending>,
    /// Why peers refuse this member.
    refused_by: Option<Refusal>,
    /// Who was said to be refused.
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
    /// What most members have. With the default quota, when it was granted makes no difference.
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
    /// What the roster says of a member.
    pub(super) fn of(&self, replicas: &Replicas, member: &MemberId) -> Option<Membership> {
        match replicas.get(member).map_or(Standing::Unknown, Owner::standing) {
            Standing::Unknown => None,
            Standing::Plain => Some(Membership::plain()),
            Standing::Special => self.special.get(member).copied(),
        }
    }

    /// Whether the roster names a member, and not as revoked.
    pub(super) fn belongs(&self, replicas: &Replicas, member: &MemberId) -> bool {
        self.of(replicas, member).is_some_and(|membership| membership.is_active())
    }

    /// Our own name, once it was granted.
    pub(super) fn name(&self) -> Option<&Name> {
        self.name.as_ref()
    }

    /// Our own name: from our grant, else the wished one.
    pub(super) fn own_name(&self, cx: &Context) -> Name {
        self.name().unwrap_or(&cx.config.name).clone()
    }

    /// What a member is to those who look for others.
    pub(super) fn kind_of(&self, replicas: &Replicas, member: &MemberId) -> Kind {
        match self.of(replicas, member) {
            Some(membership) if !membership.is_active() => Kind::Stranger,
            Some(membership) if membership.role.owns() => Kind::Owner,
            Some(_) => Kind::Reader,
            None => Kind::Stranger,
        }
    }

    /// Which active member was granted a name last; only where we write the roster.
    pub(super) fn named(&self, name: &Name) -> Option<MemberId> {
        self.names.get(name).copied()
    }

    /// How many members the roster has, former ones among them.
    pub(super) fn n_members(&self) -> usize {
        self.n_members
    }

    /// Whoever does not belong any more.
    pub(super) fn revoked(&self) -> Vec<(MemberId, GrantState)> {
        let revoked = self.special.iter().filter(|(_, membership)| !membership.is_active());
        revoked.map(|(member, membership)| (*member, membership.state)).collect()
    }

    /// Whoever belongs, and may have no shard.
    pub(super) fn readers(&self) -> impl Iterator<Item = &MemberId> {
        let is_reader = |membership: &Membership| !membership.role.owns() && membership.is_active();
        self.special.iter().filter(move |(_, membership)| is_reader(membership)).map(|(member, _)| member)
    }

    /// Takes over the entries that a change of the authority's shard wrote. A change without items is a copy
    /// put in place: everything is to be read again.
    pub(super) fn learn(&mut self, cx: &mut Context, replicas: &mut Replicas, change: &ShardChange) {
        self.changed = true;
        self.stale |= change.log.is_empty();
        for (key, at) in change.keys.range::<str, _>((Bound::Included(GRANT_PREFIX), Bound::Unbounded)) {
            if let Some(Some(item)) = at.and_then(|at| change.log.get(&at)) {
                self.learn_grant(cx, replicas, key, item);
            }
        }
    }

    /// Takes over one entry of the roster.
    pub(super) fn learn_grant(&mut self, cx: &mut Context, replicas: &mut Replicas, key: &Key, item: &Item) {
        let (Some(member), Ok(grant)) = (Grant::member_of(key.as_str()), Grant::decode(&item.value)) else {
            return;
        };
        if role_of(&cx.config.mesh, &member) == IdRole::Authority {
            // An older build let the mesh's own id be admitted. To heed it would freeze the roster.
            return;
        }
        let owner = replicas.know_owner(&member);
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
        // A name is one active member's at a time; whoever had it before may come later when entries are
        // loaded.
        if cx.config.authority.is_some() && grant.is_active() {
            self.names.insert(grant.name, member);
        }
        if is_held {
            self.on_seen(cx, replicas, &member);
        }
    }

    /// Somebody is there: if it was invited, it has joined, which is written where the roster is.
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

    /// How many have joined, which is to be written.
    pub(super) fn n_joined(&self) -> usize {
        self.joined.len()
    }

    /// One of them, which is written now.
    pub(super) fn pop_joined(&mut self) -> Option<MemberId> {
        self.joined.pop_first()
    }

    /// What follows from the entries is done once more: a crash may have come between.
    pub(super) fn judge_again(&mut self) {
        self.changed = true;
    }

    /// Whether the roster has changed and what follows from that is not done.
    pub(super) fn has_changed(&self) -> bool {
        self.changed
    }

    /// Whether the roster has changed since the last time; then what follows from that is to be done now.
    pub(super) fn take_changed(&mut self) -> bool {
        core::mem::take(&mut self.changed)
    }

    /// Whether all entries are to be read again; once.
    pub(super) fn take_stale(&mut self) -> bool {
        core::mem::take(&mut self.stale)
    }
}

/// Who knocked, and who refuses us.
impl Members {
    /// Who knocked and is not in the roster, in order.
    pub(super) fn pending(&self, replicas: &Replicas) -> impl Iterator<Item = &Pending> {
        self.pending.iter().filter(|pending| !self.belongs(replicas, &pending.id))
    }

    /// Somebody knocked who is not in the roster. It keeps the time when it first did.
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

    /// Somebody is linked, or is sought.
    pub(super) fn forget_pending(&mut self, member: &MemberId) {
        self.pending.retain(|pending| pending.id != *member);
    }

    /// Who knocked and belongs by now; then it is pending no more.
    pub(super) fn take_admitted(&mut self, replicas: &Replicas) -> Vec<Pending> {
        let belongs = |pending: &&Pending| self.belongs(replicas, &pending.id);
        let admitted: Vec<Pending> = self.pending.iter().filter(belongs).cloned().collect();
        admitted.iter().for_each(|pending| self.forget_pending(&pending.id));
        admitted
    }

    /// Why peers refuse this member, if one did and no link has come up since.
    pub(super) fn refused_by(&self) -> Option<Refusal> {
        self.refused_by
    }

    /// A peer refuses this member.
    pub(super) fn on_refused(&mut self, refusal: Refusal) {
        self.refused_by = Some(refusal);
    }

    /// A link with `peer` is up: nobody refuses us, and what comes after is news.
    pub(super) fn on_link_up(&mut self, peer: &MemberId) {
        self.refused_by = None;
        self.said.forget(peer);
    }

    /// Whether people are to hear of it; from then on they have.
    pub(super) fn is_news(&mut self, refused: &Refused, now: Time) -> bool {
        self.said.is_new(refused, now)
    }
}
