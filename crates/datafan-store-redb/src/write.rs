//! Batches and erasures as changes of redb's tables. Rows are written in ascending order, one table after
//! another, so that redb finds most of them on the page that it just used.

use crate::{
    ascending::insert_ascending,
    edge::Fault,
    layout::{
        EXPIRIES, KEYS, LOG, META, NODES, OWNERS, SHARDS, TOMBSTONES, behind, expiry_key, key_key, log_key,
        meta_number, node_key, shard_key, tombstone_key,
    },
};
use datafan_core::{
    codec::Writer,
    id::MemberId,
    store::{Batch, ShardChange, ShardNumber, ShardRecord, ShardState},
    time::Timestamp,
    trie::{LEVELS, Place},
};
use redb::{Key, ReadableTable, Table, TableDefinition, Value, WriteTransaction};
use std::{borrow::Borrow, ops::RangeInclusive};

/// Writes `batch`.
pub fn apply(transaction: &WriteTransaction, batch: &Batch) -> Result<(), Fault> {
    if !batch.meta.is_empty() {
        let mut table = transaction.open_table(META)?;
        for (key, value) in &batch.meta {
            put(&mut table, meta_number(*key), value.as_deref())?;
        }
    }
    for (number, record) in batch.shards.iter().filter_map(|(n, change)| Some((n, change.record.as_ref()?))) {
        apply_record(transaction, *number, record)?;
    }
    apply_log(transaction, batch)?;
    apply_keys(transaction, batch)?;
    apply_nodes(transaction, batch)?;
    apply_tombstones(transaction, batch)?;
    apply_expiries(transaction, batch)
}

/// Approximate number of bytes that `batch` writes.
pub fn bytes_of(batch: &Batch) -> u64 {
    let shard = |change: &ShardChange| {
        let items = change.log.values().flatten().map(|item| item.bytes() + 64).sum::<u64>();
        let rows = change.keys.len() + change.nodes.len() + change.tombstones.len() + change.expiries.len();
        items + 256 * rows as u64
    };
    batch.shards.values().map(shard).sum()
}

/// Erases at most `rows` rows of a dead shard, the record with the last ones. True when all is erased.
pub fn erase(transaction: &WriteTransaction, shard: ShardNumber, rows: usize) -> Result<bool, Fault> {
    let mut shards = transaction.open_table(SHARDS)?;
    let state = match shards.get(&shard_key(shard))? {
        Some(record) => Some(ShardRecord::decode(record.value())?.state),
        None => None,
    };
    assert!(state.is_none_or(|state| matches!(state, ShardState::Dead)), "only dead shards are erased");
    let mut left = rows;
    let span = |from: Timestamp, to: Timestamp| log_key(shard, from)..=log_key(shard, to);
    let log = span(Timestamp::ZERO, Timestamp::MAX);
    let nodes = node_key(shard, Place { level: 0, prefix: 0 })
        ..=node_key(shard, Place { level: LEVELS, prefix: u64::MAX });
    let expiries = expiry_key(shard, (Timestamp::ZERO, Timestamp::ZERO))
        ..=expiry_key(shard, (Timestamp::MAX, Timestamp::MAX));
    let texts = shard_key(shard).to_vec()..=behind(shard);
    let gone = erase_range(transaction, LOG, log.start()..=log.end(), &mut left)?
        && erase_range(transaction, KEYS, texts.start().as_slice()..=texts.end(), &mut left)?
        && erase_range(transaction, NODES, nodes.start()..=nodes.end(), &mut left)?
        && erase_range(transaction, TOMBSTONES, texts.start().as_slice()..=texts.end(), &mut left)?
        && erase_range(transaction, EXPIRIES, expiries.start()..=expiries.end(), &mut left)?;
    if gone {
        shards.remove(&shard_key(shard))?;
    }
    Ok(gone)
}

/// Erases the first rows of `range`, at most `left`; true when none is left.
fn erase_range<'k, K, V>(
    transaction: &WriteTransaction,
    table: TableDefinition<'_, K, V>,
    range: RangeInclusive<K::SelfType<'k>>,
    left: &mut usize,
) -> Result<bool, Fault>
where
    K: Key + 'static,
    V: Value + 'static,
    K::SelfType<'k>: Borrow<K::SelfType<'k>> + Clone,
{
    let mut table = transaction.open_table(table)?;
    let mut erased = table.extract_from_if::<K::SelfType<'k>, _>(range.clone(), |_, _| true)?;
    while *left > 0 {
        if erased.next().transpose()?.is_none() {
            return Ok(true);
        }
        *left -= 1;
    }
    erased.close()?;
    Ok(table.range::<K::SelfType<'k>>(range)?.next().is_none())
}

fn apply_record(
    transaction: &WriteTransaction,
    number: ShardNumber,
    record: &ShardRecord,
) -> Result<(), Fault> {
    let mut shards = transaction.open_table(SHARDS)?;
    let mut owners = transaction.open_table(OWNERS)?;
    let key = shard_key(number);
    let old = shards.insert(&key, record.encode().as_slice())?;
    let old =
        old.map(|old| ShardRecord::decode(old.value()).map(|old| (old.owner, old.state))).transpose()?;
    let is_here = |owner: &MemberId, owners: &Table<'_, &[u8; 32], &[u8; 4]>| -> Result<bool, Fault> {
        Ok(owners.get(&owner.0)?.is_some_and(|here| *here.value() == key))
    };
    if let Some((owner, ShardState::Whole { .. })) = old
        && is_here(&owner, &owners)?
    {
        owners.remove(&owner.0)?;
    }
    if record.is_whole() {
        owners.insert(&record.owner.0, &key)?;
    }
    Ok(())
}

