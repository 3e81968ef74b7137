//! Tables and keys, as specified in `docs/disk-format.md`. Integers in keys are big-endian, so that redb's
//! order of bytes is the order of the numbers.

use datafan_core::{
    codec::DecodeError,
    item::Key,
    store::{Meta, ShardNumber},
    time::Timestamp,
    trie::Place,
};
use redb::TableDefinition;

/// Meta number -> bytes.
pub const META: TableDefinition<'_, u8, &[u8]> = TableDefinition::new("meta");
/// Shard -> `ShardRecord::encode`.
pub const SHARDS: TableDefinition<'_, &[u8; 4], &[u8]> = TableDefinition::new("shards");
/// Owner -> its `Whole` shard.
pub const OWNERS: TableDefinition<'_, &[u8; 32], &[u8; 4]> = TableDefinition::new("owners");
/// Shard, timestamp -> `Item::encode_body`.
pub const LOG: TableDefinition<'_, &[u8; 12], &[u8]> = TableDefinition::new("log");
/// Shard, key -> timestamp.
pub const KEYS: TableDefinition<'_, &[u8], &[u8; 8]> = TableDefinition::new("keys");
/// Shard, level, prefix -> `Node::encode`.
pub const NODES: TableDefinition<'_, &[u8; 13], &[u8]> = TableDefinition::new("nodes");
/// Shard, timestamp, key.
// Format 2 names the table so; another name would be another format.
pub const TOMBSTONES: TableDefinition<'_, &[u8], ()> = TableDefinition::new("graves");
/// Shard, expiry, timestamp.
pub const EXPIRIES: TableDefinition<'_, &[u8; 20], ()> = TableDefinition::new("expiries");

/// In META: the format number, u32 big-endian.
pub const META_FORMAT: u8 = 0;
/// In META: present, and empty, exactly if the last stop was clean.
pub const META_CLEAN: u8 = 255;

/// The number of a member's value in META.
pub fn meta_number(meta: Meta) -> u8 {
    let number = meta as u8;
    debug_assert!(number != META_FORMAT && number != META_CLEAN);
    number
}

/// A shard.
pub fn shard_key(shard: ShardNumber) -> [u8; 4] {
    shard.0.to_be_bytes()
}

/// Parses a [`shard_key`].
pub fn shard_of(bytes: &[u8; 4]) -> ShardNumber {
    ShardNumber(u32::from_be_bytes(*bytes))
}

/// A row of the log.
pub fn log_key(shard: ShardNumber, at: Timestamp) -> [u8; 12] {
    joined(&[&shard_key(shard), &at.0.to_be_bytes()])
}

/// The timestamp of a row of the log.
pub fn log_timestamp(bytes: &[u8; 12]) -> Timestamp {
    timestamp(&bytes[4..])
}

/// A row of the keys; `""` gives a bound before all keys of the shard.
pub fn key_key(shard: ShardNumber, key: &str) -> Vec<u8> {
    [&shard_key(shard)[..], key.as_bytes()].concat()
}

/// The key of a row of the keys.
pub fn key_of(bytes: &[u8]) -> Result<Key, DecodeError> {
    text_key(bytes.get(4..).ok_or(DecodeError::Short)?)
}

/// A row of the nodes.
pub fn node_key(shard: ShardNumber, place: Place) -> [u8; 13] {
    joined(&[&shard_key(shard), &[place.level], &place.prefix.to_be_bytes()])
}

/// A row of the tombstones; with `""` what lies before all of this timestamp.
pub fn tombstone_key(shard: ShardNumber, at: Timestamp, key: &str) -> Vec<u8> {
    [&shard_key(shard)[..], &at.0.to_be_bytes(), key.as_bytes()].concat()
}

/// The tombstone of a row of the tombstones.
pub fn tombstone_of(bytes: &[u8]) -> Result<(Timestamp, Key), DecodeError> {
    let (front, key) = bytes.split_at_checked(12).ok_or(DecodeError::Short)?;
    Ok((timestamp(&front[4..]), text_key(key)?))
}

/// A row of the expiries.
pub fn expiry_key(shard: ShardNumber, (expiry, at): (Timestamp, Timestamp)) -> [u8; 20] {
    joined(&[&shard_key(shard), &expiry.0.to_be_bytes(), &at.0.to_be_bytes()])
}

/// The expiry and the timestamp of a row of the expiries.
pub fn expiry_of(bytes: &[u8; 20]) -> (Timestamp, Timestamp) {
    (timestamp(&bytes[4..12]), timestamp(&bytes[12..]))
}

/// A bound behind all rows of `shard` in the tables with keys of variable length: no key contains a byte 255.
pub fn behind(shard: ShardNumber) -> Vec<u8> {
    [&shard_key(shard)[..], &[255; 9]].concat()
}

/// What lies behind all tombstones of `shard` at `at`.
pub fn behind_tombstones(shard: ShardNumber, at: Timestamp) -> Vec<u8> {
    [&shard_key(shard)[..], &at.0.to_be_bytes(), &[255]].concat()
}

fn text_key(bytes: &[u8]) -> Result<Key, DecodeError> {
    let malformed = DecodeError::Malformed { what: "key" };
    let text = std::str::from_utf8(bytes).map_err(|_| malformed)?;
    Key::new(text).map_err(|_| malformed)
}

fn timestamp(bytes: &[u8]) -> Timestamp {
    Timestamp(u64::from_be_bytes(bytes.try_into().expect("eight bytes")))
}

fn joined<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut bytes = [0; N];
    let mut at = 0;
    for part in parts {
        bytes[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    assert_eq!(at, N, "the parts fill the key");
    bytes
}
