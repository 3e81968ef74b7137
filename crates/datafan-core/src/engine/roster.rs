//! The roster in memory: who belongs, and what follows when that changes.

use super::{
    Engine,
    replicas::{Owner, Reason, Standing},
};
use crate::{
    engine::Effect,
    grant::{GRANT_PREFIX, Grant, GrantState, Quota, Role},
    hash::Hash,
    head::Head,
    id::{MemberId, Name},
    item::{Item, Key},
    limits::{MEMBERS_MAX, QUOTA_BYTES_DEFAULT, QUOTA_ITEMS_DEFAULT, QUOTA_SYSTEM_BYTES, QUOTA_SYSTEM_ITEMS},
    roster::{IdRole, may_become, role_of},
    shard::View,
    store::{Page, ShardChange, ShardNumber, Store, StoreError, StoreSnapshot},
    time::Timestamp,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};
use core::ops::Bound;

/// What is kept of the roster beside its shard: for most members nothing but [`Standing::Plain`].
#[derive(Default)]
pub(super) struct Roster {
    /// Members that do not belong any more, or whose role, quota or invitation is not as of most.
    pub(super) special: BTreeMap<MemberId, Terms>,
    pub(super) n_members: usize,
    /// Our own name.
    pub(super) name: Option<Name>,
    /// Which active member was granted a name last; only where we write the roster.
    pub(super) names: BTreeMap<Name, MemberId>,
    /// Who was invited and has come in, which is yet to be written; only there, too.
    pub(super) entered: BTreeSet<MemberId>,
    changed: bool,
    stale: bool,
}

/// A grant without its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Terms {
    pub(super) role: Role,
    pub(super) quota: Quota,
    pub(super) state: GrantState,
    granted: Timestamp,
}

impl Roster {
    /// What follows from the entries is done once more: a crash may have come between.
    pub(super) fn judge_again(&mut self) {
        self.changed = true;
    }
}

impl Terms {
    fn of(grant: &Grant) -> Self {
        Self { role: grant.role, quota: grant.quota, state: grant.state, granted: grant.granted }
    }

    pub(super) fn is_active(&self) -> bool {
        self.state.is_active()
    }
}

/// Whether a head may be held.
pub(super) enum Verdict {
    Good,
    /// Nobody has granted its owner anything.
    Unknown,
    Refused(Reason),
}

impl<S: Store> Engine<S> {
    /// What the roster says of a member.
    pub(super) fn terms(&self, member: &MemberId) -> Option<Terms> {
        match self.replicas.get(member).map_or(Standing::Unknown, Owner::standing) {
            Standing::Unknown => None,
            // With the default quota, when it was granted makes no difference.
            Standing::Plain => {
                let (quota, granted) = (Quota::default(), Timestamp::ZERO);
                Some(Terms { role: Role::Member, quota, state: GrantState::Active, granted })
            }
            Standing::Special => self.roster.special.get(member).copied(),
        }
    }

    /// Whether the roster names a member, and not as revoked.
    pub(super) fn is_member(&self, id: &MemberId) -> bool {
        self.terms(id).is_some_and(|terms| terms.is_active())
    }

    /// The whole entry of a member.
    pub(super) fn grant_of(&self, member: &MemberId) -> Result<Option<Grant>, StoreError> {
        let Some((shard, _)) = self.replicas.get(&self.cx.config.mesh.authority()).and_then(Owner::whole)
        else {
            return Ok(None);
        };
        if role_of(&self.cx.config.mesh, member) == IdRole::Authority {
            return Ok(None);
        }
        let view = self.disk.view(shard);
        let at = view.timestamp_of(Grant::key(member).as_str())?;
        let item = at.map(|at| view.item(at)).transpose()?.flatten();
        Ok(item.and_then(|item| Grant::decode(&item.value).ok()))
    }

    /// Takes over the entries that a change of the authority's shard wrote. A change without items is a copy
    /// put in place: everything is read again.
    pub(super) fn note_grants(&mut self, change: &ShardChange) {
        self.roster.changed = true;
        self.roster.stale |= change.log.is_empty();
        for (key, at) in change.keys.range::<str, _>((Bound::Included(GRANT_PREFIX), Bound::Unbounded)) {
            if let Some(Some(item)) = at.and_then(|at| change.log.get(&at)) {
                self.note_grant(key, item);
            }
        }
    }

