//! Every read agrees with the model, on every snapshot, from every thread.

use super::{
    generate::{Generator, SHARDS},
    medium::Medium,
    model::{Model, ModelShard, Places},
};
use datafan_core::{
    id::MemberId,
    item::Key,
    store::{
        Batch, Durability, Meta, Page, ShardChange, ShardNumber, ShardRecord, Store, StoreReader,
        StoreSnapshot,
    },
    time::Timestamp,
};
use std::{
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Random batches, with old snapshots kept: their content never changes.
pub fn agree_with_a_model<M: Medium>(medium: &M, seed: u64) {
    let mut store = medium.open().unwrap();
    let mut generator = Generator::new(seed);
    let (mut model, mut places, mut kept) = (Model::default(), Places::new(), Vec::new());
    for step in 0..60 {
        let batch = generator.batch(&model);
        model.apply(&batch);
        places.extend(model.places());
        let durability = if step % 10 == 0 { Durability::Synced } else { Durability::Lazy };
        store.commit(batch, durability).unwrap();
        let snapshot = store.reader().snapshot().unwrap();
        compare(&snapshot, &model, &places, &mut generator);
        if step % 15 == 0 {
            kept.push((snapshot, model.clone()));
        }
    }
    for (snapshot, model) in &kept {
        compare(snapshot, model, &places, &mut generator);
    }
    drop(kept);
    store.close().unwrap();
}

/// Compares all reads; bounds and pages are random.
fn compare(snapshot: &impl StoreSnapshot, model: &Model, places: &Places, generator: &mut Generator) {
    let rows = 1 + generator.rng.index(40);
    assert_eq!(&Model::read(snapshot, places, rows), model);
    for owner in 0..5 {
        let owner = MemberId([owner; 32]);
        assert_eq!(snapshot.whole(&owner).unwrap(), whole(model, &owner));
    }
    let empty = ModelShard::default();
    for number in SHARDS {
        let shard = model.shards.get(&number).unwrap_or(&empty);
        compare_points(snapshot, number, shard, generator);
        compare_ranges(snapshot, number, shard, generator);
    }
}

fn whole(model: &Model, owner: &MemberId) -> Option<(ShardNumber, Arc<ShardRecord>)> {
    let mut shards = model.shards.iter().filter_map(|(number, shard)| Some((*number, shard.record.clone()?)));
    shards.find(|(_, record)| record.owner == *owner && record.is_whole())
}

fn compare_points(
    snapshot: &impl StoreSnapshot,
    number: ShardNumber,
    shard: &ModelShard,
    generator: &mut Generator,
) {
    for _ in 0..20 {
        let (key, at) = (generator.key(), generator.timestamp());
        assert_eq!(snapshot.timestamp_of(number, key.as_str()).unwrap().as_ref(), shard.keys.get(&key));
        assert_eq!(snapshot.item(number, at).unwrap().as_ref(), shard.log.get(&at));
    }
}

fn compare_ranges(
    snapshot: &impl StoreSnapshot,
    number: ShardNumber,
    shard: &ModelShard,
    generator: &mut Generator,
) {
    for _ in 0..8 {
        let page = Page { rows: 1 + generator.rng.index(30), bytes: generator.rng.index(4_000) };
        let (a, b) = (generator.timestamp(), generator.timestamp());
        let (first, last) = (a.min(b), a.max(b));

        let items = shard.log.range(first..=last).map(|(_, item)| item.clone());
        let log = snapshot.log(number, first..=last, page).unwrap();
        assert_eq!(log, paged(items, page, |item| item.bytes() as usize));

        let tombstones = shard.tombstones.iter().filter(|(at, _)| (first..=last).contains(at)).cloned();
        let found = snapshot.tombstones(number, first..=last, page).unwrap();
        assert_eq!(found, paged(tombstones, page, |(_, key)| key.as_str().len()));

        let expiries = shard.expiries.iter().filter(|(expiry, _)| *expiry <= last).copied();
        assert_eq!(snapshot.expiries(number, last, page).unwrap(), paged(expiries, page, |_| 0));

        let key = generator.key();
        let from = [Bound::Included(&key), Bound::Excluded(&key), Bound::Unbounded][generator.rng.index(3)];
        let keys = shard.keys.range::<Key, _>((from, Bound::Unbounded)).map(|(key, at)| (key.clone(), *at));
        let found = snapshot.keys(number, from.map(Key::as_str), page).unwrap();
        assert_eq!(found, paged(keys, page, |(key, _)| key.as_str().len()));
    }
}

/// The first rows that fit: at least one; the row that reaches the limit of bytes is the last.
fn paged<R>(rows: impl Iterator<Item = R>, page: Page, bytes: impl Fn(&R) -> usize) -> Vec<R> {
    let mut taken: Vec<R> = Vec::new();
    for row in rows {
        let full = taken.len() == page.rows || taken.iter().map(&bytes).sum::<usize>() >= page.bytes;
        if full && !taken.is_empty() {
            break;
        }
        taken.push(row);
    }
    taken
}

/// Pages end where requested, and empty ranges are empty.
pub fn pages_reach_their_bounds<M: Medium>(medium: &M) {
    let mut store = medium.open().unwrap();
    let shard = ShardNumber(3);
    let mut generator = Generator::new(1);
    let record = Some(ShardRecord::building(MemberId([1; 32]), None, Timestamp::ZERO).into());
    let mut change = ShardChange { record, ..ShardChange::default() };
    for at in 1..=100 {
        let key = Key::new(format!("{at:03}")).unwrap();
        let item = generator.item(key.clone(), Timestamp(at));
        let item = Arc::new(datafan_core::item::Item { value: [7; 97][..].into(), ..item });
        change.log.insert(Timestamp(at), Some(item));
        change.keys.insert(key, Some(Timestamp(at)));
    }
    store.commit(Batch { shards: [(shard, change)].into(), ..Batch::default() }, Durability::Lazy).unwrap();
    let snapshot = store.reader().snapshot().unwrap();
    let log = |first, last, rows, bytes| {
        let page = Page { rows, bytes };
        let items = snapshot.log(shard, Timestamp(first)..=Timestamp(last), page).unwrap();
        items.iter().map(|item| item.timestamp.0).collect::<Vec<u64>>()
    };
    assert_eq!(log(0, u64::MAX, 3, 10_000), [1, 2, 3]);
    assert_eq!(log(50, 51, 3, 10_000), [50, 51]);
    assert_eq!(log(0, u64::MAX, 100, 200), [1, 2], "the row that reaches the bound is the last one");
    assert_eq!(log(0, u64::MAX, 100, 201), [1, 2, 3]);
    assert_eq!(log(7, 99, 0, 0), [7], "one row at least");
    assert!(log(101, u64::MAX, 9, 99).is_empty() && log(9, 8, 9, 99).is_empty());
    let keys = snapshot.keys(shard, Bound::Excluded("099"), Page::rows(9)).unwrap();
    assert_eq!(keys, [(Key::new("100").unwrap(), Timestamp(100))]);
    assert!(snapshot.keys(ShardNumber(4), Bound::Unbounded, Page::rows(9)).unwrap().is_empty());
    assert!(snapshot.keys(ShardNumber(2), Bound::Unbounded, Page::rows(9)).unwrap().is_empty());
}

/// Two values that are always written together are never seen apart, and never go back.
pub fn snapshots_see_whole_commits_from_any_thread<M: Medium>(medium: &M) {
    let mut store = medium.open().unwrap();
    let (reader, done) = (store.reader(), Arc::new(AtomicBool::new(false)));
    let pair = |n: u32| {
        let value = Some(n.to_be_bytes().to_vec());
        Batch { meta: [(Meta::History, value.clone()), (Meta::RosterMin, value)].into(), ..Batch::default() }
    };
    store.commit(pair(0), Durability::Lazy).unwrap();
    let watching = thread::spawn({
        let done = done.clone();
        move || {
            let (mut last, mut seen) = (None, 0u32);
            loop {
                let is_last = done.load(Ordering::Acquire);
                let snapshot = reader.snapshot().unwrap();
                let value = snapshot.meta(Meta::History).unwrap();
                assert_eq!(value, snapshot.meta(Meta::RosterMin).unwrap());
                assert!(value >= last, "a later snapshot is of a later commit");
                (last, seen) = (value, seen + 1);
                if is_last {
                    return (last, seen);
                }
            }
        }
    });
    for n in 1..=200 {
        store.commit(pair(n), Durability::Lazy).unwrap();
    }
    done.store(true, Ordering::Release);
    let (last, seen) = watching.join().unwrap();
    assert_eq!(last, Some(200u32.to_be_bytes().to_vec()));
    assert!(seen > 0);
}
