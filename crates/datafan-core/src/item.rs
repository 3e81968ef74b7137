//! Keys and items: the data that members own.

use crate::{
    hash::{Hash, Hasher},
    limits::KEY_BYTES_MAX,
    time::Timestamp,
    trie::Leaf,
};
use alloc::{string::String, sync::Arc};
use core::{borrow::Borrow, fmt};

/// A key: UTF-8 of 1 to [`KEY_BYTES_MAX`] bytes. Keys under `_sys/` are the system's.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// A text that is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key has no bytes. Nothing was written.
    #[error("key is empty")]
    Empty,
    /// The key is longer than [`KEY_BYTES_MAX`]. Nothing was written.
    #[error("key is {len} bytes, limit {KEY_BYTES_MAX}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
}

/// What keys of the system begin with.
pub const SYSTEM_PREFIX: &str = "_sys/";

impl Key {
    /// Checks `text`.
    pub fn new(text: impl AsRef<str>) -> Result<Self, KeyError> {
        match text.as_ref() {
            "" => Err(KeyError::Empty),
            text if text.len() > KEY_BYTES_MAX => Err(KeyError::TooLong { len: text.len() }),
            text => Ok(Self(text.into())),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is one of the system's.
    pub fn is_system(&self) -> bool {
        self.0.starts_with(SYSTEM_PREFIX)
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        Self::from(&*key.0)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

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
        (self.key.0.len() + self.value.len()) as u64
    }

    /// `BLAKE3(0x00 | timestamp | expiry or 0 | key length | key | value)`; u64 and u16 big-endian.
    pub fn leaf_hash(&self) -> Hash {
        let mut hasher = Hasher::new(Hasher::LEAF);
        hasher.u64(self.timestamp.0).u64(self.expiry.unwrap_or_default().0);
        hasher.bytes(&(self.key.0.len() as u16).to_be_bytes());
        hasher.bytes(self.key.0.as_bytes()).bytes(&self.value).finish()
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
