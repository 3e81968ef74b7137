//! The engine's store: what is read, what a call stages for its one batch, and what is due to be synced or
//! erased.
//!
//! A disk without room is read and served as before; nothing is written until there is room again.

mod current;
#[cfg(test)]
mod tests;

use super::{context::Context, effect::CommandError, group::Refusable};
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

/// What a store shows of itself.
pub(super) type Snapshot<S> = <<S as Store>::Reader as StoreReader>::Snapshot;

/// The store, and what is to be done with it.
pub(super) struct Disk<S: Store> {
    store: S,
    reader: S::Reader,
    current: CurrentSnapshot<Snapshot<S>>,
    /// What this call writes.
    batch: Batch,
    /// What the staged changes take, roughly.
    batch_bytes: usize,
    /// The batch moves the bound of own timestamps: it is on disk before it is visible.
    moves_bound: bool,
    /// Since when, and how many bytes, committed data is not on disk.
    lazy_since: Option<Time>,
    lazy_bytes: usize,
    next_shard: u32,
    /// Shards whose rows are being erased.
    dead: BTreeSet<ShardNumber>,
    next_erase: Time,
    /// Why there is no room.
    full: Option<String>,
}

/// A batch this large is written before the call ends.
const BATCH_BYTES_MAX: usize = 16 << 20;
/// Unsynced bytes of others' data beyond which a sync is asked for.
const LAZY_BYTES_MAX: usize = 16 << 20;
/// Rows of a dead shard that are erased at once, and how long the next such step waits.
const ERASE_ROWS: usize = 4_096;
const ERASE_MICROS: u64 = 5 * MILLI;

impl<S: Store> Disk<S> {
    /// Reads the store as it is.
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

    /// All shards that are of use; the others will be erased.
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

    /// The store as of the last commit, for whoever keeps it longer.
    pub(super) fn share_current(&self) -> Arc<Snapshot<S>> {
        self.current.share()
    }

    pub(super) fn reader(&self) -> &S::Reader {
        &self.reader
    }

    /// A value of the member, as of the last commit.
    ///
    /// # Errors
    /// If the store fails, or `decode` does: then `what` is damaged.
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

