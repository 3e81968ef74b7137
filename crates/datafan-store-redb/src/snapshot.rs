//! Reads on one state.

use crate::{
    edge::{Caught, Edge, Fault},
    layout::{
        EXPIRIES, KEYS, LOG, META, NODES, OWNERS, SHARDS, TOMBSTONES, behind, behind_tombstones, expiry_key,
        expiry_of, key_key, key_of, log_key, log_timestamp, meta_number, node_key, shard_key, shard_of,
        tombstone_key, tombstone_of,
    },
};
use datafan_core::{
    codec::Reader,
    id::MemberId,
    item::{Item, Key},
    store::{Meta, Page, ShardNumber, ShardRecord, StoreError, StoreSnapshot},
    time::Timestamp,
    trie::{Node, Place},
};
use redb::{ReadOnlyTable, ReadTransaction, ReadableTableMetadata, TableDefinition, TableError, TableHandle};
use std::{
    ops::{Bound, RangeInclusive},
    sync::{Arc, OnceLock},
};

/// A consistent view at one commit. Refuses everything once its store is closed or has failed.
pub struct RedbSnapshot {
    edge: Edge,
    tables: Caught<Tables>,
}

/// A transaction and the tables opened in it so far, since opening one costs a search.
struct Tables {
    meta: Opened<u8, &'static [u8]>,
    shards: Opened<&'static [u8; 4], &'static [u8]>,
    owners: Opened<&'static [u8; 32], &'static [u8; 4]>,
    log: Opened<&'static [u8; 12], &'static [u8]>,
    keys: Opened<&'static [u8], &'static [u8; 8]>,
    nodes: Opened<&'static [u8; 13], &'static [u8]>,
    tombstones: Opened<&'static [u8], ()>,
    expiries: Opened<&'static [u8; 20], ()>,
    transaction: ReadTransaction,
}

/// The inner `None` stands for a table that does not exist: nothing was ever written to it.
type Opened<K, V> = OnceLock<Option<ReadOnlyTable<K, V>>>;

/// The disk space of one table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableRoom {
    /// Its name.
    pub name: String,
    /// Rows.
    pub rows: u64,
    /// Bytes of keys and values.
    pub stored_bytes: u64,
    /// Bytes of inner pages and offsets.
    pub metadata_bytes: u64,
    /// Unused bytes of pages that are not full.
    pub unused_bytes: u64,
}

impl RedbSnapshot {
    /// The disk space of each table; this reads the whole file.
    ///
    /// # Errors
    /// If the store failed.
    pub fn tables(&self) -> Result<Vec<TableRoom>, StoreError> {
        let transaction = &self.tables.transaction;
        self.edge.run(|| {
            let mut rooms = Vec::new();
            for handle in transaction.list_tables()? {
                let name = handle.name().to_owned();
                let table = transaction.open_untyped_table(handle)?;
                let stats = table.stats()?;
                rooms.push(TableRoom {
                    name,
                    rows: table.len()?,
                    stored_bytes: stats.stored_bytes(),
                    metadata_bytes: stats.metadata_bytes(),
                    unused_bytes: stats.fragmented_bytes(),
                });
            }
            Ok(rooms)
        })
    }

    pub(crate) fn new(transaction: ReadTransaction, edge: Edge) -> Self {
        let tables = Tables {
            meta: OnceLock::new(),
            shards: OnceLock::new(),
            owners: OnceLock::new(),
            log: OnceLock::new(),
            keys: OnceLock::new(),
            nodes: OnceLock::new(),
            tombstones: OnceLock::new(),
            expiries: OnceLock::new(),
            transaction,
        };
        Self { edge, tables: Caught::new(tables) }
    }

    /// Runs `read` on the table; a table that does not exist gives the default result.
    fn read<K, V, T: Default>(
        &self,
        opened: impl FnOnce(&Tables) -> &Opened<K, V>,
        definition: TableDefinition<'_, K, V>,
        read: impl FnOnce(&ReadOnlyTable<K, V>) -> Result<T, Fault>,
    ) -> Result<T, StoreError>
    where
        K: redb::Key + 'static,
        V: redb::Value + 'static,
    {
        self.edge.run(|| {
            let opened = opened(&self.tables);
            if opened.get().is_none() {
                let table = match self.tables.transaction.open_table(definition) {
                    Ok(table) => Some(table),
                    Err(TableError::TableDoesNotExist(_)) => None,
                    Err(error) => return Err(error.into()),
                };
                // Another thread may have opened the same table first.
                let _ = opened.set(table);
            }
            opened.get().and_then(Option::as_ref).map_or_else(|| Ok(T::default()), read)
        })
    }
}

impl StoreSnapshot for RedbSnapshot {
    fn used_bytes(&self) -> Result<u64, StoreError> {
        let bytes = |table: TableRoom| table.stored_bytes + table.metadata_bytes + table.unused_bytes;
        Ok(self.tables()?.into_iter().map(bytes).sum())
    }

