//! The roster in memory: who belongs, and what follows when that changes.

use super::{Engine, Outbox, owner::Reason};
use crate::{
    engine::Effect,
    grant::{GRANT_PREFIX, Grant, GrantState},
    hash::Hash,
    head::Head,
    id::{MemberId, Name},
    limits::{MEMBERS_MAX, QUOTA_BYTES_DEFAULT, QUOTA_ITEMS_DEFAULT, QUOTA_SYSTEM_BYTES, QUOTA_SYSTEM_ITEMS},
    shard::View,
    store::{Page, ShardChange, ShardNumber, ShardState, Store, StoreError, StoreSnapshot},
    time::Timestamp,
};
use alloc::{collections::BTreeMap, vec::Vec};
use core::ops::Bound;

/// The grants of the roster that is held.
#[derive(Default)]
pub(super) struct Roster {
    grants: BTreeMap<MemberId, Grant>,
    changed: bool,
    stale: bool,
}

impl Roster {
    pub(super) fn grant(&self, member: &MemberId) -> Option<&Grant> {
        self.grants.get(member)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&MemberId, &Grant)> {
        self.grants.iter()
    }

    /// The active member with this name.
    pub(super) fn named(&self, name: &Name) -> Option<&MemberId> {
        self.grants.iter().find(|(_, grant)| grant.is_active() && grant.name == *name).map(|(id, _)| id)
    }

    pub(super) fn is_active(&self, member: &MemberId) -> bool {
        self.grants.get(member).is_some_and(Grant::is_active)
    }

    /// Takes over the entries that a change of the authority's shard wrote. A change without items is a copy
    /// put in place: everything is read again.
    pub(super) fn note(&mut self, change: &ShardChange) {
        self.changed = true;
        self.stale |= change.log.is_empty();
        for (key, at) in change.keys.range::<str, _>((Bound::Included(GRANT_PREFIX), Bound::Unbounded)) {
            let Some(member) = Grant::member_of(key.as_str()) else { continue };
            let item = at.and_then(|at| change.log.get(&at)?.as_ref());
            if let Some(grant) = item.and_then(|item| Grant::decode(&item.value).ok()) {
                self.insert(member, grant);
            }
        }
    }

    /// What follows from the entries is done once more: a crash may have come between.
    pub(super) fn judge_again(&mut self) {
        self.changed = true;
    }

    /// Reads all entries of a shard.
    pub(super) fn load<V: StoreSnapshot>(
        &mut self,
        snapshot: &V,
        shard: ShardNumber,
    ) -> Result<(), StoreError> {
        let mut from = Bound::Included(alloc::string::String::from(GRANT_PREFIX));
        loop {
            let rows = snapshot.keys(shard, from.as_ref().map(|key| key.as_str()), Page::rows(1_024))?;
            for (key, at) in &rows {
                let Some(member) = Grant::member_of(key.as_str()) else { continue };
                let item = snapshot.item(shard, *at)?;
                if let Some(grant) = item.and_then(|item| Grant::decode(&item.value).ok()) {
                    self.insert(member, grant);
                }
            }
            match rows.last() {
                Some((key, _)) if key.as_str().starts_with(GRANT_PREFIX) => {
                    from = Bound::Excluded(key.as_str().into());
                }
                _ => return Ok(()),
            }
        }
    }