    /// Takes over all entries of a shard.
    pub(super) fn load_roster(&mut self, shard: ShardNumber) -> Result<(), StoreError> {
        let snapshot = self.disk.share_current();
        for_each_grant(&*snapshot, shard, |key, at| {
            if let Some(item) = snapshot.item(shard, at)? {
                self.note_grant(key, &item);
            }
            Ok(())
        })
    }

    fn note_grant(&mut self, key: &Key, item: &Item) {
        let (Some(member), Ok(grant)) = (Grant::member_of(key.as_str()), Grant::decode(&item.value)) else {
            return;
        };
        if role_of(&self.cx.config.mesh, &member) == IdRole::Authority {
            // An older build let the mesh's own id be admitted. To heed it would freeze the roster.
            return;
        }
        let owner = self.replicas.know_owner(&member);
        let is_held = owner.head().is_some();
        if owner.standing() == Standing::Unknown {
            if self.roster.n_members >= MEMBERS_MAX {
                return;
            }
            self.roster.n_members += 1;
        }
        let is_plain = (grant.state, grant.role) == (GrantState::Active, Role::Member);
        if is_plain && grant.quota == Quota::default() {
            self.replicas.set_standing(&member, Standing::Plain);
            self.roster.special.remove(&member);
        } else {
            self.replicas.set_standing(&member, Standing::Special);
            self.roster.special.insert(member, Terms::of(&grant));
        }
        if member == self.cx.me {
            self.roster.name = Some(grant.name.clone());
        }
        // A name is one active member's at a time; whoever had it before may come later when entries are loaded.
        if self.cx.config.authority.is_some() && grant.is_active() {
            self.roster.names.insert(grant.name, member);
        }
        if is_held {
            self.note_entered(&member);
        }
    }

