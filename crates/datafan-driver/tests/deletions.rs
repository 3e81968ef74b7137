//! The cost of deletions for the stores of an owner and a follower.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{Mesh, address, founder_config, id, joiner_config};
use datafan_core::{engine::Config, item::Key, limits::COMMIT_WRITES_MAX};
use datafan_driver::{Handle, Write, start};
use datafan_store_redb::{Options, RedbReader, RedbStore};
use std::{
    convert::Infallible,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

const ITEMS: usize = 20 * COMMIT_WRITES_MAX;
const VALUE_BYTES: usize = 10;

/// An owner that deletes as fast as it can is always at least one commit ahead of its followers.
#[tokio::test]
async fn a56_half_of_the_data_is_deleted_and_no_file_doubles() {
    let pair = Pair::new(ITEMS).await;
    let before = pair.bytes_on_disk();
    commit(&pair.owner, (0..ITEMS).step_by(2), |key| Write::Delete { key }).await;
    follow(&pair.follower, &pair.owner).await;
    let after = pair.bytes_on_disk();
    println!("before {before:?}, after {after:?} bytes");
    assert_eq!(pair.follower.snapshot().unwrap().items_of(&pair.owner.id()).count(), ITEMS / 2);
    for (before, after) in before.into_iter().zip(after) {
        assert!(4 * after < 7 * before, "{before} bytes before, {after} after");
    }
}

#[tokio::test]
async fn who_is_eight_full_commits_of_deletions_behind_needs_no_reconciliation() {
    let items = 8 * COMMIT_WRITES_MAX;
    let pair = Pair::new(items).await;
    let gaps = pair.owner.stats().await.unwrap().deltas_unavailable;
    pair.follower.stop().await.unwrap();
    commit(&pair.owner, 0..items, |key| Write::Delete { key }).await;
    let follower = pair.member(1, joiner_config(1));
    follower.connect(address(0), None).await.unwrap();
    follow(&follower, &pair.owner).await;
    assert_eq!(follower.snapshot().unwrap().items_of(&pair.owner.id()).count(), 0);
    assert_eq!(pair.owner.stats().await.unwrap().deltas_unavailable, gaps);
}

/// An owner, and a follower that has copied its items, each with a file.
struct Pair {
    owner: Handle<RedbReader>,
    follower: Handle<RedbReader>,
    mesh: Mesh,
    directory: TempDir,
}

impl Pair {
    async fn new(items: usize) -> Self {
        let (mesh, directory) = (Mesh::default(), tempfile::tempdir().unwrap());
        let owner = start_member(&mesh, directory.path(), 0, founder_config());
        owner.admit(id(0), "founder".parse().unwrap()).await.unwrap();
        owner.admit(id(1), "member-1".parse().unwrap()).await.unwrap();
        let put = |key| Write::Put { key, value: vec![7; VALUE_BYTES].into(), expiry: None };
        commit(&owner, 0..items, put).await;
        let follower = start_member(&mesh, directory.path(), 1, joiner_config(1));
        follower.connect(address(0), None).await.unwrap();
        follow(&follower, &owner).await;
        Self { owner, follower, mesh, directory }
    }

    fn member(&self, number: u8, config: Config) -> Handle<RedbReader> {
        start_member(&self.mesh, self.directory.path(), number, config)
    }

    /// Size of both files on disk; the files have holes.
    fn bytes_on_disk(&self) -> [u64; 2] {
        [0, 1].map(|number| fs::metadata(file(self.directory.path(), number)).unwrap().blocks() * 512)
    }
}

fn start_member(mesh: &Mesh, directory: &Path, number: u8, config: Config) -> Handle<RedbReader> {
    let id = config.member.id();
    let connect = |inbox| Ok::<_, Infallible>(mesh.switch.connector(id, &address(number), inbox));
    let store = RedbStore::open(file(directory, number), Options::default()).unwrap();
    start(config, u64::from(number), store, connect).unwrap()
}

fn file(directory: &Path, number: u8) -> PathBuf {
    directory.join(format!("{number}.redb"))
}

/// Writes these keys with `write`, in commits of the maximum size.
async fn commit(
    owner: &Handle<RedbReader>,
    numbers: impl Iterator<Item = usize>,
    write: impl Fn(Key) -> Write,
) {
    // Not in the order of writing, like most keys.
    let key = |n: usize| Key::new(format!("{:016x}", (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let writes: Vec<Write> = numbers.map(|n| write(key(n).unwrap())).collect();
    for part in writes.chunks(COMMIT_WRITES_MAX) {
        owner.commit(part.to_vec()).await.unwrap();
    }
}

/// Waits until `follower` has what `owner` wrote.
async fn follow(follower: &Handle<RedbReader>, owner: &Handle<RedbReader>) {
    let head = owner.head(&owner.id()).unwrap().unwrap();
    let waits = follower.wait_for(owner.id(), head.timestamp);
    follower.timeout(Duration::from_secs(120), waits).await.unwrap();
    // After an own commit everything is on disk.
    follower.put("followed", head.timestamp.0.to_string()).await.unwrap();
}
