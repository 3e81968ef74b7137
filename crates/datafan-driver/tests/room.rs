//! The cost of readers for a store on disk.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{Mesh, address, founder_config};
use datafan_core::{
    item::Key,
    read::Snapshot,
    store::{ReadEnd, Store, StoreError, StoreReader},
    time::Timestamp,
};
use datafan_driver::{Handle, Write, start};
use datafan_store_redb::{Options, RedbReader, RedbStore};
use std::{
    convert::Infallible,
    fs,
    ops::Range,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

const KEYS: usize = 400;
const KEYS_PER_COMMIT: usize = 25;
const VALUE_BYTES: usize = 8_192;
const ROUNDS: u8 = 15;
const READS_PER_COMMIT: usize = 4;
/// The growth that a read too young to be ended may cause.
const SLACK_BYTES: u64 = 2 << 20;

/// An owner repeatedly overwrites everything.
#[tokio::test]
async fn a56_a_reader_that_takes_an_item_now_and_then_does_not_make_the_file_grow() {
    let alone = Room::new().await;
    let mut without = 0;
    for round in 0..ROUNDS {
        without = without.max(alone.overwrite(round, |_| {}).await);
    }
    let read = Room::new().await;
    let (mut with, mut ended, mut rows) = (0, 0, 0);
    let mut snapshot = read.member.snapshot().unwrap();
    for round in 0..ROUNDS {
        let reading = |n: usize| {
            // As slow as it likes, but never idle.
            match snapshot.get(&read.member.id(), &key(n)) {
                Ok(_) => rows += 1,
                Err(StoreError::ReadEnded { .. }) => {
                    ended += 1;
                    snapshot = read.member.snapshot().unwrap();
                }
                Err(error) => panic!("{error}"),
            }
        };
        with = with.max(read.overwrite(round, reading).await);
    }
    println!("without {without}, with {with} bytes; {ended} reads ended, {rows} rows");
    assert!(ended > 0 && rows > ended, "reads get on, and end");
    assert!(with <= without * 3 / 2 + SLACK_BYTES, "{with} bytes with a reader, {without} without");
}

#[tokio::test]
async fn a_compacted_store_is_small_and_holds_what_it_held() {
    let room = Room::new().await;
    let me = room.member.id();
    room.overwrite(1, |_| {}).await;
    room.delete(1..KEYS).await;
    let before = bytes_on_disk(&room.path());
    let reader = room.member.snapshot().unwrap();
    let done = room.member.compact().await.unwrap();
    let after = bytes_on_disk(&room.path());
    println!("before {before}, after {after} bytes");
    assert!((done.after, true) == (after, after < 200_000 && done.before > 6 << 20), "{done:?}");
    let ended = StoreError::ReadEnded { reason: ReadEnd::Compaction };
    assert_eq!(reader.get(&me, &key(0)).unwrap_err(), ended);
    assert!(room.member.get(&me, &key(0)).unwrap().is_some());
    assert!(room.member.get(&me, &key(1)).unwrap().is_none());
    room.member.put("later", "value").await.unwrap();
    room.member.stop().await.unwrap();
    let store = RedbStore::open(room.path(), Options::default()).unwrap();
    let held = Snapshot::new(store.reader().snapshot().unwrap(), room.member.mesh(), Timestamp(1));
    assert_eq!(
        held.items_of(&me).map(|entry| entry.unwrap().item.key.to_string()).collect::<Vec<_>>(),
        [key(0), "later".into()]
    );
}

#[tokio::test]
async fn a_clean_stop_compacts_where_more_than_half_is_free() {
    let room = Room::new().await;
    for first in 0..5 {
        let put =
            |n| Write::Put { key: Key::new(key(n)).unwrap(), value: vec![7; 500 << 10].into(), expiry: None };
        room.member.commit((8 * first..8 * first + 8).map(put).collect()).await.unwrap();
    }
    room.delete(1..40).await;
    let before = bytes_on_disk(&room.path());
    room.member.stop().await.unwrap();
    let after = bytes_on_disk(&room.path());
    println!("before {before}, after {after} bytes");
    assert!(before > 16 << 20 && after < 1 << 20, "{before} before the stop, {after} after it");
}

/// A member whose store is a file.
struct Room {
    member: Handle<RedbReader>,
    directory: TempDir,
    _mesh: Mesh,
}

impl Room {
    async fn new() -> Self {
        let (directory, mesh) = (tempfile::tempdir().unwrap(), Mesh::default());
        let mut config = founder_config();
        config.read_growth_bytes = 256 << 10;
        // Old states that younger reads hold depend on the speed of the disk: few here, so that the bounds
        // hold on a fast one.
        config.read_age_micros = 2_000;
        let id = config.member.id();
        let store = RedbStore::open(directory.path().join("store.redb"), Options::default()).unwrap();
        let connect = |inbox| Ok::<_, Infallible>(mesh.switch.connector(id, &address(0), inbox));
        let member = start(config, 1, store, connect).unwrap();
        member.admit(id, "founder".parse().unwrap()).await.unwrap();
        Self { member, directory, _mesh: mesh }
    }

    async fn delete(&self, keys: Range<usize>) {
        let delete = |n| Write::Delete { key: Key::new(key(n)).unwrap() };
        self.member.commit(keys.map(delete).collect()).await.unwrap();
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("store.redb")
    }

    /// Overwrites everything; returns the maximum size of the file.
    async fn overwrite(&self, round: u8, mut between: impl FnMut(usize)) -> u64 {
        let mut most = 0;
        for first in (0..KEYS).step_by(KEYS_PER_COMMIT) {
            let put = |n| {
                let value = [round ^ n as u8; VALUE_BYTES];
                Write::Put { key: Key::new(key(n)).unwrap(), value: value[..].into(), expiry: None }
            };
            self.member.commit((first..first + KEYS_PER_COMMIT).map(put).collect()).await.unwrap();
            (first..first + READS_PER_COMMIT).for_each(&mut between);
            most = most.max(bytes_on_disk(&self.path()));
        }
        most
    }
}

/// Size on disk; the file has holes.
fn bytes_on_disk(path: &Path) -> u64 {
    fs::metadata(path).unwrap().blocks() * 512
}

fn key(n: usize) -> String {
    format!("key/{n}")
}
