//! Lazy commits do not make the file grow without bound.

mod medium;

use datafan_core::{
    id::MemberId,
    item::{Item, Key},
    store::{Batch, Durability, ShardChange, ShardNumber, ShardRecord, Store, StoreReader, StoreSnapshot},
    time::Timestamp,
};
use datafan_testkit::store::Medium;
use medium::File;
use std::{fs, sync::Arc};

const COMMITS: u64 = 10_000;
const KEYS: u64 = 100;
const FILE_BYTES_MAX: u64 = 16 << 20;

#[test]
fn ten_thousand_lazy_commits_to_the_same_keys_keep_the_file_small() {
    let medium = File::new();
    let mut store = medium.open().unwrap();
    let shard = ShardNumber(1);
    for n in 1..=COMMITS {
        let key = Key::new(format!("key/{}", n % KEYS)).unwrap();
        let item =
            Item { key: key.clone(), timestamp: Timestamp(n), expiry: None, value: [n as u8; 100].into() };
        let mut change = ShardChange::default();
        if n == 1 {
            change.record = Some(ShardRecord::building(MemberId([1; 32]), None, Timestamp::MAX).into());
        }
        change.log.insert(Timestamp(n), Some(Arc::new(item)));
        change.log.insert(Timestamp(n.saturating_sub(KEYS)), None);
        change.keys.insert(key, Some(Timestamp(n)));
        store
            .commit(Batch { shards: [(shard, change)].into(), ..Batch::default() }, Durability::Lazy)
            .unwrap();
    }
    store.sync().unwrap();
    let bytes = fs::metadata(medium.path()).unwrap().len();
    assert!(bytes <= FILE_BYTES_MAX, "{bytes} bytes");
    let snapshot = store.reader().snapshot().unwrap();
    let at = snapshot.timestamp_of(shard, "key/0").unwrap();
    assert_eq!(at, Some(Timestamp(COMMITS)));
}
