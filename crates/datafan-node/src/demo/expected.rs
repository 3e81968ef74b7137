//! The expected final state of the members: keys, and hashes of their values.

use datafan_core::{
    engine::Write,
    hash::{Hash, Hasher},
    item::{Item, Key},
};
use std::collections::BTreeMap;

/// The keys of each member. Hashes stand for the values, so that the input is not kept in memory.
pub struct Expected {
    members: Vec<BTreeMap<Key, Hash>>,
}

impl Expected {
    /// An empty expectation.
    pub fn new(members: usize) -> Self {
        Self { members: vec![BTreeMap::new(); members] }
    }

    /// Records a write of a member.
    pub fn note(&mut self, member: usize, write: &Write) {
        match write {
            Write::Put { key, value, .. } => self.members[member].insert(key.clone(), hash(value)),
            Write::Delete { key } => self.members[member].remove(key),
        };
    }

    /// The keys of a member, ascending by their bytes.
    pub fn keys(&self, member: usize) -> impl Iterator<Item = &Key> {
        self.members[member].keys()
    }

    /// Number of items of all members together.
    pub fn items(&self) -> usize {
        self.members.iter().map(BTreeMap::len).sum()
    }

    /// The keys and hashes of a member, ascending by the bytes of the keys.
    pub fn of(&self, member: usize) -> impl Iterator<Item = (&Key, &Hash)> {
        self.members[member].iter()
    }
}

/// Whether an item is the expected one.
pub fn is_as_expected(item: &Item, key: &Key, value: &Hash) -> bool {
    item.key == *key && item.expiry.is_none() && hash(&item.value) == *value
}

fn hash(value: &[u8]) -> Hash {
    Hasher::new(Hasher::LEAF).bytes(value).finish()
}
