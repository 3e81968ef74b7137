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

/// One item of an owner: key, timestamp, value and optional expiry. The shard that holds it determines the
/// owner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// Unique among the live items of its owner.
    pub key: Key,
    /// When it was written. Unique in its shard.
    pub timestamp: Timestamp,
    /// When it expires; `None` means never. It is never 0.
    pub expiry: Option<Timestamp>,
    /// Opaque bytes, at most [`crate::limits::VALUE_BYTES_MAX`].
    pub value: Arc<[u8]>,
}

impl Item {
    /// Bytes of key and value. Heads, nodes and quotas count these bytes.
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

    /// The leaf that represents this item in the trie.
    pub fn leaf(&self) -> Leaf {
        Leaf { bytes: self.bytes(), hash: self.leaf_hash() }
    }

    /// Whether the item has not expired at wall time `wall`.
    pub fn is_live(&self, wall: Timestamp) -> bool {
        self.expiry.is_none_or(|expiry| wall < expiry)
    }
}

impl Item {
    /// Appends the body of an item, which is everything but its timestamp: expiry (0 for none), key, value.
    /// Rows of the log and items in messages have this form.
    pub fn encode_body(&self, out: &mut Writer) {
        out.varint(self.expiry.unwrap_or_default().0);
        out.prefixed(self.key.as_str().as_bytes()).prefixed(&self.value);
    }

    /// Decodes what [`Item::encode_body`] wrote.
    pub fn decode_body(timestamp: Timestamp, input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let expiry = Some(Timestamp(input.varint()?)).filter(|expiry| *expiry != Timestamp::ZERO);
        let key = input.key()?;
        let value = input.prefixed("value", VALUE_BYTES_MAX)?.into();
        Ok(Self { key, timestamp, expiry, value })
    }
}
