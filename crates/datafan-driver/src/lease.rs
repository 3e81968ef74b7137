//! A snapshot as its reader has it: it can be taken back.

use crate::current::Current;
use datafan_core::{
    id::MemberId,
    item::{Item, Key},
    store::{Meta, Page, ReadEnd, ShardNumber, ShardRecord, StoreError, StoreSnapshot},
    time::Timestamp,
    trie::{Node, Place},
};
use std::{
    ops::{Bound, RangeInclusive},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// What a snapshot is read for, which decides how much the store may grow meanwhile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// Anything that can go on in a later state.
    Read,
    /// A copy of everything, which is of no use unless it is whole.
    Backup,
}

/// A state of the store that a reader of a [`Handle`](crate::Handle) holds.
///
/// A store cannot reuse the room of what a snapshot still shows, so the member takes it back when nothing was read for
/// [`READ_IDLE_MICROS`](datafan_core::limits::READ_IDLE_MICROS), when the store grew too much meanwhile, and when it is
/// compacted: every read then fails with [`StoreError::ReadEnded`]. After the member has stopped every read fails with
/// [`StoreError::Stopped`].
pub struct Leased<V: StoreSnapshot> {
    pub(crate) lease: Arc<Lease<V>>,
    /// In `current`.
    pub(crate) number: u64,
    pub(crate) current: Arc<Current<V>>,
}

/// What reader and member share of one read.
pub(crate) struct Lease<V> {
    pub purpose: Purpose,
    pub began: Instant,
    /// What the store took on disk then.
    pub file_bytes: u64,
    /// When it was last used, in milliseconds since `began`.
    used: AtomicU64,
    view: RwLock<Result<Arc<V>, StoreError>>,
}

impl<V> Lease<V> {
    pub fn new(view: Arc<V>, purpose: Purpose, began: Instant, file_bytes: u64) -> Self {
        Self { purpose, began, file_bytes, used: AtomicU64::new(0), view: RwLock::new(Ok(view)) }
    }

    /// How long it has not been used.
    pub fn idle(&self, now: Instant) -> Duration {
        let used = Duration::from_millis(self.used.load(Ordering::Relaxed));
        now.saturating_duration_since(self.began).saturating_sub(used)
    }

    #[cfg(test)]
    pub fn set_used(&self, used: Duration) {
        self.used.store(u64::try_from(used.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// Takes the snapshot back, once a read that is under way is done.
    pub fn end(&self, why: StoreError) {
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        if view.is_ok() {
            *view = Err(why);
        }
    }

    /// Whether the reader still has it.
    pub fn is_held(&self) -> bool {
        self.view.read().unwrap_or_else(PoisonError::into_inner).is_ok()
    }

    fn read<T>(&self, read: impl FnOnce(&V) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner);
        let done = read(view.as_ref().map_err(Clone::clone)?);
        let used = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.used.store(used, Ordering::Relaxed);
        done
    }
}

impl<V: StoreSnapshot> Drop for Leased<V> {
    fn drop(&mut self) {
        self.current.give_back(self.number);
    }
}

/// The error of a read that lost its snapshot.
pub(crate) fn ended(reason: ReadEnd) -> StoreError {
    StoreError::ReadEnded { reason }
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

    fn graves(
        &self,
        shard: ShardNumber,
        range: RangeInclusive<Timestamp>,
        page: Page,
    ) -> Result<Vec<(Timestamp, Key)>, StoreError> {
        self.lease.read(|view| view.graves(shard, range, page))
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