    /// A shard as it stands, with what this call has staged.
    pub(super) fn view(&self, shard: ShardNumber) -> View<'_, Snapshot<S>> {
        View::new(&*self.current, shard, self.staged(shard))
    }

    /// As [`Disk::view`], with one more change on top.
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

    /// A shard's record as it stands.
    pub(super) fn record(&self, shard: ShardNumber) -> Result<Option<Arc<ShardRecord>>, StoreError> {
        match self.staged(shard).and_then(|change| change.record.clone()) {
            Some(record) => Ok(Some(record)),
            None => self.current.shard(shard),
        }
    }

    /// The head of the state that a shard is.
    pub(super) fn head_of(&self, shard: ShardNumber) -> Result<Option<Head>, StoreError> {
        Ok(self.record(shard)?.and_then(|record| record.head().copied()))
    }

    /// The change of a shard that this call has staged so far.
    pub(super) fn staged(&self, shard: ShardNumber) -> Option<&ShardChange> {
        self.batch.shards.get(&shard)
    }

    /// Adds a change to what this call writes.
    pub(super) fn stage(&mut self, shard: ShardNumber, change: ShardChange) {
        self.batch_bytes +=
            change.log.values().flatten().map(|item| item.bytes() as usize + 64).sum::<usize>();
        self.batch_bytes += change.nodes.len() * 256;
        self.batch.shards.entry(shard).or_default().absorb(change);
    }

    /// Adds a value of the member to what this call writes; `None` removes it.
    pub(super) fn set_meta(&mut self, key: Meta, value: Option<Vec<u8>>) {
        self.batch.meta.insert(key, value);
    }

    /// As [`Disk::set_meta`], the bounds of own timestamps: they are on disk before anybody can see a later
    /// timestamp.
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

    /// Gives up a shard: its rows are erased little by little.
    pub(super) fn retire(&mut self, owner: MemberId, shard: ShardNumber) {
        let record = ShardRecord::dead(owner);
        // Whatever was staged for it is not written any more.
        let change = ShardChange { record: Some(record.into()), ..ShardChange::default() };
        self.batch.shards.insert(shard, change);
        self.dead.insert(shard);
    }

    /// Whether this call has staged anything.
    pub(super) fn has_staged(&self) -> bool {
        !self.batch.is_empty()
    }

    /// Whether what is staged is written before the call ends.
    pub(super) fn is_batch_large(&self) -> bool {
        self.batch_bytes > BATCH_BYTES_MAX
    }

    /// Writes what was staged, and says which shards that were.
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

    /// Makes durable what was committed.
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

    /// Whether committed data has waited long enough for a sync, or is much.
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
        // Its record says Dead on disk only once the batch that retired it is written.
        if self.next_erase > now || self.batch.shards.contains_key(&shard) {
            return Ok(());
        }
        if self.full.is_some() {
            self.next_erase = now.after(SECOND);
            return Ok(());
        }
        // Readers go on to the state without these rows: an older one would keep them until the next commit,
        // and drop all that were erased meanwhile at once.
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

    /// When something is to be erased or synced.
    pub(super) fn wakes_at(&self, sync_micros: u64) -> Time {
        let erase = if self.dead.is_empty() { Time::NEVER } else { self.next_erase };
        erase.min(self.sync_at(sync_micros))
    }

    /// Looks whether there is room. Whether it has just run out.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) fn look_for_room(&mut self) -> Result<bool, StoreError> {
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

    /// Why there is no room for more; `None` while there is.
    pub(super) fn full(&self) -> Option<&str> {
        self.full.as_deref()
    }

    /// Whether there is room for what an own shard is to hold.
    pub(super) fn check_room(&self) -> Refusable<()> {
        self.full().map_or(Ok(()), |why| Err(CommandError::DiskFull { why: why.into() }))
    }

    /// Whether the disk was full and has room again, so that the store has to be opened again to be written.
    ///
    /// # Errors
    /// If the store's file is not there any more.
    pub(super) fn has_room_again(&mut self) -> Result<bool, StoreError> {
        Ok(self.store.room()? == Room::Again)
    }

    /// Bytes of disk that the store takes.
    ///
    /// # Errors
    /// If the system does not say.
    pub(super) fn file_bytes(&self) -> Result<u64, StoreError> {
        self.store.file_bytes()
    }

    /// Bytes that the store has written since it was opened.
    pub(super) fn written_bytes(&self) -> u64 {
        self.store.written_bytes()
    }

    /// Bytes that are free on the disk, where the store knows that.
    pub(super) fn free_bytes(&self) -> Option<u64> {
        self.store.free_bytes()
    }

    /// Makes the store as small as what it holds; `None`, and nothing done, where somebody holds a snapshot.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) fn compact(&mut self) -> Result<Option<Compacted>, StoreError> {
        self.current.release();
        let done = self.store.compact()?;
        self.current.replace(self.reader.snapshot()?);
        Ok(done)
    }

    /// Drops the oldest tombstones of a shard where `change` makes them more than `max`: they only make
    /// deltas cheap.
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
        // A quarter at once, so that it is rare; all of them where a single change brings more than fit.
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

    /// Writes what is staged and the last own timestamps that were used, syncs and closes the store.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) fn close(mut self, bounds: Vec<u8>) -> Result<(), StoreError> {
        self.set_meta(Meta::Bound, Some(bounds));
        self.store.commit(core::mem::take(&mut self.batch), Durability::Synced)?;
        self.store.close()
    }

    /// The store alone: what it showed is released.
    pub(super) fn into_store(self) -> S {
        self.store
    }
}
