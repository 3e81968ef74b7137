//! A file with a corrupt page: its rows are copied to a new file only if heads cover the damage.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

use datafan_core::{
    identity::Identity,
    item::{Item, Key},
    store::{Batch, Durability, Meta, Page, ShardChange, ShardNumber, ShardRecord, Store, StoreError},
    store::{StoreReader, StoreSnapshot},
    time::Timestamp,
};
use datafan_store_redb::{Options, RedbStore};
use std::{fs, path::Path, sync::Arc};

#[test]
fn rows_that_heads_vouch_for_are_kept_as_they_can_be_read() {
    let place = tempfile::tempdir().unwrap();
    let (from, to) = (place.path().join("store.redb"), place.path().join("new.redb"));
    made(&from);
    alter(&from, b"value-of-an-item");
    assert!(matches!(RedbStore::open(&from, Options::default()), Err(StoreError::Damaged { .. })));
    let before = fs::read(&from).unwrap();
    RedbStore::rewrite(&from, &to, &Options::default()).unwrap();
    assert_eq!(fs::read(&from).unwrap(), before);
    let store = RedbStore::open(&to, Options::default()).unwrap();
    let snapshot = store.reader().snapshot().unwrap();
    assert_eq!(snapshot.meta(Meta::History).unwrap().as_deref(), Some(&b"value-of-the-member"[..]));
    let log = snapshot.log(SHARD, Timestamp::ZERO..=Timestamp::MAX, Page::rows(9)).unwrap();
    let values: Vec<_> = log.iter().map(|item| item.value.to_vec()).collect();
    assert_eq!(values, [b"??????of-an-item".to_vec(), b"another-value".to_vec()]);
}

#[test]
fn what_no_head_vouches_for_must_be_what_was_written() {
    let place = tempfile::tempdir().unwrap();
    let (from, to) = (place.path().join("store.redb"), place.path().join("new.redb"));
    made(&from);
    alter(&from, b"value-of-the-member");
    let refused = RedbStore::rewrite(&from, &to, &Options::default());
    assert!(matches!(refused, Err(StoreError::Damaged { .. })), "{refused:?}");
    assert!(!to.exists());
}

#[test]
fn after_a_crash_redb_alone_decides() {
    let place = tempfile::tempdir().unwrap();
    let (from, to) = (place.path().join("store.redb"), place.path().join("new.redb"));
    made(&from);
    drop(RedbStore::open(&from, Options::default()).unwrap());
    let refused = RedbStore::rewrite(&from, &to, &Options::default());
    assert!(matches!(refused, Err(StoreError::Damaged { .. })) && !to.exists(), "{refused:?}");
}

const SHARD: ShardNumber = ShardNumber(1);

/// A store with two items and a value of the member, closed.
fn made(path: &Path) {
    let mut store = RedbStore::open(path, Options::default()).unwrap();
    let owner = Identity::from_secret(&[1; 32]).id();
    let item = |at, key: &str, value: &[u8]| {
        let (key, timestamp) = (Key::new(key).unwrap(), Timestamp(at));
        (timestamp, Some(Arc::new(Item { key, timestamp, value: value.into(), expiry: None })))
    };
    let log = [item(5, "a", b"value-of-an-item"), item(6, "b", b"another-value")].into();
    let record = Some(ShardRecord::building(owner, None, Timestamp::MAX).into());
    let shards = [(SHARD, ShardChange { record, log, ..ShardChange::default() })].into();
    let meta = [(Meta::History, Some(b"value-of-the-member".to_vec()))].into();
    store.commit(Batch { meta, shards }, Durability::Synced).unwrap();
    store.close().unwrap();
}

/// Overwrites six bytes wherever `text` occurs in a file.
fn alter(path: &Path, text: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    let places: Vec<usize> =
        (0..bytes.len() - text.len()).filter(|at| bytes[*at..].starts_with(text)).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| bytes[at..at + 6].fill(b'?'));
    fs::write(path, bytes).unwrap();
}
