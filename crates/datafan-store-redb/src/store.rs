//! The writer and its readers.

use crate::{
    backend::Full,
    edge::{Caught, Edge, Fault},
    layout::{META, META_CLEAN},
    open::{self, Options, synced},
    room::Watch,
    salvage,
    snapshot::RedbSnapshot,
    write,
};
use datafan_core::store::{Batch, Compacted, Durability, Room, ShardNumber, Store, StoreError, StoreReader};
use redb::{Database, ReadableDatabase, WriteTransaction};
use std::{
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

/// A store in one redb file. Dropping it without [`Store::close`] counts as a crash: lazy commits may be
/// lost.
pub struct RedbStore {
    path: PathBuf,
    options: Options,
    shared: Shared,
    lazy: Lazy,
    watch: Watch,
    /// The disk was full when the store was opened, or it was opened read-only: commits stay in memory and
    /// are discarded.
    forgets: bool,
}

/// Takes snapshots of a [`RedbStore`] until it is closed, is dropped or fails.
#[derive(Clone)]
pub struct RedbReader {
    shared: Shared,
}

/// After this many bytes of lazy commits, the next one is synced: the file grows until then, because redb
/// does not reuse pages that the last synced state needs.
pub const LAZY_BYTES_MAX: u64 = 64 << 20;
/// After this many lazy commits, the next one is synced.
pub const LAZY_COMMITS_MAX: u64 = 1_024;

/// A lazy commit after which the file takes an eighth more on disk than at the last sync, and at least this
/// much, is followed by a sync: a change of a few rows may cost as many pages.
pub const LAZY_GROWTH_BYTES: u64 = 16 << 20;

/// What was committed since the last sync.
#[derive(Default)]
struct Lazy {
    commits: u64,
    bytes: u64,
    /// Size of the file on disk before the first of them.
    file_bytes: u64,
}

/// `None` once closed. Written at the end, and while the store is opened again; readers wait then.
#[derive(Clone)]
struct Shared(Arc<RwLock<Option<Opened>>>);

/// The database, from one opening to the next.
struct Opened {
    edge: Edge,
    full: Full,
    database: Caught<Database>,
}

impl RedbStore {
    /// Opens the store in the file `path`, or creates it; its directory must exist.
    ///
    /// Fails without changing the file: with [`StoreError::InUse`] if another handle has it open, with
    /// [`StoreError::Format`] if a version with another format wrote it, with [`StoreError::Damaged`] if it
    /// is not a store or does not pass the checks, and with [`StoreError::Failed`] if the system refuses.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, StoreError> {
        let (path, opened) = (path.as_ref(), open::open(path.as_ref(), &options)?);
        let mut store = Self::over(path, options, opened)?;
        if let Err(error) = store.watch.try_opened()
            && !store.forgets
        {
            store.open_again(Err(error))?;
        }
        Ok(store)
    }

    /// Opens the store in the file `path` read-only: the file is not changed and may be read-only. Commits
    /// are discarded.
    ///
    /// Fails like [`RedbStore::open`], and if there is no file.
    pub fn open_read_only(path: impl AsRef<Path>, options: Options) -> Result<Self, StoreError> {
        let (path, opened) = (path.as_ref(), open::open_read_only(path.as_ref(), &options)?);
        let mut store = Self::over(path, options, opened)?;
        store.forgets = true;
        Ok(store)
    }

    /// Like [`RedbStore::open_read_only`], but accepts corrupt pages of items, keys and nodes, for callers
    /// that compare all of them with the heads.
    ///
    /// Fails with [`StoreError::Damaged`] if another page is corrupt as well, or the last stop was not clean.
    pub fn open_unchecked(path: impl AsRef<Path>, options: Options) -> Result<Self, StoreError> {
        let (path, opened) = (path.as_ref(), salvage::open_unchecked(path.as_ref(), &options)?);
        let mut store = Self::over(path, options, opened)?;
        store.forgets = true;
        Ok(store)
    }

    /// Creates a new file at `to`, which must not exist, with the rows of the one at `from`. See
    /// [`RedbStore::open_unchecked`] for what may be wrong with `from`.
    ///
    /// Fails in the same cases, and if a row cannot be read or there is no room; then nothing is at `to`.
    pub fn rewrite(from: &Path, to: &Path, options: &Options) -> Result<(), StoreError> {
        salvage::rewrite(from, to, options)
    }

    fn over(path: &Path, options: Options, opened: open::Opened) -> Result<Self, StoreError> {
        let failed = |error: io::Error| StoreError::Failed { what: format!("{}: {error}", path.display()) };
        let mut watch = Watch::new(path, &options).map_err(failed)?;
        let forgets = opened.1.what().is_some();
        if forgets {
            watch.postpone_retry();
        }
        let shared = Shared(Arc::new(RwLock::new(Some(Opened::new(opened)))));
        Ok(Self { path: path.to_owned(), options, shared, lazy: Lazy::default(), watch, forgets })
    }

    /// Opens the file again. If there is no room, as `tried` says, it is only read until there is.
    pub(crate) fn open_again(&mut self, tried: io::Result<()>) -> Result<(), StoreError> {
        self.forgets = self.shared.reopen(&self.path, &self.options, tried)?;
        match self.forgets {
            true => self.watch.postpone_retry(),
            false => self.watch.set_roomy(),
        }
        self.lazy = Lazy::default();
        Ok(())
    }

    /// Opens the file again after aborted work.
    pub(crate) fn open_given_up(&mut self) -> Result<(), StoreError> {
        self.shared.replace(|| Ok(Opened::new(open::open_given_up(&self.path, &self.options)?)))?;
        self.lazy = Lazy::default();
        self.unless_full()
    }

    /// The result of a commit: what was written only in memory is not committed.
    fn unless_full(&mut self) -> Result<(), StoreError> {
        match self.shared.full() {
            Some(what) if !self.forgets => {
                self.watch.postpone_retry();
                Err(StoreError::Full { what })
            }
            _ => Ok(()),
        }
    }

    /// Work that needs exclusive access to the database; readers wait.
    pub(crate) fn alone<T>(
        &mut self,
        work: impl FnOnce(&mut Caught<Database>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let done = {
            let mut opened = self.shared.0.write().unwrap_or_else(PoisonError::into_inner);
            let Opened { edge, database, .. } = opened.as_mut().ok_or(StoreError::Stopped)?;
            edge.run(|| work(database))?
        };
        self.unless_full()?;
        Ok(done)
    }

    /// The options that it was opened with.
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Aborts work on the file after this time.
    pub(crate) fn set_deadline(&self, max: Option<Duration>) {
        let opened = self.shared.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = &*opened {
            opened.full.deadline().set(max.map(|max| Instant::now() + max));
        }
    }

    /// Whether the deadline of work on the file has passed.
    pub(crate) fn is_over_deadline(&self) -> bool {
        let opened = self.shared.0.read().unwrap_or_else(PoisonError::into_inner);
        opened.as_ref().is_some_and(|opened| opened.full.deadline().is_over())
    }

    /// Whether commits are discarded.
    pub(crate) fn forgets(&self) -> bool {
        self.forgets
    }

    /// An empty synced commit, even if nothing waits for one.
    pub(crate) fn make_durable(&mut self) -> Result<(), StoreError> {
        self.sync_with(|_| Ok(()))
    }

    /// Runs `work` in one synced transaction.
    fn sync_with(
        &mut self,
        work: impl FnOnce(&WriteTransaction) -> Result<(), Fault>,
    ) -> Result<(), StoreError> {
        self.shared.with(|database| {
            let transaction = synced(database)?;
            work(&transaction)?;
            Ok(transaction.commit()?)
        })?;
        self.unless_full()?;
        self.lazy = Lazy::default();
        Ok(())
    }

    /// Runs `work`, which writes this many bytes, in one transaction; synced if too much would wait for the
    /// next sync.
    fn lazily<T>(
        &mut self,
        bytes: u64,
        work: impl FnOnce(&WriteTransaction) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let commits = self.lazy.commits + 1;
        let bytes = self.lazy.bytes + bytes;
        // A file that does not report its size does not stop a commit.
        let now = self.file_bytes().unwrap_or_default();
        let file_bytes = if commits == 1 { now } else { self.lazy.file_bytes };
        let has_grown = now >= file_bytes.saturating_add((file_bytes / 8).max(LAZY_GROWTH_BYTES));
        let is_full = commits > LAZY_COMMITS_MAX || bytes > LAZY_BYTES_MAX || has_grown;
        let done = self.shared.with(|database| {
            let mut transaction = synced(database)?;
            if !is_full {
                // No quick repair is needed: a crash goes back to the last synced commit.
                transaction.set_quick_repair(false);
                transaction.set_durability(redb::Durability::None)?;
            }
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        })?;
        self.unless_full()?;
        self.watch.add_written(bytes - self.lazy.bytes);
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

    fn written_bytes(&self) -> u64 {
        let opened = self.shared.0.read().unwrap_or_else(PoisonError::into_inner);
        opened.as_ref().map_or(0, |opened| opened.full.written().bytes())
    }

    fn room(&mut self) -> Result<Room, StoreError> {
        self.watch.look(self.shared.full().as_deref())
    }

    fn free_bytes(&self) -> Option<u64> {
        self.watch.free_bytes()
    }

    fn reopen(mut self) -> Result<Self, StoreError> {
        let tried = self.watch.probe();
        self.open_again(tried)?;
        Ok(self)
    }

    fn close(mut self) -> Result<(), StoreError> {
        self.sync_with(|transaction| {
            transaction.open_table(META)?.insert(META_CLEAN, &[][..])?;
            Ok(())
        })?;
        self.shared.take().map_or(Ok(()), Caught::finish)
    }
}

/// Size of a file on disk; redb makes the file longer than that, with holes.
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
        self.shared.with_edge(|database, edge| Ok(RedbSnapshot::new(database.begin_read()?, edge.clone())))
    }
}

