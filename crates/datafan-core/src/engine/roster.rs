//! The roster: reads its entries, and handles their changes.

use super::{
    context::Context,
    disk::{Disk, Snapshot},
    handlers::Greeting,
    replicas::{Owner, Replicas},
};
use crate::{
    engine::Effect,
    grant::{GRANT_PREFIX, Grant, GrantState},
    hash::Hash,
    id::MemberId,
    item::Key,
    roster::{IdRole, may_become, role_of},
    shard::View,
    store::{Page, ShardChange, ShardNumber, Store, StoreError, StoreSnapshot},
    time::Timestamp,
};
use alloc::{string::String, vec::Vec};
use core::ops::Bound;

impl<S: Store> Greeting<'_, S> {
    /// Loads all entries of a shard.
    pub(super) fn load_roster(&mut self, shard: ShardNumber) -> Result<(), StoreError> {
        let snapshot = self.disk.share_current();
        for_each_grant(&*snapshot, shard, |key, at| {
            if let Some(item) = snapshot.item(shard, at)? {
                self.members.learn_grant(self.cx, self.replicas, key, &item);
            }
            Ok(())
        })
    }

    /// Handles a changed roster once it is written: drops shards of revoked members, and decides about links
    /// again.
    pub(super) fn on_roster_changed(&mut self) -> Result<(), StoreError> {
        if !self.members.take_changed() {
            return Ok(());
        }
        if self.members.take_stale() {
            let whole = self.replicas.get(&self.cx.config.mesh.authority()).and_then(Owner::whole);
            if let Some((shard, _)) = whole {
                self.load_roster(shard)?;
            }
        }
        self.replicas.forget_refused();
        for (member, state) in self.members.revoked() {
            self.on_revoked(member, state);
        }
        self.drop_readers_shards();
        self.dialling().dial_admitted();
        self.discovery.reach.on_roster();
        let peers: Vec<MemberId> = self.links.keys().copied().collect();
        for peer in peers {
            self.accept_or_refuse(peer);
        }
        self.cx.more_to_do = true;
        Ok(())
    }

    fn on_revoked(&mut self, member: MemberId, state: GrantState) {
        let kept: Option<(Timestamp, Hash)> = match state {
            GrantState::Keep { timestamp, root } => Some((timestamp, root)),
            GrantState::Active | GrantState::Invited { .. } | GrantState::Drop => None,
        };
        self.forget_addresses(&member);
        let Some(owner) = self.replicas.get(&member) else { return };
        if owner.known().is_some_and(|known| Some(known.order()) != kept) {
            self.exchange().cancel_transfer(&member);
            self.replicas.forget(&member);
        }
        if kept.is_none() {
            self.drop_shards(&member);
        }
    }

    /// Drops the shards of an owner. Their rows are erased gradually.
    pub(super) fn drop_shards(&mut self, member: &MemberId) {
        self.exchange().cancel_transfer(member);
        self.replicas.forget(member);
        self.discovery.reach.unlist(member);
        self.divergent.retire(member, self.disk);
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

    /// Stops dialling a member that is no longer active.
    pub(super) fn forget_addresses(&mut self, member: &MemberId) {
        self.discovery.forget(member);
        self.key_conflicts.listed.forget(member);
    }

    /// Drops the shards of members that have become readers.
    pub(super) fn drop_readers_shards(&mut self) {
        let holds = |owner: &Owner| owner.head().is_some() || owner.building().is_some();
        let readers = self.members.readers().filter(|member| self.replicas.get(member).is_some_and(holds));
        let readers: Vec<MemberId> = readers.copied().collect();
        for member in readers {
            self.drop_shards(&member);
            // Publish them again if we ever may write.
            if member == self.cx.me {
                self.own.publish_again();
            }
        }
    }
}

/// The grant of a member, read from the store.
pub(super) fn grant_of<S: Store>(
    cx: &Context,
    disk: &Disk<S>,
    replicas: &Replicas,
    member: &MemberId,
) -> Result<Option<Grant>, StoreError> {
    let Some((shard, _)) = replicas.get(&cx.config.mesh.authority()).and_then(Owner::whole) else {
        return Ok(None);
    };
    if role_of(&cx.config.mesh, member) == IdRole::Authority {
        return Ok(None);
    }
    let view = disk.view(shard);
    let at = view.timestamp_of(Grant::key(member).as_str())?;
    let item = at.map(|at| view.item(at)).transpose()?.flatten();
    Ok(item.and_then(|item| Grant::decode(&item.value).ok()))
}

/// Whether the roster after `view` and `change` has all known members, with no older entry and no revoked
/// member that is active again.
pub(super) fn keeps_members<S: Store>(
    cx: &Context,
    disk: &Disk<S>,
    replicas: &Replicas,
    view: &View<'_, Snapshot<S>>,
    change: &ShardChange,
) -> Result<bool, StoreError> {
    let held = replicas.get(&cx.config.mesh.authority()).and_then(Owner::whole);
    let Some((shard, _)) = held else { return Ok(true) };
    let held = disk.view(shard);
    if view.shard == shard {
        // A change on top of the held roster can only affect the entries that it contains.
        return keeps(&held, change.keys.keys(), &disk.view_with(shard, Some(change)));
    }
    let pending = disk.staged(shard).into_iter().flat_map(|change| change.keys.keys());
    let mut kept = keeps(&held, pending, view)?;
    for_each_grant(disk.current(), shard, |key, _| {
        kept &= keeps(&held, [key].into_iter(), view)?;
        Ok(())
    })?;
    Ok(kept)
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

/// Whether no entry among `keys` is older, missing or active again in `after`.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::{
            Config, Engine,
            testing::{TestStore, at, head, identity, mesh},
        },
        identity::Strict,
        store::{HeldTombstones, ShardRecord},
    };
    use alloc::boxed::Box;

    /// A roster that was replaced as a whole has to be loaded. If that fails, the member would decide by its
    /// earlier state, so the engine stops, as after every other failed read.
    #[test]
    fn a_roster_that_cannot_be_read_stops_the_engine() {
        let store = TestStore::default();
        let config = Config::new(mesh(), identity(7), "member".parse().unwrap());
        let mut engine = Engine::open(config, 1, Box::new(Strict), store.clone(), at(1)).unwrap();
        let authority = mesh().authority();
        let record = ShardRecord::whole(head(authority, 5), None, HeldTombstones::default());
        engine.replicas.hold(&authority, Some((ShardNumber(0), record.into())));
        // A change without items is a replacement of the whole roster.
        let change = ShardChange::default();
        engine.members.learn(&mut engine.cx, &mut engine.replicas, &change);
        assert_eq!(engine.greeting().on_roster_changed(), Ok(()));
        engine.members.learn(&mut engine.cx, &mut engine.replicas, &change);
        store.set_failing(true);
        assert!(matches!(engine.greeting().on_roster_changed(), Err(StoreError::Failed { .. })));
    }
}