    fn meta(&self, key: Meta) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(
            |tables| &tables.meta,
            META,
            |table| Ok(table.get(meta_number(key))?.map(|value| value.value().to_vec())),
        )
    }

    fn shards(&self) -> Result<Vec<(ShardNumber, Arc<ShardRecord>)>, StoreError> {
        self.read(
            |tables| &tables.shards,
            SHARDS,
            |table| {
                let rows = table.range::<&[u8; 4]>(..)?.map(|row| {
                    let (key, value) = row?;
                    Ok((shard_of(key.value()), Arc::new(ShardRecord::decode(value.value())?)))
                });
                rows.collect()
            },
        )
    }

    fn shard(&self, shard: ShardNumber) -> Result<Option<Arc<ShardRecord>>, StoreError> {
        self.read(
            |tables| &tables.shards,
            SHARDS,
            |table| match table.get(&shard_key(shard))? {
                Some(record) => Ok(Some(Arc::new(ShardRecord::decode(record.value())?))),
                None => Ok(None),
            },
        )
    }

    fn whole(&self, owner: &MemberId) -> Result<Option<(ShardNumber, Arc<ShardRecord>)>, StoreError> {
        let number = self.read(
            |tables| &tables.owners,
            OWNERS,
            |table| Ok(table.get(&owner.0)?.map(|number| shard_of(number.value()))),
        )?;
        let Some(number) = number else { return Ok(None) };
        Ok(self.shard(number)?.map(|record| (number, record)))
    }

    fn timestamp_of(&self, shard: ShardNumber, key: &str) -> Result<Option<Timestamp>, StoreError> {
        let key = key_key(shard, key);
        self.read(
            |tables| &tables.keys,
            KEYS,
            |table| Ok(table.get(key.as_slice())?.map(|at| Timestamp(u64::from_be_bytes(*at.value())))),
        )
    }

    fn item(&self, shard: ShardNumber, at: Timestamp) -> Result<Option<Arc<Item>>, StoreError> {
        self.read(
            |tables| &tables.log,
            LOG,
            |table| match table.get(&log_key(shard, at))? {
                Some(body) => Ok(Some(item(at, body.value())?)),
                None => Ok(None),
            },
        )
    }

    fn log(
        &self,
        shard: ShardNumber,
        range: RangeInclusive<Timestamp>,
        page: Page,
    ) -> Result<Vec<Arc<Item>>, StoreError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let (first, last) = (log_key(shard, *range.start()), log_key(shard, *range.end()));
        self.read(
            |tables| &tables.log,
            LOG,
            |table| {
                let rows = table.range::<&[u8; 12]>(&first..=&last)?.map(|row| {
                    let (key, body) = row?;
                    item(log_timestamp(key.value()), body.value())
                });
                paged(rows, page, |item| item.bytes() as usize)
            },
        )
    }

    fn keys(
        &self,
        shard: ShardNumber,
        from: Bound<&str>,
        page: Page,
    ) -> Result<Vec<(Key, Timestamp)>, StoreError> {
        let first = match from {
            Bound::Included(key) => Bound::Included(key_key(shard, key)),
            Bound::Excluded(key) => Bound::Excluded(key_key(shard, key)),
            Bound::Unbounded => Bound::Included(key_key(shard, "")),
        };
        let last = behind(shard);
        let range = (first.as_ref().map(Vec::as_slice), Bound::Included(last.as_slice()));
        self.read(
            |tables| &tables.keys,
            KEYS,
            |table| {
                let rows = table.range::<&[u8]>(range)?.map(|row| {
                    let (key, at) = row?;
                    Ok((key_of(key.value())?, Timestamp(u64::from_be_bytes(*at.value()))))
                });
                paged(rows, page, |(key, _)| key.as_str().len())
            },
        )
    }

    fn node(&self, shard: ShardNumber, place: Place) -> Result<Option<Node>, StoreError> {
        self.read(
            |tables| &tables.nodes,
            NODES,
            |table| match table.get(&node_key(shard, place))? {
                Some(node) => Ok(Some(Node::decode(place, node.value())?)),
                None => Ok(None),
            },
        )
    }

    fn tombstones(
        &self,
        shard: ShardNumber,
        range: RangeInclusive<Timestamp>,
        page: Page,
    ) -> Result<Vec<(Timestamp, Key)>, StoreError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let (first, last) =
            (tombstone_key(shard, *range.start(), ""), behind_tombstones(shard, *range.end()));
        self.read(
            |tables| &tables.tombstones,
            TOMBSTONES,
            |table| {
                let rows = table.range::<&[u8]>(first.as_slice()..=last.as_slice())?;
                paged(rows.map(|row| Ok(tombstone_of(row?.0.value())?)), page, |(_, key)| key.as_str().len())
            },
        )
    }

    fn expiries(
        &self,
        shard: ShardNumber,
        until: Timestamp,
        page: Page,
    ) -> Result<Vec<(Timestamp, Timestamp)>, StoreError> {
        let first = expiry_key(shard, (Timestamp::ZERO, Timestamp::ZERO));
        let last = expiry_key(shard, (until, Timestamp::MAX));
        self.read(
            |tables| &tables.expiries,
            EXPIRIES,
            |table| {
                let rows = table.range::<&[u8; 20]>(&first..=&last)?;
                paged(rows.map(|row| Ok(expiry_of(row?.0.value()))), page, |_| 0)
            },
        )
    }
}

fn item(at: Timestamp, body: &[u8]) -> Result<Arc<Item>, Fault> {
    let mut input = Reader::new(body);
    let item = Item::decode_body(at, &mut input)?;
    input.end()?;
    Ok(Arc::new(item))
}

/// The first rows that fit `page`: at least one; the row that reaches the limit of bytes is the last.
fn paged<R>(
    rows: impl Iterator<Item = Result<R, Fault>>,
    page: Page,
    bytes: impl Fn(&R) -> usize,
) -> Result<Vec<R>, Fault> {
    let mut taken = Vec::new();
    let mut sum = 0usize;
    for row in rows.take(page.rows.max(1)) {
        let row = row?;
        sum += bytes(&row);
        taken.push(row);
        if sum >= page.bytes {
            break;
        }
    }
    Ok(taken)
}
