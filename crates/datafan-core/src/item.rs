//! Keys and items: the data that members own.

pub use crate::key::{Key, KeyError, SYSTEM_PREFIX};

use crate::{
    codec::{DecodeError, Reader, Writer},
    hash::{Hash, Hasher},
    limits::VALUE_BYTES_MAX,
    time::Timestamp,
    trie::Leaf,
};
use alloc::sync::Arc;

/// One item of an owner: key, timestamp, value and optional expiry. The owner is its shard's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// Unique among the live items of its owner.
    pub key: Key,
    /// When it was written; unique in its shard.
    pub timestamp: Timestamp,
    /// When it ends to be visible; `None` for never. Never 0.
    pub expiry: Option<Timestamp>,
    /// Opaque bytes, at most [`crate::limits::VALUE_BYTES_MAX`].
    pub value: Arc<[u8]>,
}

impl Item {
    /// Bytes of key and value: what heads, nodes and quotas count.
    pub fn bytes(&self) -> u64 {
        (self.key.as_str().len() + self.value.len()) as u64
    }

    /// `BLAKE3(0x00 | timestamp | expiry or 0 | key length | key | value)`; u64 and u16 big-endian.
    pub fn leaf_hash(&self) -> Hash {
        let mut hasher = Hasher::new(Hasher::LEAF);
        hasher.u64(self.timestamp.0).u64(self.expiry.unwrap_or_default().0);
        hasher.bytes(&(self.key.as_str().len() as u16).to_be_bytes());
        hasher.bytes(self.key.as_str().as_bytes()).bytes(&self.value).finish()
    }

    /// The leaf that stands for this item in the trie.
    pub fn leaf(&self) -> Leaf {
        Leaf { bytes: self.bytes(), hash: self.leaf_hash() }
    }

    /// Whether readers still see it when their wall clock shows `wall`.
    pub fn is_live(&self, wall: Timestamp) -> bool {
        self.expiry.is_none_or(|expiry| wall < expiry)
    }
}

impl Item {
    /// The body of an item, all but its timestamp: expiry (0 for none), key, value. Rows of the log and items
    /// in messages have this form.
    pub fn encode_body(&self, out: &mut Writer) {
        out.varint(self.expiry.unwrap_or_default().0);
        out.prefixed(self.key.as_str().as_bytes()).prefixed(&self.value);
    }

    /// Reads what [`Item::encode_body`] wrote.
    pub fn decode_body(timestamp: Timestamp, input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let expiry = Some(Timestamp(input.varint()?)).filter(|expiry| *expiry != Timestamp::ZERO);
        let key = input.key()?;
        let value = input.prefixed("value", VALUE_BYTES_MAX)?.into();
        Ok(Self { key, timestamp, expiry, value })
    }
}
