//! The content of a member's store at one commit, and reads on it.

use super::{pages::Pages, pool::Pool, state::State};
use datafan_core::{
    id::MemberId,
    item::{Item, Key},
    store::{Batch, Meta, Page, ShardNumber, ShardRecord, ShardState, StoreError, StoreSnapshot},
    time::Timestamp,
    trie::{Node, Place},
};
use std::{
    collections::BTreeMap,
    ops::{Bound, RangeInclusive},
    sync::Arc,
};

/// A consistent view of a member's store; taking one copies a few pointers.
#[derive(Clone)]
pub struct SharedSnapshot {
    pub(super) pool: Pool,
    meta: Arc<BTreeMap<Meta, Vec<u8>>>,
    shards: Pages<Arc<State>>,
    /// The `Whole` shard of each owner, by the owner's number in the pool.
    owners: Pages<ShardNumber>,
}

impl SharedSnapshot {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool, meta: Arc::default(), shards: Pages::default(), owners: Pages::default() }
    }

    /// The state of an owner's visible shard.
    pub fn state_of(&self, owner: &MemberId) -> Option<&Arc<State>> {
        self.state(*self.owners.get(self.pool.number_of(owner))?)
    }

    /// The states of all shards, by number.
    pub fn states(&self) -> impl Iterator<Item = &Arc<State>> {
        self.shards.iter().map(|(_, state)| state)
    }

    pub(super) fn apply(&mut self, batch: &Batch) {
        if !batch.meta.is_empty() {
            let meta = Arc::make_mut(&mut self.meta);
            for (key, value) in &batch.meta {
                match value {
                    Some(value) => meta.insert(*key, value.clone()),
                    None => meta.remove(key),
                };
            }
        }
        for (number, change) in &batch.shards {
            if let Some(record) = &change.record {
                self.index_owner(*number, record);
            }
            let blank = State::default();
            let old = self.state(*number).map_or(&blank, |state| &**state);
            let new = self.pool.after(old, change);
            self.shards.set(number.0, Some(new));
        }
    }

    /// Removes at most `rows` rows of a dead shard, the record with the last ones. True when all is removed.
    pub(super) fn erase(&mut self, number: ShardNumber, rows: usize) -> bool {
        let Some(state) = self.state(number) else { return true };
        let dead = state.record.as_ref().is_none_or(|record| matches!(record.state, ShardState::Dead));
        assert!(dead, "only dead shards are erased");
        let mut state = State::clone(state);
        let gone = state.erase(rows);
        self.shards.set(number.0, (!gone).then(|| Arc::new(state)));
        gone
    }

    fn index_owner(&mut self, number: ShardNumber, new: &ShardRecord) {
        let owner = self.pool.number_of(&new.owner);
        let old = self.state(number).and_then(|state| state.record.as_ref()).map(|record| record.owner);
        let old = old.map(|old| self.pool.number_of(&old));
        let stays = old == Some(owner) && new.is_whole();
        if let Some(old) = old.filter(|old| !stays && self.owners.get(*old) == Some(&number)) {
            self.owners.set(old, None);
        }
        if new.is_whole() && self.owners.get(owner) != Some(&number) {
            self.owners.set(owner, Some(number));
        }
    }

    fn state(&self, number: ShardNumber) -> Option<&Arc<State>> {
        self.shards.get(number.0)
    }
}

impl StoreSnapshot for SharedSnapshot {
    fn meta(&self, key: Meta) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.meta.get(&key).cloned())
    }

    fn shards(&self) -> Result<Vec<(ShardNumber, Arc<ShardRecord>)>, StoreError> {
        let record = |(number, state): (u32, &Arc<State>)| Some((ShardNumber(number), state.record.clone()?));
        Ok(self.shards.iter().filter_map(record).collect())
    }

    fn shard(&self, shard: ShardNumber) -> Result<Option<Arc<ShardRecord>>, StoreError> {
        Ok(self.state(shard).and_then(|state| state.record.clone()))
    }

    fn whole(&self, owner: &MemberId) -> Result<Option<(ShardNumber, Arc<ShardRecord>)>, StoreError> {
        let Some(number) = self.owners.get(self.pool.number_of(owner)) else { return Ok(None) };
        Ok(self.shard(*number)?.map(|record| (*number, record)))
    }

    fn timestamp_of(&self, shard: ShardNumber, key: &str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.state(shard).and_then(|state| state.keys.get(key)).copied())
    }

    fn item(&self, shard: ShardNumber, at: Timestamp) -> Result<Option<Arc<Item>>, StoreError> {
        Ok(self.state(shard).and_then(|state| state.log.get(&at)).cloned())
    }

    fn log(
        &self,
        shard: ShardNumber,
        range: RangeInclusive<Timestamp>,
        page: Page,
    ) -> Result<Vec<Arc<Item>>, StoreError> {
        let Some(state) = self.state(shard) else { return Ok(Vec::new()) };
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let rows = state.log.range(range).map(|(_, item)| item.clone());
        Ok(paged(rows, page, |item| item.bytes() as usize))
    }

    fn keys(
        &self,
        shard: ShardNumber,
        from: Bound<&str>,
        page: Page,
    ) -> Result<Vec<(Key, Timestamp)>, StoreError> {
        let Some(state) = self.state(shard) else { return Ok(Vec::new()) };
        // The empty text, which is not a key, sorts before all keys.
        let key = |text: &str| Key::new(text).ok();
        let from = match from {
            Bound::Included(text) => key(text).map_or(Bound::Unbounded, Bound::Included),
            Bound::Excluded(text) => key(text).map_or(Bound::Unbounded, Bound::Excluded),
            Bound::Unbounded => Bound::Unbounded,
        };
        let rows = state.keys.range((from, Bound::Unbounded)).map(|(key, at)| (key.clone(), *at));
        Ok(paged(rows, page, |(key, _)| key.as_str().len()))
    }

    fn node(&self, shard: ShardNumber, place: Place) -> Result<Option<Node>, StoreError> {
        Ok(self.state(shard).and_then(|state| state.nodes.get(&place)).cloned())
    }

    fn tombstones(
        &self,
        shard: ShardNumber,
        range: RangeInclusive<Timestamp>,
        page: Page,
    ) -> Result<Vec<(Timestamp, Key)>, StoreError> {
        let Some(state) = self.state(shard) else { return Ok(Vec::new()) };
        let from = (*range.start(), Key::new("\0").expect("the least key"));
        let rows = state.tombstones.range(from..).take_while(|row| row.0 <= *range.end()).cloned();
        Ok(paged(rows, page, |row| row.1.as_str().len()))
    }

    fn expiries(
        &self,
        shard: ShardNumber,
        until: Timestamp,
        page: Page,
    ) -> Result<Vec<(Timestamp, Timestamp)>, StoreError> {
        let Some(state) = self.state(shard) else { return Ok(Vec::new()) };
        let rows = state.expiries.iter().take_while(|row| row.0 <= until).copied();
        Ok(paged(rows, page, |_| 0))
    }
}

/// The first rows that fit `page`: at least one; the row that reaches the limit of bytes is the last.
fn paged<R>(rows: impl Iterator<Item = R>, page: Page, bytes: impl Fn(&R) -> usize) -> Vec<R> {
    let mut taken = 0;
    let mut found = Vec::new();
    for row in rows.take(page.rows.max(1)) {
        taken += bytes(&row);
        found.push(row);
        if taken >= page.bytes {
            break;
        }
    }
    found
}
