//! Looks for another process with this member's key at the addresses that its shard publishes.

use super::{
    discovery::{ADDRESSES_KEY, decode_addresses},
    effect::{Alarm, Effect},
    handlers::Conflicts,
    key_conflicts::SameKeyPlace,
    own::OwnShard,
    publish::system_item,
};
use crate::{
    engine::rejection::Rejection,
    store::{Store, StoreError},
    time::Timestamp,
};

impl<S: Store> Conflicts<'_, S> {
    /// Queues the addresses that the own shard publishes, to be dialled.
    pub(super) fn queue_own_addresses(&mut self) -> Result<(), StoreError> {
        let item = system_item(self.disk, self.replicas, &self.cx.me.clone(), ADDRESSES_KEY)?;
        let addresses = item.and_then(|item| decode_addresses(&item.value).ok()).unwrap_or_default();
        self.key_conflicts.same_key.ask(addresses);
        Ok(())
    }

    /// Dials the queued addresses.
    pub(super) fn dial_same_key(&mut self) {
        for address in self.key_conflicts.same_key.begin(self.cx.now.time) {
            self.cx.emit(Effect::Dial { address, expected: Some(self.cx.me) });
        }
    }

    /// Another process with our key began before this one.
    pub(super) fn on_same_key(&mut self, place: SameKeyPlace) {
        if !self.key_conflicts.same_key.find(place.clone()) {
            return;
        }
        self.cx.stats.reject(Rejection::KeyInUse);
        let is_empty = |own: &OwnShard| own.before() == Timestamp::ZERO && !own.has_written();
        let empty = self.own.get(&self.cx.me).is_none_or(is_empty);
        let empty = empty || self.key_conflicts.listed.is_newcomer();
        self.cx.alarm(Alarm::KeyInUse { place, empty });
    }
}
