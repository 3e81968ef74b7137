//! BLAKE3 hashes. Each kind of input starts with a domain byte of its own.

use crate::base32;
use core::fmt;

/// 32 bytes of BLAKE3.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash(pub [u8; 32]);

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base32::encode(&self.0[..5]))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base32::encode(&self.0))
    }
}

impl Hash {
    /// The root of a shard without items: `BLAKE3(0x02)`.
    pub fn empty() -> Self {
        Hasher::new(Hasher::EMPTY).finish()
    }
}

/// Computes a hash. Integers are hashed big-endian.
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// Domain of an item's leaf.
    pub const LEAF: u8 = 0x00;
    /// Domain of a node of a shard's trie.
    pub const NODE: u8 = 0x01;
    /// Domain of the empty root.
    pub const EMPTY: u8 = 0x02;
    /// Domain of a head's leaf in the trie of heads.
    pub const HEAD_LEAF: u8 = 0x03;
    /// Domain of a node of the trie of heads.
    pub const HEAD_NODE: u8 = 0x04;
    /// Domain of an owner's place in the trie of heads.
    pub const HEAD_PLACE: u8 = 0x05;
    /// Domain of a ticket's checksum.
    pub const TICKET: u8 = 0x06;
    /// Domain of the contents of a backup.
    pub const BACKUP: u8 = 0x07;

    /// Begins a hash in `domain`.
    pub fn new(domain: u8) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[domain]);
        Self(hasher)
    }

    /// Adds `bytes`.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(bytes);
        self
    }

    /// Adds eight bytes, big-endian.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// The hash of everything added so far.
    pub fn finish(&self) -> Hash {
        Hash(*self.0.finalize().as_bytes())
    }
}