    fn insert(&mut self, member: MemberId, grant: Grant) {
        if self.grants.len() < MEMBERS_MAX || self.grants.contains_key(&member) {
            self.grants.insert(member, grant);
        }
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
    /// Whether `head` may be held, as far as roster, quota and clock say.
    pub(super) fn verdict(&self, head: &Head) -> Verdict {
        let too_late = head.timestamp.0 > self.now.wall.0.saturating_add(self.config.clock_ahead_micros);
        if head.owner == self.config.mesh.authority() {
            return match head.timestamp < self.config.roster_min {
                true => Verdict::Refused(Reason::Roster),
                false if too_late => Verdict::Refused(Reason::Clock),
                false => Verdict::Good,
            };
        }
        let Some(grant) = self.roster.grant(&head.owner) else { return Verdict::Unknown };
        match grant.state {
            GrantState::Drop => return Verdict::Refused(Reason::Revoked),
            GrantState::Keep { timestamp, root } if (timestamp, root) != head.order() => {
                return Verdict::Refused(Reason::Revoked);
            }
            GrantState::Keep { .. } => return Verdict::Good,
            GrantState::Active => {}
        }
        // A head from before the grant may exceed it, but not without bound: its owner chose its timestamp.
        let (mut items, mut bytes) = (grant.quota.items, grant.quota.bytes);
        if head.timestamp <= grant.granted {
            (items, bytes) = (items.max(QUOTA_ITEMS_DEFAULT), bytes.max(QUOTA_BYTES_DEFAULT));
        }
        if head.items > items.saturating_add(QUOTA_SYSTEM_ITEMS)
            || head.bytes > bytes.saturating_add(QUOTA_SYSTEM_BYTES)
        {
            return Verdict::Refused(Reason::Quota);
        }
        if too_late { Verdict::Refused(Reason::Clock) } else { Verdict::Good }
    }

    /// Whether `head`, which is good, should replace what is held. The head at which a revoked owner's shard stays
    /// replaces every other, the one permitted step back.
    pub(super) fn is_newer(&self, head: &Head, than: Option<&Head>) -> bool {
        let Some(than) = than else { return true };
        let kept = match self.roster.grant(&head.owner).map(|grant| grant.state) {
            Some(GrantState::Keep { timestamp, root }) => Some((timestamp, root)),
            _ => None,
        };
        match kept {
            Some(kept) if kept == head.order() => than.order() != kept,
            _ => head.order() > than.order(),
        }
    }

    /// Whether a roster that follows from `view` and `change` has every known member, none of them older.
    pub(super) fn keeps_members(
        &self,
        view: &View<'_, super::Snapshot<S>>,
        change: &ShardChange,
    ) -> Result<bool, StoreError> {
        let held = self.owners.get(&self.config.mesh.authority()).and_then(|owner| owner.whole.as_ref());
        let Some((shard, _)) = held else { return Ok(true) };
        if view.shard == *shard {
            // A change on top of what is held: only the entries that it names can be older or gone.
            for (key, after) in &change.keys {
                let is_grant = Grant::member_of(key.as_str()).is_some();
                if is_grant && *after < self.view(*shard).timestamp_of(key.as_str())? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        for (member, _) in self.roster.iter() {
            let key = Grant::key(member);
            if view.timestamp_of(key.as_str())? < self.view(*shard).timestamp_of(key.as_str())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What follows once a changed roster is written: shards of revoked members go, links are judged again.
    pub(super) fn on_roster_changed(&mut self, out: &mut Outbox) {
        if !core::mem::take(&mut self.roster.changed) {
            return;
        }
        if core::mem::take(&mut self.roster.stale) {
            let whole = self.owners.get(&self.config.mesh.authority()).and_then(|owner| owner.whole.as_ref());
            if let Some((shard, _)) = whole {
                // The shard was just put in place; failing to read it shows up with the next read.
                let _ = self.roster.load(&*self.snapshot, *shard);
            }
        }
        for owner in self.owners.values_mut() {
            owner.refused = None;
        }
        let revoked: Vec<(MemberId, GrantState)> = self
            .roster
            .iter()
            .filter(|(_, grant)| !grant.is_active())
            .map(|(member, grant)| (*member, grant.state))
            .collect();
        for (member, state) in revoked {
            self.on_revoked(member, state, out);
        }
        let peers: Vec<MemberId> = self.links.keys().copied().collect();
        for peer in peers {
            self.judge(peer, out);
        }
        self.more_to_do = true;
    }

    fn on_revoked(&mut self, member: MemberId, state: GrantState, out: &mut Outbox) {
        let kept: Option<(Timestamp, Hash)> = match state {
            GrantState::Keep { timestamp, root } => Some((timestamp, root)),
            GrantState::Active | GrantState::Drop => None,
        };
        self.book.forget(&member);
        let Some(owner) = self.owners.get_mut(&member) else { return };
        if owner.known.is_some_and(|known| Some(known.order()) != kept) {
            owner.forget();
            self.cancel_transfer(&member);
        }
        if kept.is_none() {
            self.drop_shards(&member, out);
        }
    }

    /// Gives up the shards of an owner; their rows are erased by and by.
    fn drop_shards(&mut self, member: &MemberId, out: &mut Outbox) {
        self.cancel_transfer(member);
        self.wanted.remove(member);
        let Some(owner) = self.owners.get_mut(member) else { return };
        owner.forget();
        let whole = owner.whole.take();
        let building = owner.building.take();
        if whole.is_some() {
            self.heads.set(member, None);
            self.dirty.remove(member);
            out.now.push(Effect::Applied { owner: *member, timestamp: Timestamp::ZERO });
        }
        for shard in whole.map(|(shard, _)| shard).into_iter().chain(building) {
            self.bury_shard(*member, shard);
        }
    }

    /// Marks a shard's rows as left over.
    pub(super) fn bury_shard(&mut self, owner: MemberId, shard: ShardNumber) {
        let record = crate::store::ShardRecord::new(owner, ShardState::Dead);
        // Whatever was gathered for it is not written any more.
        self.batch
            .shards
            .insert(shard, ShardChange { record: Some(record.into()), ..ShardChange::default() });
        self.dead.insert(shard);
    }
}
