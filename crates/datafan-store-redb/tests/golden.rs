//! Rows on disk, byte by byte, as `docs/disk-format.md` specifies them. A change here is a change of the
//! format.

// Tests fail by panicking, in their helpers too.
#![allow(clippy::unwrap_used)]

mod medium;

use datafan_core::{
    hash::{Hash, Hasher},
    head::Head,
    id::MemberId,
    item::{Item, Key},
    store::{
        Batch, Durability, HeldTombstones, Meta, STORE_FORMAT, ShardChange, ShardNumber, ShardRecord, Store,
    },
    time::Timestamp,
    trie::{Branch, Leaf, NewNodes, join},
};
use datafan_testkit::store::Medium;
use medium::File;
use redb::{Database, Key as RowKey, ReadableDatabase, ReadableTable, TableDefinition, Value};
use std::sync::Arc;

const AT: Timestamp = Timestamp(0x0102_0304_0506_0708);
const EXPIRY: Timestamp = Timestamp(300);

#[test]
fn the_format_has_number_2() {
    assert_eq!(STORE_FORMAT, 2);
}

#[test]
fn rows_have_the_bytes_of_the_format() {
    let medium = File::new();
    let mut store = medium.open().unwrap();
    store.commit(batch(), Durability::Lazy).unwrap();
    store.close().unwrap();
    let database = Database::open(medium.path()).unwrap();

    let meta = rows(&database, TableDefinition::<u8, &[u8]>::new("meta"), |key| vec![key], <[u8]>::to_vec);
    assert_eq!(meta, ["00: 00000002", "03: abcd", "ff: "]);
    let texts = |name| rows(&database, TableDefinition::<&[u8], ()>::new(name), <[u8]>::to_vec, |()| vec![]);
    assert_eq!(texts("graves"), ["00000102000000000000000967: "]);
    let keys = TableDefinition::<&[u8], &[u8; 8]>::new("keys");
    assert_eq!(rows(&database, keys, <[u8]>::to_vec, |at| at.to_vec()), ["000001026b6579: 0102030405060708"]);
    let expiries = TableDefinition::<&[u8; 20], ()>::new("expiries");
    let found = rows(&database, expiries, |key| key.to_vec(), |()| vec![]);
    assert_eq!(found, ["00000102000000000000012c0102030405060708: "]);
    let log = TableDefinition::<&[u8; 12], &[u8]>::new("log");
    let found = rows(&database, log, |key| key.to_vec(), <[u8]>::to_vec);
    assert_eq!(found, ["000001020102030405060708: ac02036b65790576616c7565"]);
    let owners = TableDefinition::<&[u8; 32], &[u8; 4]>::new("owners");
    let found = rows(&database, owners, |key| key.to_vec(), |number| number.to_vec());
    assert_eq!(found, [format!("{}: 00000102", "11".repeat(32))]);

    let nodes = TableDefinition::<&[u8; 13], &[u8]>::new("nodes");
    let found = rows(&database, nodes, |key| key.to_vec(), <[u8]>::to_vec);
    // Two children: level 0, digits below the node, bytes, hash; a leaf has no count.
    let leaf = |at: &str, bytes: &str, hash: &str| format!("00{at}{bytes}{}", hash.repeat(32));
    let children = leaf("01", "08", "aa") + &leaf("f001", "ac02", "bb");
    assert_eq!(found, [format!("0000010202{:016x}: 02{children}", 0x10)]);

    let shards = TableDefinition::<&[u8; 4], &[u8]>::new("shards");
    let found = rows(&database, shards, |key| key.to_vec(), <[u8]>::to_vec);
    let owner = "11".repeat(32);
    let sums = format!("{:016x}{:016x}", 2, 308);
    let head = format!("01{owner}0102030405060708{sums}{}{}", "22".repeat(32), "33".repeat(64));
    let root = &found[0][2 * (4 + 32 + 1 + 1 + 153) + 2..];
    assert_eq!(found[0][..found[0].len() - root.len()], format!("00000102: {owner}0001{head}"));
    // Present; level 2, prefix 0x10, count 2, bytes 308, hash; tombstones floor 9, one tombstone.
    let hash = node_hash().0.map(|byte| format!("{byte:02x}")).concat();
    assert_eq!(root, format!("01021002b402{hash}0901"));
}

/// One row in each table.
fn batch() -> Batch {
    let owner = MemberId([0x11; 32]);
    let root = Hash([0x22; 32]);
    let head = Head { owner, timestamp: AT, items: 2, bytes: 308, root, signature: [0x33; 64] };
    let (top, nodes) = trie();
    let tombstones = HeldTombstones { since: Timestamp(9), rows: 1 };
    let record = ShardRecord::whole(head, Some(top), tombstones);
    let key = Key::new("key").unwrap();
    let value = b"value"[..].into();
    let item = Item { key: key.clone(), timestamp: AT, expiry: Some(EXPIRY), value };
    let change = ShardChange {
        record: Some(record.into()),
        log: [(AT, Some(Arc::new(item)))].into(),
        keys: [(key, Some(AT))].into(),
        nodes,
        tombstones: [((Timestamp(9), Key::new("g").unwrap()), true)].into(),
        expiries: [((EXPIRY, AT), true)].into(),
    };
    Batch {
        meta: [(Meta::History, Some(vec![0xab, 0xcd]))].into(),
        shards: [(ShardNumber(0x0102), change)].into(),
    }
}

/// Two leaves under one node of level 2.
fn trie() -> (Branch, NewNodes) {
    let leaf = |at, bytes, byte| Branch::leaf(at, Leaf { bytes, hash: Hash([byte; 32]) });
    let mut nodes = NewNodes::new();
    let top = join(Hasher::NODE, &[leaf(0x1001, 8, 0xaa), leaf(0x10f0, 300, 0xbb)], &mut nodes).unwrap();
    (top, nodes)
}

fn node_hash() -> Hash {
    trie().0.hash
}

/// All rows as `key: value` in hexadecimal.
fn rows<K: RowKey + 'static, V: Value + 'static>(
    database: &Database,
    table: TableDefinition<'_, K, V>,
    key: impl Fn(K::SelfType<'_>) -> Vec<u8>,
    value: impl Fn(V::SelfType<'_>) -> Vec<u8>,
) -> Vec<String> {
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let table = database.begin_read().unwrap().open_table(table).unwrap();
    let rows = table.iter().unwrap().map(|row| {
        let (k, v) = row.unwrap();
        format!("{}: {}", hex(key(k.value())), hex(value(v.value())))
    });
    rows.collect()
}
