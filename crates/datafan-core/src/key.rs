//! Keys of items.

use crate::limits::KEY_BYTES_MAX;
use alloc::{string::String, sync::Arc};
use core::{borrow::Borrow, fmt};

/// A key: UTF-8 of 1 to [`KEY_BYTES_MAX`] bytes. Keys under `_sys/` are system keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// The text is not a key.
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

/// The prefix of system keys.
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

    /// Whether it is a system key.
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
