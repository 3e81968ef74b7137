//! Finds a member by its id.

use datafan_core::id::MemberId;
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// Numbers of ids. For lookups only: it is never iterated, so its order does not matter.
#[derive(Default)]
pub struct Ids(HashMap<MemberId, u32, BuildHasherDefault<Leading>>);

impl Ids {
    /// Gives `id` a number.
    pub fn insert(&mut self, id: MemberId, number: usize) {
        self.0.insert(id, u32::try_from(number).expect("fewer than four thousand million"));
    }

    /// The number of an id.
    pub fn get(&self, id: &MemberId) -> Option<usize> {
        self.0.get(id).map(|number| *number as usize)
    }
}

/// Ids are public keys and thus practically random: their first bytes serve as a hash.
#[derive(Default)]
pub struct Leading(u64);

impl Hasher for Leading {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Lengths are hashed too, before the bytes, which does no harm.
        if let Some(first) = bytes.first_chunk() {
            self.0 ^= u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _: usize) {}
}
