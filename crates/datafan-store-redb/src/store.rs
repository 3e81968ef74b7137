//! The writer and its readers.

use crate::{
    edge::{Caught, Edge, Fault},
    layout::{META, META_CLEAN},
    open::{self, Options, synced},
    snapshot::RedbSnapshot,
    write,
};
use datafan_core::store::{Batch, Compacted, Durability, ShardNumber, Store, StoreError, StoreReader};
use redb::{Database, ReadableDatabase, WriteTransaction};
use std::{
    fs::{self, Metadata},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

/// A store in one redb file. Dropping it without [`Store::close`] counts as a crash: lazy commits may be lost.
pub struct RedbStore {
    path: PathBuf,
    shared: Shared,
    lazy: Lazy,
}

/// Takes snapshots of a [`RedbStore`] until it is closed, dropped or has failed.
#[derive(Clone)]
pub struct RedbReader {
    shared: Shared,
}

/// After so many bytes of lazy commits the next one is synced: the file grows until then, as redb does not
/// reuse pages that the last synced state needs.
pub const LAZY_BYTES_MAX: u64 = 64 << 20;
/// After so many lazy commits the next one is synced.
pub const LAZY_COMMITS_MAX: u64 = 1_024;

/// A lazy commit after which the file takes an eighth more on disk than at the last sync, and at least this much, is
/// followed by a sync: a change of a few rows may cost as many pages.
pub const LAZY_GROWTH_BYTES: u64 = 16 << 20;

/// What was committed since the last sync.
#[derive(Default)]
struct Lazy {
    commits: u64,
    bytes: u64,
    /// What the file took on disk when the first of them was begun.
    file_bytes: u64,
}

#[derive(Clone)]
struct Shared {
    edge: Edge,
    /// `None` once closed. Written at the end, and while it is compacted.
    database: Arc<RwLock<Option<Caught<Database>>>>,
}

impl RedbStore {
    /// Opens the store in the file `path`, or makes a new one there; its directory must exist.
    ///
    /// Fails, without a change of the file, with [`StoreError::InUse`] if another handle has it open, with
    /// [`StoreError::Format`] if a build with another format wrote it, and with [`StoreError::Damaged`] if it
    /// is no store or does not pass the checks. With [`StoreError::Failed`] if the system refuses.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, StoreError> {
        let path = path.as_ref().to_owned();
        let database = open::open(&path, &options)?;
        let database = Arc::new(RwLock::new(Some(database)));
        Ok(Self { path, shared: Shared { edge: Edge::default(), database }, lazy: Lazy::default() })
    }

    /// Work on the database that needs it alone; readers wait.
    pub(crate) fn alone<T>(
        &mut self,
        work: impl FnOnce(&mut Caught<Database>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let mut database = self.shared.database.write().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_mut().ok_or(StoreError::Stopped)?;
        self.shared.edge.run(|| work(database))
    }

    /// A synced commit of nothing, even if nothing waits for one.
    pub(crate) fn make_durable(&mut self) -> Result<(), StoreError> {
        self.sync_with(|_| Ok(()))
    }

    /// One synced transaction that does `work`.
    fn sync_with(
        &mut self,
        work: impl FnOnce(&WriteTransaction) -> Result<(), Fault>,
    ) -> Result<(), StoreError> {
        self.shared.with(|database| {
            let transaction = synced(database)?;
            work(&transaction)?;
            Ok(transaction.commit()?)
        })?;
        self.lazy = Lazy::default();
        Ok(())
    }

    /// One transaction that does `work` and wrote so many bytes; synced if too much would hang on the next sync.
    fn lazily<T>(
        &mut self,
        bytes: u64,
        work: impl FnOnce(&WriteTransaction) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let commits = self.lazy.commits + 1;
        let bytes = self.lazy.bytes + bytes;
        // A file that does not say how large it is does not stop a commit.
        let now = self.file_bytes().unwrap_or_default();
        let file_bytes = if commits == 1 { now } else { self.lazy.file_bytes };
        let has_grown = now >= file_bytes.saturating_add((file_bytes / 8).max(LAZY_GROWTH_BYTES));
        let is_full = commits > LAZY_COMMITS_MAX || bytes > LAZY_BYTES_MAX || has_grown;
        let done = self.shared.with(|database| {
            let mut transaction = synced(database)?;
            if !is_full {
                // Nothing to be repaired quickly: a crash goes back to the last synced commit.
                transaction.set_quick_repair(false);
                transaction.set_durability(redb::Durability::None)?;
            }
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        })?;
        self.lazy = if is_full { Lazy::default() } else { Lazy { commits, bytes, file_bytes } };
        Ok(done)
    }
}

impl Store for RedbStore {
    type Reader = RedbReader;

    fn reader(&self) -> RedbReader {
        RedbReader { shared: self.shared.clone() }
    }

    fn commit(&mut self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        match durability {
            Durability::Synced => self.sync_with(|transaction| write::apply(transaction, &batch)),
            Durability::Lazy => {
                self.lazily(write::bytes_of(&batch), |transaction| write::apply(transaction, &batch))
            }
        }
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        if self.lazy.commits == 0 {
            return self.shared.with(|_| Ok(()));
        }
        self.sync_with(|_| Ok(()))
    }

    fn erase(&mut self, shard: ShardNumber, rows: usize) -> Result<bool, StoreError> {
        self.lazily(0, |transaction| write::erase(transaction, shard, rows))
    }

    fn compact(&mut self) -> Result<Option<Compacted>, StoreError> {
        self.compact_file()
    }

    fn file_bytes(&self) -> Result<u64, StoreError> {
        let file =
            fs::metadata(&self.path).map_err(|error| StoreError::Failed { what: error.to_string() })?;
        Ok(on_disk(&file))
    }

    fn close(mut self) -> Result<(), StoreError> {
        self.sync_with(|transaction| {
            transaction.open_table(META)?.insert(META_CLEAN, &[][..])?;
            Ok(())
        })?;
        self.shared.take().map_or(Ok(()), Caught::finish)
    }
}

/// What a file takes on disk: redb makes it longer than that, by holes.
#[cfg(unix)]
fn on_disk(file: &Metadata) -> u64 {
    file.len().min(std::os::unix::fs::MetadataExt::blocks(file) * 512)
}

#[cfg(not(unix))]
fn on_disk(file: &Metadata) -> u64 {
    file.len()
}

impl Drop for RedbStore {
    fn drop(&mut self) {
        drop(self.shared.take());
    }
}

impl StoreReader for RedbReader {
    type Snapshot = RedbSnapshot;

    fn snapshot(&self) -> Result<RedbSnapshot, StoreError> {
        self.shared.with(|database| Ok(RedbSnapshot::new(database.begin_read()?, self.shared.edge.clone())))
    }
}

impl Shared {
    fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T, Fault>) -> Result<T, StoreError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().ok_or(StoreError::Stopped)?;
        self.edge.run(|| work(database))
    }

    fn take(&self) -> Option<Caught<Database>> {
        self.edge.stop();
        self.database.write().unwrap_or_else(PoisonError::into_inner).take()
    }
}
