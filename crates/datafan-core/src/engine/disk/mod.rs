//! The engine's store: the current snapshot, the batch that a call stages, and pending syncs and erasures.
//!
//! With a full disk, reads and answers work as before, but nothing is written until there is room again.

mod current;
#[cfg(test)]
mod tests;

use super::{context::Context, not_writable::NotWritable};
use crate::{
    codec::DecodeError,
    head::Head,
    id::MemberId,
    item::Key,
    shard::View,
    store::{
        Batch, Compacted, Durability, HeldTombstones, Meta, Page, Room, ShardChange, ShardNumber,
        ShardRecord, ShardState, Store, StoreError, StoreReader, StoreSnapshot,
    },
    time::{MILLI, SECOND, Time, Timestamp},
};
use alloc::{collections::BTreeSet, format, string::String, sync::Arc, vec::Vec};
use current::CurrentSnapshot;

/// The snapshot type of a store.
pub(super) type Snapshot<S> = <<S as Store>::Reader as StoreReader>::Snapshot;

/// The store and the work that is pending for it.
pub(super) struct Disk<S: Store> {
    store: S,
    reader: S::Reader,
    current: CurrentSnapshot<Snapshot<S>>,
    /// The batch of this call.
    batch: Batch,
    /// The approximate size of the staged changes.
    batch_bytes: usize,
    /// The batch moves the bound of own timestamps, so it must be synced.
    moves_bound: bool,
    /// Since when committed data is unsynced; `lazy_bytes` is how much.
    lazy_since: Option<Time>,
    lazy_bytes: usize,
    next_shard: u32,
    /// Shards whose rows are being erased.
    dead: BTreeSet<ShardNumber>,
    next_erase: Time,
    /// Why the disk is full.
    full: Option<String>,
}

/// A batch this large is written before the call ends.
const BATCH_BYTES_MAX: usize = 16 << 20;
/// Unsynced bytes of others' data beyond which a sync is requested.
const LAZY_BYTES_MAX: usize = 16 << 20;
/// Rows of a dead shard that are erased in one step, and the pause between steps.
const ERASE_ROWS: usize = 4_096;
const ERASE_MICROS: u64 = 5 * MILLI;

