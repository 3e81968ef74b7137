//! Opening a store: inspects the file before touching it, then checks the format and the last stop.

use crate::{
    backend::{Backend, Full, Writes},
    edge::{Caught, Fault, caught, damaged},
    faults::Faults,
    layout::{META, META_CLEAN, META_FORMAT},
};
use datafan_core::store::{STORE_FORMAT, StoreError};
use redb::{
    Builder, Database, ReadTransaction, ReadableDatabase, TableError, WriteTransaction, backends::FileBackend,
};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// Memory for pages, in bytes. Default 64 MiB: enough to keep the inner pages of a few million items;
    /// redb's own default of 1 GiB is more than everything else in a member takes.
    pub cache_bytes: usize,
    /// Bytes to keep free in the file system; below that, the store counts as full. Default: 5 % of it, at
    /// most 256 MiB; 0 for none.
    pub reserve_bytes: Option<u64>,
    /// Deadline after which a compaction is aborted with nothing changed except the file's length; none by
    /// default. The file is then opened again, as after a crash, which takes additional time.
    pub compact_max: Option<Duration>,
    /// Injected faults, for tests and demos; none by default.
    pub faults: Option<Faults>,
}

/// A file up to this length is checked at every open; a longer one only if the last stop was not clean.
pub const CHECKED_BYTES_MAX: u64 = 16 << 20;

impl Default for Options {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20, reserve_bytes: None, compact_max: None, faults: None }
    }
}

/// A database, and whether there was room for everything that it wrote.
pub type Opened = (Caught<Database>, Full);

/// The database at `path`, created if there is none: in the format of this version, as good as the checks can
/// tell, and marked as running.
pub fn open(path: &Path, options: &Options) -> Result<Opened, StoreError> {
    let opened = match fs::metadata(path) {
        Ok(_) => inspect(path, options).and_then(|()| reopen(path, options)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path, options),
        Err(error) => Err(StoreError::Failed { what: error.to_string() }),
    };
    opened.map_err(|error| named(path, error))
}

/// The database at `path`, as [`open`] would find it; the file is not changed and may be read-only.
pub fn open_read_only(path: &Path, options: &Options) -> Result<Opened, StoreError> {
    let opened = inspect(path, options).and_then(|()| database(path, options, Writes::Forgotten));
    opened.map_err(|error| named(path, error))
}

/// The database at `path`, on which this process has aborted work. The file was inspected when it was first
/// opened, and redb checks all of it again; another inspection would only double the waiting time.
pub fn open_given_up(path: &Path, options: &Options) -> Result<Opened, StoreError> {
    reopen(path, options).map_err(|error| named(path, error))
}

fn named(path: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::InUse { .. } => StoreError::InUse { path: path.display().to_string() },
        StoreError::Damaged { what } => damaged(format!("{}: {what}", path.display())),
        StoreError::Failed { what } => StoreError::Failed { what: format!("{}: {what}", path.display()) },
        error => error,
    }
}

/// Inspects the file without changing it: redb repairs a file that it opens, and takes it back to an older
/// state if it cannot be repaired without loss. Neither must happen to a file that is then refused.
fn inspect(path: &Path, options: &Options) -> Result<(), StoreError> {
    let bytes = fs::metadata(path).map_err(|error| StoreError::Failed { what: error.to_string() })?.len();
    // A new file gets its length and tables before its name; redb would take an empty one for new.
    if bytes == 0 {
        return Err(damaged("the file is empty: it is not a store"));
    }
    let (mut database, _) = database(path, options, Writes::Forgotten)?;
    let Found::Sound { clean } = caught(|| found(&database.begin_read()?))? else {
        return Err(damaged("the file has no tables: it is not a store"));
    };
    if (!clean || bytes < CHECKED_BYTES_MAX) && !caught(|| Ok(database.get_mut().check_integrity()?))? {
        return Err(damaged("a page is corrupt"));
    }
    database.finish()
}

fn reopen(path: &Path, options: &Options) -> Result<Opened, StoreError> {
    let (database, full) = database(path, options, writes(options))?;
    caught(|| begin(&database))?;
    Ok((database, full))
}

/// Builds a new file beside `path` and renames it when it is complete, so that an interruption leaves nothing
/// at `path` that cannot be opened.
fn create(path: &Path, options: &Options) -> Result<Opened, StoreError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let (database, full) = match database(&beside, options, writes(options)) {
        // Left by an interrupted creation; nothing is in it yet.
        Err(StoreError::Damaged { .. }) => {
            caught(|| Ok(File::create(&beside)?.set_len(0)?))?;
            database(&beside, options, writes(options))?
        }
        outcome => outcome?,
    };
    caught(|| {
        begin(&database)?;
        if let Some(what) = full.what() {
            // A store must be on disk, not only in memory.
            fs::remove_file(&beside)?;
            return Err(StoreError::Failed { what: what.to_owned() }.into());
        }
        fs::rename(&beside, path)?;
        // The file's name is durable once its directory is.
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(())
    })?;
    Ok((database, full))
}

/// Opens the file with redb.
pub fn database(path: &Path, options: &Options, writes: Writes) -> Result<Opened, StoreError> {
    caught(|| {
        let mut file = File::options();
        let changes = !matches!(writes, Writes::Forgotten);
        file.read(true).write(changes).create(changes).truncate(false);
        // Data of members is for the mesh, not for every user of this machine.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
        let file = file.open(path)?;
        let full = Full::default();
        let backend = Backend::new(FileBackend::new(file)?, writes, full.clone())?;
        let mut builder = Builder::new();
        builder.set_cache_size(options.cache_bytes);
        Ok((Caught::new(builder.create_with_backend(backend)?), full))
    })
}

/// With the given options.
pub fn writes(options: &Options) -> Writes {
    options.faults.clone().map_or(Writes::Through, Writes::Faulty)
}

/// The kind of a file.
pub enum Found {
    /// A redb file without tables.
    New,
    /// A store in the format of this version.
    Sound {
        /// Whether the last stop was clean.
        clean: bool,
    },
}

/// Checks the format before anything else is interpreted.
pub fn found(transaction: &ReadTransaction) -> Result<Found, Fault> {
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_)) if transaction.list_tables()?.next().is_none() => {
            return Ok(Found::New);
        }
        Err(TableError::TableDoesNotExist(_)) => return Err(damaged("not a datafan store").into()),
        Err(error) => return Err(error.into()),
    };
    let format = meta.get(META_FORMAT)?.ok_or_else(|| damaged("no format number"))?;
    let format = <[u8; 4]>::try_from(format.value()).map_err(|_| damaged("no format number"))?;
    match u32::from_be_bytes(format) {
        STORE_FORMAT => Ok(Found::Sound { clean: meta.get(META_CLEAN)?.is_some() }),
        found => Err(StoreError::Format { found }.into()),
    }
}

/// Writes the format number into a new file and removes the mark of a clean stop.
fn begin(database: &Database) -> Result<(), Fault> {
    // Another file may have replaced the inspected one.
    found(&database.begin_read()?)?;
    let transaction = synced(database)?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert(META_FORMAT, &STORE_FORMAT.to_be_bytes()[..])?;
        meta.remove(META_CLEAN)?;
    }
    Ok(transaction.commit()?)
}

/// A transaction whose commit syncs everything before it, and after which the repair of a crash is quick.
pub fn synced(database: &Database) -> Result<WriteTransaction, Fault> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(redb::Durability::Immediate)?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}
