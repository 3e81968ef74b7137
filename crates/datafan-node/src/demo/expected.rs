//! What the members must hold in the end, by what was asked of them: keys, and hashes of their values.

use datafan_core::{
    engine::Write,
    hash::{Hash, Hasher},
    item::{Item, Key},
};
use std::collections::BTreeMap;

/// Per member, its keys. A hash in place of each value: the input is not kept in memory.
pub struct Expected {
    members: Vec<BTreeMap<Key, Hash>>,
}

impl Expected {
    /// Nothing yet.
    pub fn new(members: usize) -> Self {
        Self { members: vec![BTreeMap::new(); members] }
    }

    /// Notes a write of a member.
    pub fn note(&mut self, member: usize, write: &Write) {
        match write {
            Write::Put { key, value, .. } => self.members[member].insert(key.clone(), hash(value)),
            Write::Delete { key } => self.members[member].remove(key),
        };
    }

    /// A member's keys, ascending by their bytes.
    pub fn keys(&self, member: usize) -> impl Iterator<Item = &Key> {
        self.members[member].keys()
    }

    /// How many items all members own together.
    pub fn items(&self) -> usize {
        self.members.iter().map(BTreeMap::len).sum()
    }

    /// A member's keys and hashes, ascending by the keys' bytes.
    pub fn of(&self, member: usize) -> impl Iterator<Item = (&Key, &Hash)> {
        self.members[member].iter()
    }
}

/// Whether an item is what was asked for.
pub fn is_as_expected(item: &Item, key: &Key, value: &Hash) -> bool {
    item.key == *key && item.expiry.is_none() && hash(&item.value) == *value
}

fn hash(value: &[u8]) -> Hash {
    Hasher::new(Hasher::LEAF).bytes(value).finish()
}
