//! The expected content of a store, kept in the simplest way.

use datafan_core::{
    item::{Item, Key},
    store::{Batch, Meta, Page, ShardChange, ShardNumber, ShardRecord, StoreError, StoreSnapshot},
    time::Timestamp,
    trie::{Node, Place},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
};

/// The content of a store.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Model {
    /// Values of the member.
    pub meta: BTreeMap<Meta, Vec<u8>>,
    /// Shards that have a record.
    pub shards: BTreeMap<ShardNumber, ModelShard>,
}

/// The content of a shard.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct ModelShard {
    /// Its record; `None` only until the first one is applied.
    pub record: Option<Arc<ShardRecord>>,
    /// Items by timestamp.
    pub log: BTreeMap<Timestamp, Arc<Item>>,
    /// Timestamps by key.
    pub keys: BTreeMap<Key, Timestamp>,
    /// Nodes by place.
    pub nodes: BTreeMap<Place, Node>,
    /// Tombstones.
    pub tombstones: BTreeSet<(Timestamp, Key)>,
    /// Expiries.
    pub expiries: BTreeSet<(Timestamp, Timestamp)>,
}

/// The places of nodes, because a store does not list its nodes.
pub type Places = BTreeSet<(ShardNumber, Place)>;

/// Every value of the member.
pub const METAS: [Meta; 10] = [
    Meta::Belongs,
    Meta::Bound,
    Meta::History,
    Meta::RosterMin,
    Meta::Addresses,
    Meta::Recovered,
    Meta::Runs,
    Meta::Forks,
    Meta::HeardFor,
    Meta::Newcomer,
];

impl Model {
    /// Applies `batch`.
    pub fn apply(&mut self, batch: &Batch) {
        set(&mut self.meta, &batch.meta);
        for (number, change) in &batch.shards {
            self.shards.entry(*number).or_default().apply(change);
        }
    }

    /// Reads all of `snapshot`, in pages of `rows`; the nodes at `places`.
    pub fn read(snapshot: &impl StoreSnapshot, places: &Places, rows: usize) -> Self {
        Self::try_read(snapshot, places, rows).unwrap()
    }

    /// Like [`Model::read`], for a store that may be damaged.
    pub fn try_read(snapshot: &impl StoreSnapshot, places: &Places, rows: usize) -> Result<Self, StoreError> {
        let mut model = Self::default();
        for meta in METAS {
            model.meta.extend(snapshot.meta(meta)?.map(|value| (meta, value)));
        }
        for (number, record) in snapshot.shards()? {
            assert_eq!(snapshot.shard(number)?.as_ref(), Some(&record));
            let mut shard = ModelShard::read(snapshot, number, rows)?;
            for (_, place) in places.iter().filter(|(at, _)| *at == number) {
                shard.nodes.extend(snapshot.node(number, *place)?.map(|node| (*place, node)));
            }
            shard.record = Some(record);
            model.shards.insert(number, shard);
        }
        Ok(model)
    }

    /// The places of its nodes.
    pub fn places(&self) -> Places {
        let places = |(number, shard): (&ShardNumber, &ModelShard)| {
            let number = *number;
            shard.nodes.keys().map(move |place| (number, *place)).collect::<Vec<_>>()
        };
        self.shards.iter().flat_map(places).collect()
    }
}

impl ModelShard {
    /// Number of rows in all tables.
    pub fn rows(&self) -> usize {
        self.log.len() + self.keys.len() + self.nodes.len() + self.tombstones.len() + self.expiries.len()
    }

    fn apply(&mut self, change: &ShardChange) {
        self.record = change.record.clone().or(self.record.take());
        set(&mut self.log, &change.log);
        set(&mut self.keys, &change.keys);
        set(&mut self.nodes, &change.nodes);
        mark(&mut self.tombstones, &change.tombstones);
        mark(&mut self.expiries, &change.expiries);
    }

    /// Reads everything except record and nodes. The last row of a page is where the next page starts.
    fn read(snapshot: &impl StoreSnapshot, number: ShardNumber, rows: usize) -> Result<Self, StoreError> {
        let mut shard = Self::default();
        let page = Page::rows(rows);
        let mut from = Some(Timestamp::ZERO);
        while let Some(first) = from {
            let items = snapshot.log(number, first..=Timestamp::MAX, page)?;
            from = items.last().and_then(|item| item.timestamp.next());
            shard.log.extend(items.into_iter().map(|item| (item.timestamp, item)));
        }
        let mut last = None;
        loop {
            let from = last.as_ref().map_or(Bound::Unbounded, |key: &Key| Bound::Excluded(key.as_str()));
            let keys = snapshot.keys(number, from, page)?;
            let Some((key, _)) = keys.last() else { break };
            last = Some(key.clone());
            shard.keys.extend(keys);
        }
        // Several tombstones may share a timestamp, so their pages cannot be joined: read them all at once.
        let all = Page::rows(usize::MAX);
        shard.tombstones.extend(snapshot.tombstones(number, Timestamp::ZERO..=Timestamp::MAX, all)?);
        shard.expiries.extend(snapshot.expiries(number, Timestamp::MAX, all)?);
        Ok(shard)
    }
}

fn set<K: Ord + Clone, V: Clone>(rows: &mut BTreeMap<K, V>, changes: &BTreeMap<K, Option<V>>) {
    for (key, value) in changes {
        match value {
            Some(value) => rows.insert(key.clone(), value.clone()),
            None => rows.remove(key),
        };
    }
}

fn mark<K: Ord + Clone>(rows: &mut BTreeSet<K>, changes: &BTreeMap<K, bool>) {
    for (key, added) in changes {
        if *added {
            rows.insert(key.clone())
        } else {
            rows.remove(key)
        };
    }
}