impl Opened {
    fn new((database, full): open::Opened) -> Self {
        Self { edge: Edge::default(), full, database }
    }
}

impl Shared {
    fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.with_edge(|database, _| work(database))
    }

    fn with_edge<T>(&self, work: impl FnOnce(&Database, &Edge) -> Result<T, Fault>) -> Result<T, StoreError> {
        let opened = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let opened = opened.as_ref().ok_or(StoreError::Stopped)?;
        opened.edge.run(|| work(&opened.database, &opened.edge))
    }

    /// The error of the system when the disk was full.
    fn full(&self) -> Option<String> {
        let opened = self.0.read().unwrap_or_else(PoisonError::into_inner);
        opened.as_ref().and_then(|opened| opened.full.what()).map(str::to_owned)
    }

    /// Opens the file again as a crash would have left it. True if there is still no room: then nothing is
    /// written to it.
    fn reopen(&self, path: &Path, options: &Options, tried: io::Result<()>) -> Result<bool, StoreError> {
        self.replace(|| {
            Ok(Opened::new(match tried {
                Ok(()) => open::open(path, options)?,
                Err(error) => (open::open_read_only(path, options)?.0, Full::of(&error)),
            }))
        })?;
        Ok(self.full().is_some())
    }

    /// Closes the file, then replaces it by what `open` returns; readers wait meanwhile.
    fn replace(&self, open: impl FnOnce() -> Result<Opened, StoreError>) -> Result<(), StoreError> {
        let mut opened = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = opened.take().ok_or(StoreError::Stopped)?;
        // Its snapshots see a file that will change.
        before.edge.stop();
        drop(before);
        *opened = Some(open()?);
        Ok(())
    }

    fn take(&self) -> Option<Caught<Database>> {
        // Running reads end soon, and no new one starts.
        if let Some(opened) = &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            opened.edge.stop();
        }
        self.0.write().unwrap_or_else(PoisonError::into_inner).take().map(|opened| opened.database)
    }
}
