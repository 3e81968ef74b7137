//! Short constructors of writes, for scenarios.

use datafan_core::{engine::Write, item::Key, time::Timestamp};

/// A put without expiry.
pub fn put(key: &str, value: impl AsRef<[u8]>) -> Write {
    Write::Put { key: Key::new(key).expect("a sound key"), value: value.as_ref().into(), expiry: None }
}

/// A put that expires.
pub fn put_until(key: &str, value: impl AsRef<[u8]>, expiry: Timestamp) -> Write {
    Write::Put {
        key: Key::new(key).expect("a sound key"),
        value: value.as_ref().into(),
        expiry: Some(expiry),
    }
}

/// A deletion.
pub fn delete(key: &str) -> Write {
    Write::Delete { key: Key::new(key).expect("a sound key") }
}
