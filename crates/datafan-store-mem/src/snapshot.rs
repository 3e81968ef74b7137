//! A state of the store, and the reads on it.

use crate::{rows::LogRow, shard::Shard};
use datafan_core::{
    id::MemberId,
    item::{Item, Key},
    store::{Batch, Meta, Page, ShardNumber, ShardRecord, ShardState, StoreError, StoreSnapshot},
    time::Timestamp,
    trie::{Node, Place},
};
use imbl::OrdMap;
use std::{
    ops::{Bound, RangeInclusive},
    sync::Arc,
};

/// A consistent view at one commit; taking one copies a few pointers.
#[derive(Clone, Default)]
pub struct MemSnapshot {
    meta: OrdMap<Meta, Arc<[u8]>>,
    shards: OrdMap<ShardNumber, Arc<Shard>>,
    /// The `Whole` shard of each owner.
    owners: OrdMap<MemberId, ShardNumber>,
}

impl MemSnapshot {
    /// Applies `batch`.
    pub(crate) fn apply(&mut self, batch: &Batch) {
        for (key, value) in &batch.meta {
            match value {
                Some(value) => self.meta.insert(*key, value.as_slice().into()),
                None => self.meta.remove(key),
            };
        }
        for (number, change) in &batch.shards {
            if let Some(record) = &change.record {
                self.index_owner(*number, record);
            }
            Arc::make_mut(self.shards.entry(*number).or_default()).apply(change);
        }
    }

    /// Removes at most `rows` rows of a dead shard, the record with the last ones. True when all is removed.
    pub(crate) fn erase(&mut self, number: ShardNumber, rows: usize) -> bool {
        let Some(shard) = self.shards.get_mut(&number) else { return true };
        let dead = shard.record.as_ref().is_none_or(|record| matches!(record.state, ShardState::Dead));
        assert!(dead, "only dead shards are erased");
        let gone = Arc::make_mut(shard).erase(rows);
        if gone {
            self.shards.remove(&number);
        }
        gone
    }

    fn index_owner(&mut self, number: ShardNumber, new: &ShardRecord) {
        let old = self.shards.get(&number).and_then(|shard| shard.record.as_ref());
        if let Some(old) = old.filter(|old| self.owners.get(&old.owner) == Some(&number)) {
            self.owners.remove(&old.owner);
        }
        if new.is_whole() {
            self.owners.insert(new.owner, number);
        }
    }

    fn of(&self, shard: ShardNumber) -> Option<&Shard> {
        self.shards.get(&shard).map(|shard| &**shard)
    }
}

impl StoreSnapshot for MemSnapshot {
    fn meta(&self, key: Meta) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.meta.get(&key).map(|value| value.to_vec()))
    }

    fn shards(&self) -> Result<Vec<(ShardNumber, Arc<ShardRecord>)>, StoreError> {
        let record = |(number, shard): (&ShardNumber, &Arc<Shard>)| Some((*number, shard.record.clone()?));
        Ok(self.shards.iter().filter_map(record).collect())
    }

    fn shard(&self, shard: ShardNumber) -> Result<Option<Arc<ShardRecord>>, StoreError> {
        Ok(self.of(shard).and_then(|shard| shard.record.clone()))
    }

    fn whole(&self, owner: &MemberId) -> Result<Option<(ShardNumber, Arc<ShardRecord>)>, StoreError> {
        let Some(number) = self.owners.get(owner) else { return Ok(None) };
        Ok(self.shard(*number)?.map(|record| (*number, record)))
    }

    fn timestamp_of(&self, shard: ShardNumber, key: &str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.of(shard).and_then(|shard| shard.keys.get(key)))
    }

    fn timestamps_of(&self, shard: ShardNumber, keys: &[&Key]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        Ok(match self.of(shard) {
            Some(shard) => shard.keys.get_all(keys),
            None => vec![None; keys.len()],
        })
    }

    fn item(&self, shard: ShardNumber, at: Timestamp) -> Result<Option<Arc<Item>>, StoreError> {
        let row = self.of(shard).and_then(|shard| shard.log.get(&at));
        Ok(row.map(LogRow::item))
    }

    fn log(
        &self,
        shard: ShardNumber,
        range: RangeInclusive<Timestamp>,
        page: Page,
    ) -> Result<Vec<Arc<Item>>, StoreError> {
        let Some(shard) = self.of(shard) else { return Ok(Vec::new()) };
        let rows = shard.log.from(Bound::Included(range.start()));
        let rows = rows.take_while(|row| row.timestamp <= *range.end());
        let rows = paged(rows, page, |row| row.body.bytes());
        Ok(rows.map(LogRow::item).collect())
    }

    fn keys(
        &self,
        shard: ShardNumber,
        from: Bound<&str>,
        page: Page,
    ) -> Result<Vec<(Key, Timestamp)>, StoreError> {
        let Some(shard) = self.of(shard) else { return Ok(Vec::new()) };
        let rows = shard.keys.from(from);
        Ok(paged(rows, page, |(key, _)| key.as_str().len()).collect())
    }

    fn node(&self, shard: ShardNumber, place: Place) -> Result<Option<Node>, StoreError> {
        Ok(self.of(shard).and_then(|shard| shard.nodes.get(&place)).map(|row| row.node()))
    }

    fn tombstones(
        &self,
        shard: ShardNumber,
        range: RangeInclusive<Timestamp>,
        page: Page,
    ) -> Result<Vec<(Timestamp, Key)>, StoreError> {
        let Some(shard) = self.of(shard) else { return Ok(Vec::new()) };
        let from = (*range.start(), Key::new("\0").expect("the least key"));
        let rows = shard.tombstones.from(Bound::Included(&from)).take_while(|row| row.0 <= *range.end());
        Ok(paged(rows, page, |row| row.1.as_str().len()).cloned().collect())
    }

    fn expiries(
        &self,
        shard: ShardNumber,
        until: Timestamp,
        page: Page,
    ) -> Result<Vec<(Timestamp, Timestamp)>, StoreError> {
        let Some(shard) = self.of(shard) else { return Ok(Vec::new()) };
        let rows = shard.expiries.from(Bound::Unbounded).take_while(|row| row.0 <= until);
        Ok(paged(rows, page, |_| 0).copied().collect())
    }
}

/// The first rows that fit `page`: at least one; the row that reaches the limit of bytes is the last.
fn paged<R>(
    rows: impl Iterator<Item = R>,
    page: Page,
    bytes: impl Fn(&R) -> usize,
) -> impl Iterator<Item = R> {
    let mut full = false;
    let mut taken = 0usize;
    let fits = move |row: &R| {
        if full {
            return false;
        }
        taken += bytes(row);
        full = taken >= page.bytes;
        true
    };
    rows.take(page.rows.max(1)).take_while(fits)
}