    /// Whether `head` may be held, as far as roster, quota and clock say.
    pub(super) fn verdict(&self, head: &Head) -> Verdict {
        let too_late = self.is_too_late(head.timestamp);
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
        let Some(grant) = self.terms(&head.owner) else { return Verdict::Unknown };
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

    /// Whether `head`, which is good, should replace what is held. The head at which a revoked owner's shard stays
    /// replaces every other, the one permitted step back.
    pub(super) fn is_newer(&self, head: &Head, than: Option<&Head>) -> bool {
        let Some(than) = than else { return true };
        let kept = match self.terms(&head.owner).map(|terms| terms.state) {
            Some(GrantState::Keep { timestamp, root }) => Some((timestamp, root)),
            _ => None,
        };
        match kept {
            Some(kept) if kept == head.order() => than.order() != kept,
            None if self.is_set_aside(than) && !self.is_too_late(head.timestamp) => {
                than.order() != head.order()
            }
            _ => head.order() > than.order(),
        }
    }

    /// Whether a roster that follows from `view` and `change` has every known member, none of them older, and none active
    /// again whose membership ended.
    pub(super) fn keeps_members(
        &self,
        view: &View<'_, super::disk::Snapshot<S>>,
        change: &ShardChange,
    ) -> Result<bool, StoreError> {
        let held = self.replicas.get(&self.cx.config.mesh.authority()).and_then(Owner::whole);
        let Some((shard, _)) = held else { return Ok(true) };
        let held = self.disk.view(shard);
        if view.shard == shard {
            // A change on top of what is held: only the entries that it names can be older or gone.
            return keeps(&held, change.keys.keys(), &self.disk.view_with(shard, Some(change)));
        }
        let pending = self.disk.staged(shard).into_iter().flat_map(|change| change.keys.keys());
        let mut kept = keeps(&held, pending, view)?;
        for_each_grant(self.disk.current(), shard, |key, _| {
            kept &= keeps(&held, [key].into_iter(), view)?;
            Ok(())
        })?;
        Ok(kept)
    }

    /// What follows once a changed roster is written: shards of revoked members go, links are judged again.
    pub(super) fn on_roster_changed(&mut self) {
        if !core::mem::take(&mut self.roster.changed) {
            return;
        }
        if core::mem::take(&mut self.roster.stale) {
            let whole = self.replicas.get(&self.cx.config.mesh.authority()).and_then(Owner::whole);
            if let Some((shard, _)) = whole {
                // The shard was just put in place; failing to read it shows up with the next read.
                let _ = self.load_roster(shard);
            }
        }
        self.replicas.forget_refused();
        let special = self.roster.special.iter();
        let revoked: Vec<(MemberId, GrantState)> = special
            .filter(|(_, terms)| !terms.is_active())
            .map(|(member, terms)| (*member, terms.state))
            .collect();
        for (member, state) in revoked {
            self.on_revoked(member, state);
        }
        self.drop_readers_shards();
        self.seek_admitted();
        self.reach.on_roster();
        let peers: Vec<MemberId> = self.links.keys().copied().collect();
        for peer in peers {
            self.judge(peer);
        }
        self.cx.more_to_do = true;
    }

    fn on_revoked(&mut self, member: MemberId, state: GrantState) {
        let kept: Option<(Timestamp, Hash)> = match state {
            GrantState::Keep { timestamp, root } => Some((timestamp, root)),
            GrantState::Active | GrantState::Invited { .. } | GrantState::Drop => None,
        };
        self.forget_addresses(&member);
        let Some(owner) = self.replicas.get(&member) else { return };
        if owner.known().is_some_and(|known| Some(known.order()) != kept) {
            self.cancel_transfer(&member);
            self.replicas.forget(&member);
        }
        if kept.is_none() {
            self.drop_shards(&member);
        }
    }

    /// Gives up the shards of an owner; their rows are erased by and by.
    pub(super) fn drop_shards(&mut self, member: &MemberId) {
        self.cancel_transfer(member);
        self.replicas.forget(member);
        self.reach.unlist(member);
        self.drop_divergent(member);
        let whole = self.replicas.whole(member).map(|(shard, _)| shard);
        let building = self.replicas.take_building(member);
        if whole.is_some() {
            self.replicas.hold(member, None);
            self.replicas.forget_moved(member);
            self.cx.emit(Effect::Applied { owner: *member, timestamp: Timestamp::ZERO });
        }
        for shard in whole.into_iter().chain(building) {
            self.disk.retire(*member, shard);
        }
    }
}

/// Calls `each` with the key and timestamp of every entry of a roster.
fn for_each_grant<V: StoreSnapshot>(
    snapshot: &V,
    shard: ShardNumber,
    mut each: impl FnMut(&Key, Timestamp) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut from = Bound::Included(String::from(GRANT_PREFIX));
    loop {
        let rows = snapshot.keys(shard, from.as_ref().map(|key| key.as_str()), Page::rows(1_024))?;
        for (key, at) in &rows {
            if !key.as_str().starts_with(GRANT_PREFIX) {
                return Ok(());
            }
            each(key, *at)?;
        }
        let Some((last, _)) = rows.last() else { return Ok(()) };
        from = Bound::Excluded(last.as_str().into());
    }
}

/// Whether no entry of a roster among `keys` is older or gone in what comes `after` it, or active again.
fn keeps<'a, V: StoreSnapshot>(
    held: &View<'_, V>,
    keys: impl Iterator<Item = &'a Key>,
    after: &View<'_, V>,
) -> Result<bool, StoreError> {
    for key in keys.filter(|key| Grant::member_of(key.as_str()).is_some()) {
        let (was, is) = (held.timestamp_of(key.as_str())?, after.timestamp_of(key.as_str())?);
        if is < was {
            return Ok(false);
        }
        let (Some(was), Some(is)) = (was, is) else { continue };
        if was != is
            && let (Some(was), Some(is)) = (grant_at(held, was)?, grant_at(after, is)?)
            && !may_become(&was, &is)
        {
            return Ok(false);
        }
    }
    Ok(true)
}

fn grant_at<V: StoreSnapshot>(view: &View<'_, V>, at: Timestamp) -> Result<Option<Grant>, StoreError> {
    Ok(view.item(at)?.and_then(|item| Grant::decode(&item.value).ok()))
}
