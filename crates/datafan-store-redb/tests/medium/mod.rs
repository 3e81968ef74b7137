//! A file with faults in a directory of its own.

// Each test binary uses a part of this, and panicking is how tests fail.
#![allow(dead_code, clippy::unwrap_used)]

use datafan_core::store::StoreError;
use datafan_store_redb::{Faults, Options, RedbStore};
use datafan_testkit::store::Medium;
use redb::{Database, TableDefinition};
use std::path::PathBuf;
use tempfile::TempDir;

pub struct File {
    directory: TempDir,
    faults: Faults,
}

impl File {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), faults: Faults::new() }
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
