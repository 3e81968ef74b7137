//! Compaction that takes too long is aborted, and costs nothing but time.

use datafan_core::{
    id::MemberId,
    item::{Item, Key},
    store::{Batch, Durability, ShardChange, ShardNumber, ShardRecord, Store, StoreReader, StoreSnapshot},
    time::Timestamp,
};
use datafan_store_redb::{Options, RedbStore};
use std::{sync::Arc, time::Duration};

const SHARD: ShardNumber = ShardNumber(1);
const ITEMS: u64 = 20_000;

#[test]
fn a_compaction_that_takes_too_long_is_given_up_and_nothing_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    for max in [Duration::ZERO, Duration::from_millis(5), Duration::from_millis(40)] {
        let options = Options { compact_max: Some(max), ..Options::default() };
        let mut store = RedbStore::open(&path, options).unwrap();
        fill(&mut store);
        let reader = store.reader();
        let compacted = store.compact().unwrap().expect("nobody reads");
        assert!(compacted.gave_up, "{max:?}: {compacted:?}");
        // Data that was not yet synced is there too; the store continues, and so do its readers.
        holds_a_quarter(&reader.snapshot().unwrap());
        put(&mut store, [ITEMS + 1]);
        assert!(reader.snapshot().unwrap().item(SHARD, Timestamp(ITEMS + 1)).unwrap().is_some());
        store.close().unwrap();

        let mut store = RedbStore::open(&path, Options::default()).unwrap();
        let held = store.reader().snapshot().unwrap();
        let compacted = store.compact().unwrap();
        assert_eq!(compacted, None, "somebody reads");
        holds_a_quarter(&held);
        drop(held);
        let compacted = store.compact().unwrap().expect("nobody reads");
        assert!(!compacted.gave_up && compacted.after < compacted.before / 2, "{compacted:?}");
        holds_a_quarter(&store.reader().snapshot().unwrap());
        std::fs::remove_file(&path).unwrap();
    }
}

/// Items of which every fourth one stays, the last commit being lazy.
fn fill(store: &mut RedbStore) {
    let record = ShardRecord::building(MemberId([1; 32]), None, Timestamp::MAX);
    let change = ShardChange { record: Some(record.into()), ..ShardChange::default() };
    store
        .commit(Batch { shards: [(SHARD, change)].into(), ..Batch::default() }, Durability::Synced)
        .expect("the store works");
    for part in 0..ITEMS / 1_000 {
        put(store, 1 + part * 1_000..=(part + 1) * 1_000);
    }
    let mut change = ShardChange::default();
    change.log.extend((1..=ITEMS).filter(|at| at % 4 != 0).map(|at| (Timestamp(at), None)));
    store
        .commit(Batch { shards: [(SHARD, change)].into(), ..Batch::default() }, Durability::Lazy)
        .expect("the store works");
}

fn put(store: &mut RedbStore, times: impl IntoIterator<Item = u64>) {
    let mut change = ShardChange::default();
    for at in times {
        let (key, value) =
            (Key::new(format!("k{at}")).expect("the store works"), vec![at as u8; 1_000].into());
        let item = Item { key, timestamp: Timestamp(at), expiry: None, value };
        change.log.insert(Timestamp(at), Some(Arc::new(item)));
    }
    store
        .commit(Batch { shards: [(SHARD, change)].into(), ..Batch::default() }, Durability::Lazy)
        .expect("the store works");
}

fn holds_a_quarter(snapshot: &impl StoreSnapshot) {
    for at in 1..=ITEMS {
        let item = snapshot.item(SHARD, Timestamp(at)).expect("the store works");
        assert_eq!(item.is_some(), at % 4 == 0, "item {at}");
    }
}
