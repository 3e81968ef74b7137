//! A file with faults in its own directory.

// Each test binary uses a part of this, and tests fail by panicking.
#![allow(dead_code, clippy::unwrap_used)]

use datafan_core::store::StoreError;
use datafan_store_redb::{Faults, Operation, Options, Recorded, RedbStore};
use datafan_testkit::store::{FilePath, Medium, Taped, tape};
use redb::{Database, TableDefinition};
use std::{fs, path::PathBuf};
use tempfile::TempDir;

pub struct File {
    directory: TempDir,
    faults: Faults,
}

impl File {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), faults: Faults::new() }
    }

    /// In an in-memory file system, if there is one: syncs take no time there.
    pub fn in_memory() -> Self {
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        Self { directory, faults: Faults::new() }
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("store.redb")
    }

    /// Changes a value of the meta table behind the store's back.
    pub fn set_meta(&self, number: u8, value: &[u8]) {
        let table: TableDefinition<'_, u8, &[u8]> = TableDefinition::new("meta");
        let database = Database::open(self.path()).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(table).unwrap().insert(number, value).unwrap();
        transaction.commit().unwrap();
    }
}

impl Medium for File {
    type Store = RedbStore;

    fn open(&self) -> Result<RedbStore, StoreError> {
        let options = Options { faults: Some(self.faults.clone()), ..Options::default() };
        RedbStore::open(self.path(), options)
    }

    fn fail_after(&self, writes: u64) {
        self.faults.fail_after(writes);
    }

    fn cut(&self, seed: u64) {
        if seed.is_multiple_of(2) { self.faults.cut() } else { self.faults.cut_torn(seed) }
    }

    fn heal(&self) {
        self.faults.heal();
    }

    fn set_format(&self, format: u32) {
        self.set_meta(0, &format.to_be_bytes());
    }
}

impl Taped for File {
    fn record(&self) {
        self.faults.record();
    }

    fn n_recorded(&self) -> usize {
        self.faults.n_recorded()
    }

    fn take_tape(&self) -> Vec<tape::Recorded> {
        self.faults.take_tape().into_iter().map(recorded).collect()
    }

    fn fail_once_after(&self, writes: u64) {
        self.faults.fail_once_after(writes);
    }

    fn lay(&self, file: &[u8], place: FilePath) {
        let there = self.path();
        let beside = there.with_extension("redb.new");
        for path in [&there, &beside] {
            // One of the two does not exist.
            let _ = fs::remove_file(path);
        }
        fs::write(if place == FilePath::There { there } else { beside }, file).unwrap();
    }
}

fn recorded(recorded: Recorded) -> tape::Recorded {
    let operation = match recorded.operation {
        Operation::Write { offset, bytes } => tape::Operation::Write { offset, bytes },
        Operation::Length(len) => tape::Operation::Length(len),
        Operation::Sync => tape::Operation::Sync,
    };
    tape::Recorded { operation, failed: recorded.failed }
}
