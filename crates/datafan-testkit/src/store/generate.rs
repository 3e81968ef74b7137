//! Random batches that follow the rules of the store's contract.

use super::model::{METAS, Model, ModelShard};
use crate::rng::Rng;
use datafan_core::{
    hash::{Hash, Hasher},
    head::Head,
    id::MemberId,
    item::{Item, Key},
    store::{Batch, HeldTombstones, ShardChange, ShardNumber, ShardRecord},
    time::Timestamp,
    trie::{Branch, Leaf, NewNodes, Node, join},
};
use std::{collections::BTreeMap, sync::Arc};

/// Draws batches over a few owners, shards, keys and timestamps, so that they overlap often.
pub struct Generator {
    /// The source of all random choices.
    pub rng: Rng,
}

/// Shards are numbered below this, plus one with the greatest number.
pub const SHARDS: [ShardNumber; 5] =
    [ShardNumber(0), ShardNumber(1), ShardNumber(2), ShardNumber(255), ShardNumber(u32::MAX)];

impl Generator {
    /// The batches of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed) }
    }

    /// A batch that is valid after `model`.
    pub fn batch(&mut self, model: &Model) -> Batch {
        let mut batch = Batch::default();
        for meta in METAS {
            if self.rng.chance(1, 8) {
                let value = self.rng.chance(3, 4).then(|| self.value());
                batch.meta.insert(meta, value);
            }
        }
        for _ in 0..self.rng.below(3) {
            self.change_shard(model, &mut batch);
        }
        batch
    }

    fn change_shard(&mut self, model: &Model, batch: &mut Batch) {
        let number = *self.rng.pick(&SHARDS);
        if batch.shards.contains_key(&number) {
            return;
        }
        let old = model.shards.get(&number);
        let mut change = ShardChange::default();
        if old.is_none() || self.rng.chance(1, 3) {
            let record = self.record();
            if record.is_whole() {
                self.retire(model, batch, number, record.owner);
            }
            change.record = Some(record.into());
        }
        let empty = ModelShard::default();
        let old = old.unwrap_or(&empty);
        for _ in 0..self.rng.below(30) {
            self.change_item(&mut change);
        }
        for _ in 0..self.rng.below(6) {
            change.tombstones.insert((self.timestamp(), self.key()), self.rng.chance(3, 4));
            change.expiries.insert((self.timestamp(), self.timestamp()), self.rng.chance(3, 4));
        }
        for (place, node) in self.nodes() {
            change.nodes.insert(place, node);
        }
        for place in old.nodes.keys() {
            if self.rng.chance(1, 4) {
                change.nodes.insert(*place, None);
            }
        }
        batch.shards.insert(number, change);
    }

    /// An owner has at most one whole shard: the other one dies in the same batch.
    fn retire(&mut self, model: &Model, batch: &mut Batch, number: ShardNumber, owner: MemberId) {
        let is_whole = |record: &ShardRecord| record.owner == owner && record.is_whole();
        for other in SHARDS.into_iter().filter(|other| *other != number) {
            let planned = batch.shards.get(&other).and_then(|change| change.record.as_deref());
            let held = model.shards.get(&other).and_then(|shard| shard.record.as_deref());
            if let Some(record) = planned.or(held).filter(|record| is_whole(record)) {
                let record = ShardRecord::dead(record.owner);
                batch.shards.entry(other).or_default().record = Some(record.into());
            }
        }
    }

    fn change_item(&mut self, change: &mut ShardChange) {
        let (key, timestamp) = (self.key(), self.timestamp());
        if self.rng.chance(1, 3) {
            change.log.insert(timestamp, None);
            change.keys.insert(key, None);
            return;
        }
        change.keys.insert(key.clone(), Some(timestamp));
        change.log.insert(timestamp, Some(Arc::new(self.item(key, timestamp))));
    }

    /// An item with a value of any length; rarely a large one.
    pub fn item(&mut self, key: Key, timestamp: Timestamp) -> Item {
        let expiry = self.rng.chance(1, 3).then(|| Timestamp(self.rng.next_u64() | 1));
        Item { key, timestamp, expiry, value: self.value().into() }
    }

    /// A record in any state.
    pub fn record(&mut self) -> ShardRecord {
        let owner = MemberId([self.rng.below(4) as u8; 32]);
        let head = Head {
            owner,
            timestamp: self.timestamp(),
            items: self.rng.next_u64(),
            bytes: self.rng.below(1_000),
            root: Hash(self.rng.array()),
            signature: self.rng.array(),
        };
        let leaf = Leaf { bytes: self.rng.below(500), hash: Hash(self.rng.array()) };
        let root = self.rng.chance(3, 4).then(|| Branch::leaf(self.rng.next_u64(), leaf));
        let (at, rows) = (self.timestamp(), self.rng.below(100));
        match self.rng.below(5) {
            0 | 1 => ShardRecord::whole(head, root, HeldTombstones { since: at, rows }),
            2 => ShardRecord::building(owner, root, at),
            3 => ShardRecord::divergent(head, root, at, rows),
            _ => ShardRecord::dead(owner),
        }
    }

    /// One of a few dozen keys, among them the shortest, the longest, and the first and last in order.
    pub fn key(&mut self) -> Key {
        let text = match self.rng.below(40) {
            0 => "\0".into(),
            1 => "\u{10ffff}".repeat(256),
            2 => "k".repeat(1_024),
            3 => "_sys/addresses".into(),
            4 => "ключ/鍵".into(),
            n => format!("key/{n}"),
        };
        Key::new(text).unwrap()
    }

    /// One of a few hundred timestamps, among them the first and the last ones.
    pub fn timestamp(&mut self) -> Timestamp {
        Timestamp(match self.rng.below(50) {
            0 => 0,
            1 => u64::MAX,
            2 => 1 << 32,
            n => 1_700_000_000_000_000 + n * 7,
        })
    }

    fn value(&mut self) -> Vec<u8> {
        let len = match self.rng.below(100) {
            0 => 20_000,
            1..=4 => 3_000,
            n => n as usize,
        };
        self.rng.bytes(len)
    }

    /// The nodes of a small trie.
    fn nodes(&mut self) -> BTreeMap<datafan_core::trie::Place, Option<Node>> {
        let mut positions: Vec<u64> = (0..self.rng.below(12)).map(|_| self.timestamp().0).collect();
        positions.sort_unstable();
        positions.dedup();
        let leaf = |at| Branch::leaf(at, Leaf { bytes: self.rng.below(99), hash: Hash(self.rng.array()) });
        let leaves: Vec<Branch> = positions.into_iter().map(leaf).collect();
        let mut nodes = NewNodes::new();
        join(Hasher::NODE, &leaves, &mut nodes);
        nodes
    }
}
