use super::*;
use crate::engine::testing::{TestStore, at, context, head, item, owner};

const SHARD: ShardNumber = ShardNumber(0);
const SYNC_MICROS: u64 = SECOND;

fn disk() -> (Disk<TestStore>, TestStore, Context) {
    let store = TestStore::default();
    (Disk::new(store.clone(), at(1).time).unwrap(), store, context())
}

/// A change that puts an item, without its node.
fn put(key: &str, timestamp: u64) -> ShardChange {
    let item = item(key, timestamp);
    ShardChange {
        record: Some(ShardRecord::whole(head(owner(1), timestamp), None, HeldTombstones::default()).into()),
        keys: [(item.key.clone(), Some(item.timestamp))].into(),
        log: [(item.timestamp, Some(item))].into(),
        ..ShardChange::default()
    }
}

#[test]
fn staged_changes_are_visible_before_and_after_the_write() {
    let (mut disk, _, mut cx) = disk();
    let at = |disk: &Disk<TestStore>| disk.view(SHARD).timestamp_of("a").unwrap();
    assert!(!disk.has_staged() && disk.record(SHARD).unwrap().is_none());
    disk.stage(SHARD, put("a", 5));
    assert_eq!((at(&disk), disk.has_staged()), (Some(Timestamp(5)), true));
    assert_eq!(disk.record(SHARD).unwrap().unwrap().owner, owner(1));
    assert_eq!(disk.committed(SHARD).timestamp_of("a").unwrap(), None);
    let removed = ShardChange { keys: [(Key::new("a").unwrap(), None)].into(), ..ShardChange::default() };
    assert_eq!(disk.view_with(SHARD, Some(&removed)).timestamp_of("a").unwrap(), None);
    assert_eq!(disk.write(&mut cx).unwrap(), [SHARD]);
    assert_eq!((at(&disk), disk.has_staged()), (Some(Timestamp(5)), false));
    assert_eq!(disk.committed(SHARD).timestamp_of("a").unwrap(), Some(Timestamp(5)));
}

#[test]
fn a_bound_is_synced_with_its_batch_and_other_data_within_its_time() {
    let (mut disk, store, mut cx) = disk();
    let now = cx.time();
    cx.on_own_commit();
    disk.stage(SHARD, put("a", 5));
    disk.write(&mut cx).unwrap();
    assert_eq!(store.log().commits, [Durability::Lazy]);
    assert!(cx.is_own_unsynced() && !disk.is_sync_due(now.after(SYNC_MICROS - 1), SYNC_MICROS));
    assert!(disk.is_sync_due(now.after(SYNC_MICROS), SYNC_MICROS));
    assert_eq!(disk.wakes_at(SYNC_MICROS), now.after(SYNC_MICROS));
    disk.set_bounds(Vec::new());
    disk.write(&mut cx).unwrap();
    assert_eq!(store.log().commits, [Durability::Lazy, Durability::Synced]);
    assert!(!cx.is_own_unsynced() && disk.wakes_at(SYNC_MICROS) == Time::NEVER);
    disk.stage(SHARD, put("b", 6));
    disk.write(&mut cx).unwrap();
    disk.sync(&mut cx).unwrap();
    assert_eq!((store.log().syncs, disk.wakes_at(SYNC_MICROS)), (1, Time::NEVER));
}

#[test]
fn much_data_is_synced_early() {
    let (mut disk, _, mut cx) = disk();
    let now = cx.time();
    let mut large = (*item("large", 5)).clone();
    large.value = alloc::vec![0; BATCH_BYTES_MAX].into();
    let log = [(large.timestamp, Some(Arc::new(large)))].into();
    disk.stage(SHARD, ShardChange { log, ..ShardChange::default() });
    assert!(disk.is_batch_large() && !disk.is_sync_due(now, SYNC_MICROS));
    disk.write(&mut cx).unwrap();
    assert!(!disk.is_batch_large() && disk.is_sync_due(now, SYNC_MICROS));
}

#[test]
fn a_retired_shard_is_erased_after_its_record_is_written_and_if_there_is_room() {
    let (mut disk, store, mut cx) = disk();
    let now = cx.time();
    let shard = disk.new_shard();
    disk.stage(shard, put("a", 5));
    disk.retire(owner(1), shard);
    disk.erase(now).unwrap();
    assert_eq!(store.log().erased, [], "its record is not written");
    disk.write(&mut cx).unwrap();
    assert_eq!(disk.view(shard).timestamp_of("a").unwrap(), None, "its staged changes are not written");
    store.set_full(true);
    assert!(disk.check_disk_room().unwrap() && disk.full() == Some("it is full"));
    assert!(!disk.check_disk_room().unwrap(), "it was full before");
    disk.erase(now).unwrap();
    assert_eq!((store.log().erased.len(), disk.next_erase), (0, now.after(SECOND)));
    store.set_full(false);
    assert!(!disk.check_disk_room().unwrap() && disk.full().is_none());
    disk.erase(now).unwrap();
    assert_eq!(store.log().erased, [], "it is checked again later");
    disk.erase(now.after(SECOND)).unwrap();
    assert_eq!((store.log().erased, disk.dead.len()), (alloc::vec![shard], 0));
    assert_eq!(store.n_snapshots(), 1);
}

#[test]
fn new_shards_get_unused_numbers_and_dead_ones_are_omitted() {
    let (mut before, store, mut cx) = disk();
    let shards = [before.new_shard(), before.new_shard()];
    before.stage(shards[0], put("a", 5));
    before.retire(owner(1), shards[1]);
    before.write(&mut cx).unwrap();
    drop(before);
    let mut disk = Disk::new(store, at(1).time).unwrap();
    let loaded: Vec<ShardNumber> = disk.load_shards().unwrap().iter().map(|(number, _)| *number).collect();
    assert_eq!((loaded, disk.new_shard()), (alloc::vec![shards[0]], ShardNumber(2)));
    assert_eq!(disk.dead, [shards[1]].into());
}

#[test]
fn beyond_the_limit_the_oldest_quarter_of_tombstones_is_dropped() {
    let (mut disk, _, mut cx) = disk();
    let tombstone = |at: u64| (Timestamp(at), Key::new("k").unwrap());
    let mut held = HeldTombstones::default();
    let change = |held: &mut HeldTombstones, disk: &Disk<TestStore>, ats: core::ops::Range<u64>| {
        let tombstones = ats.map(|at| (tombstone(at), true)).collect();
        let mut change = ShardChange { tombstones, ..ShardChange::default() };
        disk.trim_tombstones(SHARD, held, &mut change, 8).unwrap();
        change
    };
    disk.stage(SHARD, change(&mut held, &disk, 1..9));
    disk.write(&mut cx).unwrap();
    assert_eq!((held.rows, held.since), (8, Timestamp::ZERO));
    let change = change(&mut held, &disk, 9..10);
    assert_eq!((held.rows, held.since), (6, Timestamp(3)));
    let dropped: Vec<u64> =
        change.tombstones.iter().filter(|(_, adds)| !**adds).map(|((at, _), _)| at.0).collect();
    assert_eq!(dropped, [1, 2, 3]);
}
