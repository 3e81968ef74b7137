//! A snapshot as a reader holds it; the member can end the read.

use crate::{
    current::Current,
    lease::{Lease, Purpose},
};
use datafan_core::{
    id::MemberId,
    item::{Item, Key},
    store::{Meta, Page, ShardNumber, ShardRecord, StoreError, StoreSnapshot},
    time::Timestamp,
    trie::{Node, Place},
};
use std::{
    ops::{Bound, RangeInclusive},
    sync::Arc,
};

/// A state of the store that a reader of a [`Handle`](crate::Handle) holds.
///
/// A store cannot reuse the space of what a snapshot shows, so the member ends a read when nothing was read
/// for [`READ_IDLE_MICROS`](datafan_core::limits::READ_IDLE_MICROS), when the store grew too much, and when
/// it is compacted: every further call then fails with [`StoreError::ReadEnded`]. After the member has
/// stopped, every call fails with [`StoreError::Stopped`].
pub struct Leased<V: StoreSnapshot> {
    pub(crate) lease: Arc<Lease<V>>,
    /// Its number in `current`.
    number: u64,
    current: Arc<Current<V>>,
}

impl<V: StoreSnapshot> Leased<V> {
    /// The published snapshot, for one reader.
    pub(crate) fn new(current: &Arc<Current<V>>, purpose: Purpose) -> Result<Self, StoreError> {
        let (number, lease) = current.lease(purpose)?;
        Ok(Self { lease, number, current: current.clone() })
    }
}

impl<V: StoreSnapshot> Drop for Leased<V> {
    fn drop(&mut self) {
        self.current.give_back(self.number);
    }
}

impl<V: StoreSnapshot> StoreSnapshot for Leased<V> {
    fn used_bytes(&self) -> Result<u64, StoreError> {
        self.lease.read(|view| view.used_bytes())
    }

    fn meta(&self, key: Meta) -> Result<Option<Vec<u8>>, StoreError> {
        self.lease.read(|view| view.meta(key))
    }

    fn shards(&self) -> Result<Vec<(ShardNumber, Arc<ShardRecord>)>, StoreError> {
        self.lease.read(V::shards)
    }

    fn shard(&self, shard: ShardNumber) -> Result<Option<Arc<ShardRecord>>, StoreError> {
        self.lease.read(|view| view.shard(shard))
    }

    fn whole(&self, owner: &MemberId) -> Result<Option<(ShardNumber, Arc<ShardRecord>)>, StoreError> {
        self.lease.read(|view| view.whole(owner))
    }

    fn timestamp_of(&self, shard: ShardNumber, key: &str) -> Result<Option<Timestamp>, StoreError> {
        self.lease.read(|view| view.timestamp_of(shard, key))
    }

    fn timestamps_of(&self, shard: ShardNumber, keys: &[&Key]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        self.lease.read(|view| view.timestamps_of(shard, keys))
    }

    fn item(&self, shard: ShardNumber, at: Timestamp) -> Result<Option<Arc<Item>>, StoreError> {
        self.lease.read(|view| view.item(shard, at))
    }

    fn log(
        &self,
        shard: ShardNumber,
        range: RangeInclusive<Timestamp>,
        page: Page,
    ) -> Result<Vec<Arc<Item>>, StoreError> {
        self.lease.read(|view| view.log(shard, range, page))
    }

    fn keys(
        &self,
        shard: ShardNumber,
        from: Bound<&str>,
        page: Page,
    ) -> Result<Vec<(Key, Timestamp)>, StoreError> {
        self.lease.read(|view| view.keys(shard, from, page))
    }

    fn node(&self, shard: ShardNumber, place: Place) -> Result<Option<Node>, StoreError> {
        self.lease.read(|view| view.node(shard, place))
    }

    fn tombstones(
        &self,
        shard: ShardNumber,
        range: RangeInclusive<Timestamp>,
        page: Page,
    ) -> Result<Vec<(Timestamp, Key)>, StoreError> {
        self.lease.read(|view| view.tombstones(shard, range, page))
    }

    fn expiries(
        &self,
        shard: ShardNumber,
        until: Timestamp,
        page: Page,
    ) -> Result<Vec<(Timestamp, Timestamp)>, StoreError> {
        self.lease.read(|view| view.expiries(shard, until, page))
    }
}
