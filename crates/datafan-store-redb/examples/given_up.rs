//! How long a compaction that is aborted makes others wait:
//! `cargo run --release -p datafan-store-redb --example given_up -- 1000000`.
//!
//! Writes this many items of 1,000 B, overwrites all of them, deletes every second one, and compacts with a
//! limit of one second. The time beyond the limit is what it takes to abort and to open the file again.

use datafan_core::{
    id::MemberId,
    item::{Item, Key},
    store::{Batch, Durability, ShardChange, ShardNumber, ShardRecord, Store},
    time::Timestamp,
};
use datafan_store_redb::{Options, RedbStore};
use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

const SHARD: ShardNumber = ShardNumber(1);
const WRITES: u64 = 4_096;
const VALUE_BYTES: usize = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let items: u64 = std::env::args().nth(1).map_or(Ok(100_000), |text| text.parse())?;
    let max = Duration::from_secs(1);
    let directory = tempfile::tempdir()?;
    let options = Options { compact_max: Some(max), ..Options::default() };
    let mut store = RedbStore::open(directory.path().join("store.redb"), options)?;
    let record = ShardRecord::building(MemberId([1; 32]), None, Timestamp::MAX);
    commit(&mut store, ShardChange { record: Some(record.into()), ..ShardChange::default() })?;
    for round in 0..2 {
        for first in (0..items).step_by(WRITES as usize) {
            let mut change = ShardChange::default();
            for n in first..items.min(first + WRITES) {
                let at = Timestamp(1 + round * items + n);
                let key = Key::new(format!("{:016x}", (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)))?;
                let value = vec![n as u8; VALUE_BYTES].into();
                change.keys.insert(key.clone(), Some(at));
                change.log.insert(at, Some(Arc::new(Item { key, timestamp: at, expiry: None, value })));
                if round > 0 {
                    change.log.insert(Timestamp(1 + n), None);
                }
            }
            commit(&mut store, change)?;
        }
    }
    for first in (0..items).step_by(2 * WRITES as usize) {
        let gone = (first..items.min(first + 2 * WRITES)).step_by(2);
        let log = gone.map(|n| (Timestamp(1 + items + n), None)).collect();
        commit(&mut store, ShardChange { log, ..ShardChange::default() })?;
    }
    let before = store.file_bytes()?;
    let began = Instant::now();
    let done = store.compact()?;
    let beyond = began.elapsed().saturating_sub(max);
    println!("a file of {} MB: {done:?}, {:.2} s beyond the bound", before / 1_000_000, beyond.as_secs_f64());
    Ok(store.close()?)
}

fn commit(store: &mut RedbStore, change: ShardChange) -> Result<(), Box<dyn Error>> {
    Ok(store.commit(Batch { shards: [(SHARD, change)].into(), ..Batch::default() }, Durability::Lazy)?)
}