impl<S: Store> Disk<S> {
    /// Opens the current snapshot of the store.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) fn new(store: S, now: Time) -> Result<Self, StoreError> {
        let reader = store.reader();
        Ok(Self {
            current: CurrentSnapshot::new(reader.snapshot()?),
            store,
            reader,
            batch: Batch::default(),
            batch_bytes: 0,
            moves_bound: false,
            lazy_since: None,
            lazy_bytes: 0,
            next_shard: 0,
            dead: BTreeSet::new(),
            next_erase: now,
            full: None,
        })
    }

    /// All shards except dead ones, which will be erased.
    pub(super) fn load_shards(&mut self) -> Result<Vec<(ShardNumber, Arc<ShardRecord>)>, StoreError> {
        let mut shards = self.current.shards()?;
        self.next_shard = shards.iter().map(|(number, _)| number.0 + 1).max().unwrap_or(0);
        shards.retain(|(number, record)| {
            let is_dead = matches!(record.state, ShardState::Dead);
            if is_dead {
                self.dead.insert(*number);
            }
            !is_dead
        });
        Ok(shards)
    }

    /// The store as of the last commit.
    pub(super) fn current(&self) -> &Snapshot<S> {
        &self.current
    }

    /// The store as of the last commit, for callers that keep it.
    pub(super) fn share_current(&self) -> Arc<Snapshot<S>> {
        self.current.share()
    }

    pub(super) fn reader(&self) -> &S::Reader {
        &self.reader
    }

    /// A value of the member, as of the last commit.
    ///
    /// # Errors
    /// If the store fails, or if `decode` fails, which is reported as damage of `what`.
    pub(super) fn meta<T>(
        &self,
        key: Meta,
        what: &str,
        decode: impl FnOnce(&[u8]) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, StoreError> {
        let Some(bytes) = self.current.meta(key)? else { return Ok(None) };
        let damaged = |error| StoreError::Damaged { what: format!("{what}: {error}") };
        decode(&bytes).map(Some).map_err(damaged)
    }

    /// A shard with the staged changes of this call.
    pub(super) fn view(&self, shard: ShardNumber) -> View<'_, Snapshot<S>> {
        View::new(&*self.current, shard, self.staged(shard))
    }

    /// Like [`Disk::view`], with one more change on top.
    pub(super) fn view_with<'a>(
        &'a self,
        shard: ShardNumber,
        change: Option<&'a ShardChange>,
    ) -> View<'a, Snapshot<S>> {
        View::new(&*self.current, shard, self.staged(shard).into_iter().chain(change))
    }

    /// A shard as of the last commit.
    pub(super) fn committed(&self, shard: ShardNumber) -> View<'_, Snapshot<S>> {
        View::new(&*self.current, shard, None)
    }

    /// A shard's record with the staged changes.
    pub(super) fn record(&self, shard: ShardNumber) -> Result<Option<Arc<ShardRecord>>, StoreError> {
        match self.staged(shard).and_then(|change| change.record.clone()) {
            Some(record) => Ok(Some(record)),
            None => self.current.shard(shard),
        }
    }

    /// The head of a shard, if it has one.
    pub(super) fn head_of(&self, shard: ShardNumber) -> Result<Option<Head>, StoreError> {
        Ok(self.record(shard)?.and_then(|record| record.head().copied()))
    }

    /// The staged change of a shard in this call.
    pub(super) fn staged(&self, shard: ShardNumber) -> Option<&ShardChange> {
        self.batch.shards.get(&shard)
    }

    /// Adds a change to the batch of this call.
    pub(super) fn stage(&mut self, shard: ShardNumber, change: ShardChange) {
        self.batch_bytes +=
            change.log.values().flatten().map(|item| item.bytes() as usize + 64).sum::<usize>();
        self.batch_bytes += change.nodes.len() * 256;
        self.batch.shards.entry(shard).or_default().absorb(change);
    }

    /// Adds a value of the member to the batch of this call; `None` removes it.
    pub(super) fn set_meta(&mut self, key: Meta, value: Option<Vec<u8>>) {
        self.batch.meta.insert(key, value);
    }

    /// Like [`Disk::set_meta`], for the bounds of own timestamps, which must be on disk before a later
    /// timestamp is visible.
    pub(super) fn set_bounds(&mut self, bounds: Vec<u8>) {
        self.set_meta(Meta::Bound, Some(bounds));
        self.moves_bound = true;
    }

    /// A number for a new shard.
    pub(super) fn new_shard(&mut self) -> ShardNumber {
        let number = ShardNumber(self.next_shard);
        self.next_shard += 1;
        number
    }

    /// Marks a shard as dead. Its rows are erased gradually.
    pub(super) fn retire(&mut self, owner: MemberId, shard: ShardNumber) {
        let record = ShardRecord::dead(owner);
        // This replaces the shard's staged change, which need not be written any more.
        let change = ShardChange { record: Some(record.into()), ..ShardChange::default() };
        self.batch.shards.insert(shard, change);
        self.dead.insert(shard);
    }

    /// Whether this call has staged anything.
    pub(super) fn has_staged(&self) -> bool {
        !self.batch.is_empty()
    }

    /// Whether the batch is so large that it is written before the call ends.
    pub(super) fn is_batch_large(&self) -> bool {
        self.batch_bytes > BATCH_BYTES_MAX
    }

    /// Writes the batch, and returns its shards.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) fn write(&mut self, cx: &mut Context) -> Result<Vec<ShardNumber>, StoreError> {
        let batch = core::mem::take(&mut self.batch);
        let changed = batch.shards.keys().copied().collect();
        self.lazy_bytes += core::mem::take(&mut self.batch_bytes);
        self.current.release();
        if core::mem::take(&mut self.moves_bound) {
            self.store.commit(batch, Durability::Synced)?;
            self.on_synced(cx);
        } else {
            self.lazy_since.get_or_insert(cx.time());
            self.store.commit(batch, Durability::Lazy)?;
        }
        self.current.replace(self.reader.snapshot()?);
        Ok(changed)
    }

    /// Makes all commits durable.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) fn sync(&mut self, cx: &mut Context) -> Result<(), StoreError> {
        self.store.sync()?;
        self.on_synced(cx);
        Ok(())
    }

    fn on_synced(&mut self, cx: &mut Context) {
        cx.on_synced();
        self.lazy_since = None;
        self.lazy_bytes = 0;
    }

    /// Whether committed data was unsynced for long enough, or is large enough, to sync.
    pub(super) fn is_sync_due(&self, now: Time, sync_micros: u64) -> bool {
        self.sync_at(sync_micros) <= now || self.lazy_bytes > LAZY_BYTES_MAX
    }

    fn sync_at(&self, sync_micros: u64) -> Time {
        self.lazy_since.map_or(Time::NEVER, |since| since.after(sync_micros))
    }

    /// Erases a few rows of a dead shard, if it is time.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) fn erase(&mut self, now: Time) -> Result<(), StoreError> {
        let Some(&shard) = self.dead.first() else { return Ok(()) };
        // The record is `Dead` on disk only after the batch that retired the shard is written.
        if self.next_erase > now || self.batch.shards.contains_key(&shard) {
            return Ok(());
        }
        if self.full.is_some() {
            self.next_erase = now.after(SECOND);
            return Ok(());
        }
        // Replace the snapshot: an older one would keep all erased rows in use until the next commit.
        self.current.release();
        let is_done = self.store.erase(shard, ERASE_ROWS)?;
        self.current.replace(self.reader.snapshot()?);
        if is_done {
            self.dead.remove(&shard);
        }
        self.lazy_since.get_or_insert(now);
        self.next_erase = now.after(ERASE_MICROS);
        Ok(())
    }

    /// When the next erasure or sync is due.
    pub(super) fn wakes_at(&self, sync_micros: u64) -> Time {
        let erase = if self.dead.is_empty() { Time::NEVER } else { self.next_erase };
        erase.min(self.sync_at(sync_micros))
    }

    /// Checks whether the disk has room. Returns whether it has just run out.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) fn check_disk_room(&mut self) -> Result<bool, StoreError> {
        let had_room = self.full.is_none();
        self.full = match self.store.room()? {
            Room::Enough => None,
            Room::Short { why } => Some(why),
            Room::Again => {
                Some(String::from("there is room again, and the store is about to be opened again"))
            }
        };
        Ok(had_room && self.full.is_some())
    }

    /// Why the disk is full; `None` if there is room.
    pub(super) fn full(&self) -> Option<&str> {
        self.full.as_deref()
    }

    /// Checks that there is room for own writes.
    pub(super) fn check_room(&self) -> Result<(), NotWritable> {
        self.full().map_or(Ok(()), |why| Err(NotWritable::DiskFull { why: why.into() }))
    }

    /// Whether the disk was full and has room again. The store must be reopened before it can be written.
    ///
    /// # Errors
    /// If the store's file no longer exists.
    pub(super) fn has_room_again(&mut self) -> Result<bool, StoreError> {
        Ok(self.store.room()? == Room::Again)
    }

    /// Bytes of disk that the store occupies.
    ///
    /// # Errors
    /// If the system does not report it.
    pub(super) fn file_bytes(&self) -> Result<u64, StoreError> {
        self.store.file_bytes()
    }

    /// Bytes that the store has written since it was opened.
    pub(super) fn written_bytes(&self) -> u64 {
        self.store.written_bytes()
    }

    /// Free bytes on the disk, if the store reports them.
    pub(super) fn free_bytes(&self) -> Option<u64> {
        self.store.free_bytes()
    }

    /// Shrinks the store to the size of its contents. Returns `None` and does nothing if a snapshot is held.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) fn compact(&mut self) -> Result<Option<Compacted>, StoreError> {
        self.current.release();
        let done = self.store.compact()?;
        self.current.replace(self.reader.snapshot()?);
        Ok(done)
    }

    /// Drops the oldest tombstones of a shard if `change` adds too many. Tombstones only make deltas cheaper.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) fn trim_tombstones(
        &self,
        shard: ShardNumber,
        held: &mut HeldTombstones,
        change: &mut ShardChange,
        max: u64,
    ) -> Result<(), StoreError> {
        held.rows += change.tombstones.values().filter(|adds| **adds).count() as u64;
        if held.rows <= max {
            return Ok(());
        }
        // Drop a quarter at once, so that this is rare, and all of them if one change brings more than fit.
        let n = held.rows - max * 3 / 4;
        let page = Page { rows: usize::try_from(n).unwrap_or(usize::MAX), bytes: usize::MAX };
        let mut oldest: Vec<(Timestamp, Key)> =
            self.current.tombstones(shard, Timestamp::ZERO..=Timestamp::MAX, page)?;
        let added =
            change.tombstones.iter().filter(|(_, adds)| **adds).map(|(tombstone, _)| tombstone.clone());
        oldest.extend(added.collect::<Vec<_>>());
        oldest.sort();
        oldest.truncate(page.rows);
        for tombstone in oldest {
            held.since = held.since.max(tombstone.0);
            change.tombstones.insert(tombstone, false);
            held.rows = held.rows.saturating_sub(1);
        }
        Ok(())
    }

    /// Writes the batch and the last own timestamps used, syncs and closes the store.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) fn close(mut self, bounds: Vec<u8>) -> Result<(), StoreError> {
        self.set_meta(Meta::Bound, Some(bounds));
        self.store.commit(core::mem::take(&mut self.batch), Durability::Synced)?;
        self.store.close()
    }

    /// Returns the store and releases its snapshot.
    pub(super) fn into_store(self) -> S {
        self.store
    }
}
