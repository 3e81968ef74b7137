//! Bytes of a peer, decoded as a message: the encoding is unique, and none of them causes a panic.

use crate::corpus::Seed;
use datafan_core::{
    limits::{MESSAGE_BYTES_MAX, SMALL_BYTES_MAX},
    message::{Delta, Message, encode_delta},
};

/// Decodes `bytes` as a message; its encoding is exactly these bytes.
pub fn attack(bytes: &[u8]) {
    let Ok(message) = Message::decode(bytes) else { return };
    assert_eq!(message.encode(), bytes, "a message has one encoding: {message:?}");
    assert!(bytes.len() <= MESSAGE_BYTES_MAX);
    if let Message::Push(delta) | Message::Delta(delta) = &message {
        read_contents(delta);
    }
}

fn read_contents(delta: &Delta<'_>) {
    let Ok((items, tombstones)) = delta.contents() else { return };
    let body = encode_delta(delta.base, &items, &tombstones);
    assert_eq!(Delta::new(delta.head, delta.base, &body), *delta, "a delta has one encoding");
    for item in &items {
        assert!(delta.base < item.timestamp, "{item:?}");
    }
    assert!(items.is_sorted_by_key(|item| item.timestamp) && tombstones.is_sorted());
}

/// The golden messages of the protocol.
pub fn seeds() -> Vec<Seed> {
    let golden = include_str!("../../datafan-core/src/message/golden.txt");
    let seeds: Vec<Seed> = golden.lines().map(seed).collect();
    assert!(seeds.iter().all(|(_, bytes)| bytes.len() < SMALL_BYTES_MAX));
    seeds
}

fn seed(line: &str) -> Seed {
    let (name, hex) = line.split_once(' ').expect("a name and bytes");
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    (name.to_ascii_lowercase(), (0..hex.len()).step_by(2).map(byte).collect())
}
