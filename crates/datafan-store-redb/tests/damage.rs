//! Damaged files: an error, or the right data.

// Tests fail by panicking, in their helpers too.
#![allow(clippy::unwrap_used)]

mod medium;

use datafan_core::store::{Batch, Durability, Store, StoreError, StoreReader};
use datafan_store_redb::{Options, RedbStore};
use datafan_testkit::{
    rng::Rng,
    store::{Generator, Medium, Model, Places},
};
use medium::File;
use std::{fs, path::Path};

/// A file and its content.
struct Written {
    medium: File,
    model: Model,
    places: Places,
}

/// How the store ended.
enum End {
    Clean,
    Hard,
}

#[test]
fn flipped_bits_in_a_closed_file_give_an_error_or_the_right_data() {
    flip_bits(&Written::new(End::Clean), 120);
}

#[test]
fn flipped_bits_after_a_hard_stop_give_an_error_or_the_right_data() {
    flip_bits(&Written::new(End::Hard), 120);
}

#[test]
fn a_truncated_file_is_refused_and_left_alone() {
    let written = Written::new(End::Clean);
    let whole = fs::read(written.medium.path()).unwrap();
    for part in 0..16 {
        let part = &whole[..whole.len() * part / 16];
        fs::write(written.medium.path(), part).unwrap();
        let error = written.medium.open().err();
        assert!(matches!(error, Some(StoreError::Damaged { .. })), "{} bytes: {error:?}", part.len());
        assert_eq!(fs::read(written.medium.path()).unwrap(), part, "nothing was changed");
    }
    fs::write(written.medium.path(), whole).unwrap();
    assert_eq!(written.read().unwrap(), written.model);
}

#[test]
fn what_is_no_store_is_named_and_left_alone() {
    let medium = File::new();
    for content in ["some text".repeat(1_000).as_bytes(), b"x", &[0; 65_536]] {
        fs::write(medium.path(), content).unwrap();
        let text = medium.open().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(text.contains("damaged") && text.contains("store.redb"), "{text}");
        assert_eq!(fs::read(medium.path()).unwrap(), content);
    }
}

#[test]
fn a_file_of_another_program_is_no_store() {
    let medium = File::new();
    let table: redb::TableDefinition<'_, u64, u64> = redb::TableDefinition::new("theirs");
    let database = redb::Database::create(medium.path()).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(table).unwrap().insert(1, 2).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let text = medium.open().err().unwrap().to_string();
    assert!(text.contains("not a datafan store"), "{text}");
}

#[test]
fn a_creation_that_was_stopped_begins_anew() {
    for rest in [&[][..], &[0; 4_096], b"half"] {
        let medium = File::new();
        fs::write(medium.path().with_extension("redb.new"), rest).unwrap();
        medium.open().unwrap().close().unwrap();
        medium.open().unwrap().close().unwrap();
        assert!(!medium.path().with_extension("redb.new").exists());
    }
}

#[test]
fn a_row_that_contradicts_itself_stops_the_store() {
    let medium = File::new();
    medium.open().unwrap().close().unwrap();
    let table: redb::TableDefinition<'_, &[u8; 4], &[u8]> = redb::TableDefinition::new("shards");
    let database = redb::Database::open(medium.path()).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(table).unwrap().insert(&[0; 4], &b"no record"[..]).unwrap();
    transaction.commit().unwrap();
    drop(database);

    let mut store = medium.open().unwrap();
    let snapshot = store.reader().snapshot().unwrap();
    let error = datafan_core::store::StoreSnapshot::shards(&snapshot).err();
    assert!(matches!(error, Some(StoreError::Damaged { .. })), "{error:?}");
    assert_eq!(store.commit(Batch::default(), Durability::Lazy), Err(StoreError::Stopped));
    assert_eq!(store.reader().snapshot().err(), Some(StoreError::Stopped));
}

/// Copies of the file, each with one to four flipped bits: half of them in the first pages, which hold the
/// roots.
fn flip_bits(written: &Written, copies: u64) {
    let whole = fs::read(written.medium.path()).unwrap();
    let mut outcomes = (0, 0);
    for seed in 0..copies {
        let mut rng = Rng::new(seed);
        let mut bytes = whole.clone();
        let span = if seed % 2 == 0 { bytes.len() } else { 512 };
        for _ in 0..=rng.below(4) {
            bytes[rng.index(span)] ^= 1 << rng.below(8);
        }
        fs::write(written.medium.path(), bytes).unwrap();
        match written.read() {
            Ok(model) => {
                assert!(model == written.model, "seed {seed}: wrong data");
                outcomes.0 += 1;
            }
            Err(StoreError::Damaged { .. } | StoreError::Failed { .. } | StoreError::Format { .. }) => {
                outcomes.1 += 1;
            }
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    assert!(outcomes.0 > 0 && outcomes.1 > 0, "(right data, errors) {outcomes:?}");
}

impl Written {
    fn new(end: End) -> Self {
        let medium = File::new();
        let mut store = medium.open().unwrap();
        let mut generator = Generator::new(11);
        let (mut model, mut places) = (Model::default(), Places::new());
        for _ in 0..40 {
            let batch = generator.batch(&model);
            model.apply(&batch);
            places.extend(model.places());
            store.commit(batch, Durability::Lazy).unwrap();
        }
        store.sync().unwrap();
        match end {
            End::Clean => store.close().unwrap(),
            End::Hard => {
                // redb may go back by one synced commit; this one changes nothing.
                store.commit(Batch::default(), Durability::Synced).unwrap();
                medium.cut(0);
                drop(store);
                medium.heal();
            }
        }
        Self { medium, model, places }
    }

    fn read(&self) -> Result<Model, StoreError> {
        let store = open(&self.medium.path())?;
        let snapshot = store.reader().snapshot()?;
        Model::try_read(&snapshot, &self.places, 100)
    }
}

fn open(path: &Path) -> Result<RedbStore, StoreError> {
    RedbStore::open(path, Options::default())
}
