//! An item packed into one allocation, or shared if it is large.

use datafan_core::{
    item::{Item, Key},
    time::Timestamp,
};
use std::sync::Arc;

/// Everything of an item except its timestamp.
///
/// Unpacked, an item takes three allocations and about 110 B beyond key and value; packed, about 30 B. A
/// value so large that this makes no difference is not copied, neither when it is written nor when it is
/// read.
#[derive(Clone)]
pub struct Body(Form);

#[derive(Clone)]
enum Form {
    /// `key length: 2 | expiry: 8, if the length has EXPIRES | key | value`, integers big-endian.
    Packed(Arc<[u8]>),
    Shared(Arc<Item>),
}

impl Body {
    /// Packs or shares `item`.
    pub fn new(item: &Arc<Item>) -> Self {
        let shared = item.value.len() >= SHARED_BYTES_MIN;
        Self(if shared { Form::Shared(item.clone()) } else { Form::Packed(pack(item)) })
    }

    /// Bytes of key and value.
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Form::Packed(bytes) => {
                let (_, key, value) = parts(bytes);
                key.len() + value.len()
            }
            Form::Shared(item) => item.key.as_str().len() + item.value.len(),
        }
    }

    /// The item with `timestamp`.
    pub fn item(&self, timestamp: Timestamp) -> Arc<Item> {
        match &self.0 {
            Form::Packed(bytes) => Arc::new(unpack(bytes, timestamp)),
            Form::Shared(item) => item.clone(),
        }
    }
}

fn pack(item: &Item) -> Arc<[u8]> {
    let key = item.key.as_str();
    let flag = if item.expiry.is_some() { EXPIRES } else { 0 };
    let mut bytes = Vec::with_capacity(10 + key.len() + item.value.len());
    bytes.extend_from_slice(&(key.len() as u16 | flag).to_be_bytes());
    if let Some(expiry) = item.expiry {
        bytes.extend_from_slice(&expiry.0.to_be_bytes());
    }
    bytes.extend_from_slice(key.as_bytes());
    bytes.extend_from_slice(&item.value);
    bytes.into()
}

fn unpack(bytes: &[u8], timestamp: Timestamp) -> Item {
    let (expiry, key, value) = parts(bytes);
    let key = std::str::from_utf8(key).expect("packed from a key");
    let key = Key::new(key).expect("packed from a key");
    Item { key, timestamp, expiry, value: value.into() }
}

fn parts(bytes: &[u8]) -> (Option<Timestamp>, &[u8], &[u8]) {
    let (length, rest) = bytes.split_at(2);
    let length = u16::from_be_bytes([length[0], length[1]]);
    let (expiry, rest) = match length & EXPIRES {
        0 => (None, rest),
        _ => {
            let (expiry, rest) = rest.split_at(8);
            let expiry = u64::from_be_bytes(expiry.try_into().expect("eight bytes"));
            (Some(Timestamp(expiry)), rest)
        }
    };
    let (key, value) = rest.split_at(usize::from(length & !EXPIRES));
    (expiry, key, value)
}

/// Values of at least this size are shared: the overhead is then at most 3 %.
const SHARED_BYTES_MIN: usize = 4_096;
const EXPIRES: u16 = 1 << 15;
const _: () = assert!(datafan_core::limits::KEY_BYTES_MAX < EXPIRES as usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_comes_out_as_it_went_in() {
        for expiry in [None, Some(Timestamp(7)), Some(Timestamp::MAX)] {
            for len in [0, 5, SHARED_BYTES_MIN - 1, SHARED_BYTES_MIN] {
                let key = Key::new("ключ").unwrap();
                let item = Item { key, timestamp: Timestamp(9), expiry, value: vec![3; len].into() };
                let body = Body::new(&Arc::new(item.clone()));
                assert_eq!(*body.item(item.timestamp), item);
                assert_eq!(body.bytes() as u64, item.bytes());
            }
        }
    }

    #[test]
    fn a_large_value_is_not_copied_and_takes_no_more_room_in_a_row() {
        let key = Key::new("key").unwrap();
        let value = vec![3; SHARED_BYTES_MIN].into();
        let item = Arc::new(Item { key, timestamp: Timestamp(9), expiry: None, value });
        assert!(Arc::ptr_eq(&Body::new(&item).item(item.timestamp), &item));
        assert_eq!(size_of::<Body>(), size_of::<Arc<[u8]>>());
    }
}
