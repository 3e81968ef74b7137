//! A disk that becomes full at any write: readers do not notice, nothing synced is lost, and the store
//! continues.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

use datafan_core::store::{Batch, Durability, Meta, Room, Store, StoreError, StoreReader, StoreSnapshot};
use datafan_store_redb::{Faults, Options, RedbStore};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// The disk becomes full at each of the writes of some commits.
#[test]
fn a59_wherever_the_disk_gets_full_what_was_synced_is_there_and_readers_go_on() {
    let mut met = 0;
    for writes in 0..60 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.redb");
        let faults = Faults::new();
        let mut store = open(&path, &faults);
        store.commit(batch(1), Durability::Synced).unwrap();
        let reader = store.reader();
        let before = reader.snapshot().unwrap();
        faults.fill_after(writes);
        let mut synced = 1;
        let full = (2..9).find_map(|n| {
            let durability = if n % 3 == 0 { Durability::Synced } else { Durability::Lazy };
            let outcome = store.commit(batch(n), durability);
            if outcome.is_ok() && durability == Durability::Synced {
                synced = n;
            }
            outcome.err()
        });
        let Some(error) = full else { continue };
        met += 1;
        assert!(matches!(error, StoreError::Full { .. }), "{error}");
        assert_eq!(number(&before), Some(1), "a snapshot is not concerned");
        assert!(matches!(store.commit(batch(99), Durability::Synced), Err(StoreError::Full { .. })));
        assert!(matches!(store.sync(), Err(StoreError::Full { .. }) | Ok(())));

        // Still full: it can be read, and commits are discarded.
        let mut store = store.reopen().unwrap();
        let held = number(&reader.snapshot().unwrap()).unwrap();
        assert!(held >= synced, "{held} after {synced} was synced, full after {writes} writes");
        assert!(matches!(store.room(), Ok(Room::Short { .. })));
        store.commit(batch(77), Durability::Synced).unwrap();
        store.sync().unwrap();

        faults.heal();
        waits_for_room(&mut store);
        let mut store = store.reopen().unwrap();
        assert_eq!(number(&reader.snapshot().unwrap()), Some(held), "nothing came while there was no room");
        assert_eq!(store.room(), Ok(Room::Enough));
        store.commit(batch(50), Durability::Synced).unwrap();
        store.close().unwrap();
        let store = open(&path, &Faults::new());
        assert_eq!(number(&store.reader().snapshot().unwrap()), Some(50));
        if met == 8 {
            break;
        }
    }
    assert!(met > 5, "{met}");
}

#[test]
fn a59_a_store_that_cannot_be_begun_for_lack_of_room_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let faults = Faults::new();
    faults.fill_after(3);
    let options = Options { faults: Some(faults), ..Options::default() };
    let error = RedbStore::open(&path, options).err().unwrap();
    assert!(matches!(error, StoreError::Failed { .. }), "{error}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a59_a_store_opens_on_a_disk_that_is_full() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let mut store = open(&path, &Faults::new());
    store.commit(batch(1), Durability::Synced).unwrap();
    drop(store);
    let faults = Faults::new();
    faults.fill_after(0);
    let mut store = open(&path, &faults);
    assert_eq!(number(&store.reader().snapshot().unwrap()), Some(1));
    assert!(matches!(store.room(), Ok(Room::Short { .. })));
    faults.heal();
    waits_for_room(&mut store);
    let mut store = store.reopen().unwrap();
    store.commit(batch(2), Durability::Synced).unwrap();
    store.close().unwrap();
}

#[test]
fn a_store_that_cannot_be_changed_can_be_read_and_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let mut store = open(&path, &Faults::new());
    store.commit(batch(1), Durability::Synced).unwrap();
    let error = RedbStore::open_read_only(&path, Options::default()).err().unwrap();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    // Like after a crash: it must be repaired to be read.
    drop(store);
    let before = std::fs::read(&path).unwrap();
    let mut permissions = std::fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).unwrap();
    let mut store = RedbStore::open_read_only(&path, Options::default()).unwrap();
    assert_eq!(number(&store.reader().snapshot().unwrap()), Some(1));
    let second = RedbStore::open_read_only(&path, Options::default()).unwrap();
    assert_eq!(number(&second.reader().snapshot().unwrap()), Some(1));
    store.commit(batch(2), Durability::Synced).unwrap();
    store.close().unwrap();
    assert!(std::fs::read(&path).unwrap() == before, "not a byte has changed");
}

fn open(path: &Path, faults: &Faults) -> RedbStore {
    let options = Options { faults: Some(faults.clone()), reserve_bytes: Some(0), ..Options::default() };
    RedbStore::open(path, options).unwrap()
}

/// A write of more than a page.
fn batch(n: u8) -> Batch {
    Batch { meta: [(Meta::History, Some(vec![n; 10_000]))].into(), ..Batch::default() }
}

fn number(snapshot: &impl StoreSnapshot) -> Option<u8> {
    snapshot.meta(Meta::History).unwrap().map(|bytes| bytes[0])
}

fn waits_for_room(store: &mut RedbStore) {
    let until = Instant::now() + Duration::from_secs(60);
    while store.room().unwrap() != Room::Again {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(20));
    }
}
