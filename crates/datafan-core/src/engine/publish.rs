//! System items of members, such as `_sys/addresses`, which holds their addresses. `restamp.rs` writes
//! `_sys/restamped`, and `runs.rs` writes `_sys/runs`.

use super::{
    context::News,
    discovery::{ADDRESSES_KEY, LINKS_KEY, decode_addresses},
    disk::Disk,
    handlers::{Dialling, SystemItems},
    replicas::{
        Owner, Replicas,
        invalid_spans::{self, RESTAMPED_KEY},
    },
};
use crate::{
    engine::rejection::Rejection,
    id::MemberId,
    item::Item,
    runs::{RUNS_KEY, RunHistory},
    store::{ShardChange, ShardNumber, Store, StoreError, StoreSnapshot},
};
use alloc::sync::Arc;

/// The keys of system items, which do not count against quotas.
pub(super) const SYSTEM_KEYS: [&str; 6] =
    [ADDRESSES_KEY, RESTAMPED_KEY, RUNS_KEY, LINKS_KEY, "_sys/lifetimes", "_sys/ring"];

/// The keys of items that other members learn from.
const LEARNED_KEYS: [&str; 4] = [ADDRESSES_KEY, RESTAMPED_KEY, RUNS_KEY, LINKS_KEY];

impl<S: Store> SystemItems<'_, S> {
    /// Learns the invalid spans that an owner's shard lists.
    pub(super) fn learn_invalid_spans(&mut self, owner: &MemberId, value: &[u8]) {
        match invalid_spans::decode(value) {
            Ok(spans) => self.replicas.set_invalid_spans(owner, spans),
            Err(_) => self.cx.stats.reject(Rejection::Restamped),
        }
    }

    /// Learns the system items that a change of `owner`'s shard wrote.
    pub(super) fn learn_change(&mut self, owner: &MemberId, change: &ShardChange) {
        if *owner == self.cx.config.mesh.authority() {
            self.fork_judge().learn_closings(change);
        }
        if change.keys.get(RUNS_KEY) == Some(&None) {
            self.replicas.set_last_run(owner, None);
        }
        for key in LEARNED_KEYS {
            if let Some(Some(at)) = change.keys.get(key)
                && let Some(Some(item)) = change.log.get(at)
            {
                self.learn_system(owner, key, item);
            }
        }
    }

    /// Loads the system items of a stored shard.
    pub(super) fn load_system(&mut self, owner: &MemberId, shard: ShardNumber) -> Result<(), StoreError> {
        if *owner == self.cx.config.mesh.authority() {
            self.fork_judge().load_closings(shard)?;
        }
        for key in LEARNED_KEYS {
            let at = self.disk.current().timestamp_of(shard, key)?;
            let item = at.map(|at| self.disk.current().item(shard, at)).transpose()?.flatten();
            match item {
                Some(item) => self.learn_system(owner, key, &item),
                None if key == RUNS_KEY => self.replicas.set_last_run(owner, None),
                None if key == LINKS_KEY => self.cx.add_news(News::NoLinks { owner: *owner }),
                None => {}
            }
        }
        Ok(())
    }

    fn learn_system(&mut self, owner: &MemberId, key: &str, item: &Arc<Item>) {
        match key {
            RESTAMPED_KEY => self.learn_invalid_spans(owner, &item.value),
            RUNS_KEY => {
                self.learn_runs(owner, &item.value);
                self.fork_judge().judge_forks_by(owner, &item.value);
            }
            LINKS_KEY if self.cx.config.publish_links => {
                self.cx.add_news(News::Links { owner: *owner, item: item.clone() });
            }
            LINKS_KEY => {}
            _ => self.cx.add_news(News::Addresses { owner: *owner, item: item.clone() }),
        }
    }

    /// Learns the runs that an owner's shard lists.
    pub(super) fn learn_runs(&mut self, owner: &MemberId, value: &[u8]) {
        self.divergent.on_runs(owner);
        match RunHistory::decode(value).map(|history| history.last()) {
            Ok(last) => self.replicas.set_last_run(owner, last),
            Err(_) => self.cx.stats.reject(Rejection::Runs),
        }
    }
}

impl<S: Store> Dialling<'_, S> {
    /// Passes what this call learned from members' shards to discovery.
    pub(super) fn apply_news(&mut self) {
        for news in self.cx.take_news() {
            match news {
                News::Moved { owner } => self.discovery.reach.on_moved(&owner, self.cx.now.time),
                News::Addresses { owner, item } => self.learn_addresses(&owner, &item.value),
                News::Links { owner, item } => self.conflicts().learn_links(&owner, &item.value),
                News::NoLinks { owner } => {
                    self.discovery.reach.unlist(&owner);
                    self.key_conflicts.listed.forget(&owner);
                }
            }
        }
    }

    fn learn_addresses(&mut self, owner: &MemberId, value: &[u8]) {
        if *owner == self.cx.me || !self.members.belongs(self.replicas, owner) {
            return;
        }
        match decode_addresses(value) {
            Ok(addresses) => self.discovery.on_published(owner, !addresses.is_empty()),
            Err(_) => self.cx.stats.reject(Rejection::Addresses),
        }
    }
}

/// A system item in the shard of `owner`.
pub(super) fn system_item<S: Store>(
    disk: &Disk<S>,
    replicas: &Replicas,
    owner: &MemberId,
    key: &str,
) -> Result<Option<Arc<Item>>, StoreError> {
    let Some((shard, _)) = replicas.get(owner).and_then(Owner::whole) else { return Ok(None) };
    let view = disk.view(shard);
    let at = view.timestamp_of(key)?;
    Ok(at.map(|at| view.item(at)).transpose()?.flatten())
}