fn apply_log(transaction: &WriteTransaction, batch: &Batch) -> Result<(), Fault> {
    for_each(
        transaction,
        batch,
        LOG,
        |change| !change.log.is_empty(),
        |table, shard, change| {
            let mut keys = Vec::new();
            let mut bodies = Vec::new();
            for (at, item) in &change.log {
                let Some(item) = item else {
                    table.remove(&log_key(shard, *at))?;
                    continue;
                };
                let mut out = Writer::new();
                item.encode_body(&mut out);
                keys.push(log_key(shard, *at));
                bodies.push(out.finish());
            }
            let rows: Vec<(&[u8; 12], &[u8])> = keys.iter().zip(bodies.iter().map(Vec::as_slice)).collect();
            insert_ascending(table, &rows)
        },
    )
}

fn apply_keys(transaction: &WriteTransaction, batch: &Batch) -> Result<(), Fault> {
    for_each(
        transaction,
        batch,
        KEYS,
        |change| !change.keys.is_empty(),
        |table, shard, change| {
            let rows = change.keys.iter();
            let mut rows =
                rows.map(|(key, at)| (key_key(shard, key.as_str()), at.map(|at| at.0.to_be_bytes())));
            let Some((first, _)) = change.keys.first_key_value() else { return Ok(()) };
            let (first, last) = (key_key(shard, first.as_str()), behind(shard));
            if table.range(first.as_slice()..=last.as_slice())?.next().is_none() {
                // All of them sort after the existing keys, as with keys that count up.
                let rows: Vec<_> = rows.filter_map(|(key, at)| Some((key, at?))).collect();
                let rows: Vec<(&[u8], &[u8; 8])> =
                    rows.iter().map(|(key, at)| (key.as_slice(), at)).collect();
                return insert_ascending(table, &rows);
            }
            rows.try_for_each(|(key, at)| put(table, key.as_slice(), at.as_ref()))
        },
    )
}

fn apply_nodes(transaction: &WriteTransaction, batch: &Batch) -> Result<(), Fault> {
    for_each(
        transaction,
        batch,
        NODES,
        |change| !change.nodes.is_empty(),
        |table, shard, change| {
            for (place, node) in &change.nodes {
                let node = node.as_ref().map(|node| node.encode());
                put(table, &node_key(shard, *place), node.as_deref())?;
            }
            Ok(())
        },
    )
}

fn apply_tombstones(transaction: &WriteTransaction, batch: &Batch) -> Result<(), Fault> {
    for_each(
        transaction,
        batch,
        TOMBSTONES,
        |change| !change.tombstones.is_empty(),
        |table, shard, change| {
            for ((at, key), added) in &change.tombstones {
                put(table, tombstone_key(shard, *at, key.as_str()).as_slice(), added.then_some(()))?;
            }
            Ok(())
        },
    )
}

fn apply_expiries(transaction: &WriteTransaction, batch: &Batch) -> Result<(), Fault> {
    for_each(
        transaction,
        batch,
        EXPIRIES,
        |change| !change.expiries.is_empty(),
        |table, shard, change| {
            for (row, added) in &change.expiries {
                put(table, &expiry_key(shard, *row), added.then_some(()))?;
            }
            Ok(())
        },
    )
}

/// Opens `table` once, if any shard has rows for it, and writes those of every shard.
fn for_each<K: Key + 'static, V: Value + 'static>(
    transaction: &WriteTransaction,
    batch: &Batch,
    table: TableDefinition<'_, K, V>,
    has_rows: impl Fn(&ShardChange) -> bool,
    mut write: impl FnMut(&mut Table<'_, K, V>, ShardNumber, &ShardChange) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut shards = batch.shards.iter().filter(|(_, change)| has_rows(change)).peekable();
    if shards.peek().is_none() {
        return Ok(());
    }
    let mut table = transaction.open_table(table)?;
    shards.try_for_each(|(number, change)| write(&mut table, *number, change))
}

/// Inserts a row; removes it if the value is `None`.
fn put<'k, 'v, K: Key + 'static, V: Value + 'static>(
    table: &mut Table<'_, K, V>,
    key: impl Borrow<K::SelfType<'k>>,
    value: Option<impl Borrow<V::SelfType<'v>>>,
) -> Result<(), Fault> {
    match value {
        Some(value) => drop(table.insert(key, value)?),
        None => drop(table.remove(key)?),
    }
    Ok(())
}
