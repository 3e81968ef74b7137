//! The rows of a chunk, front-coded.

use datafan_core::{item::Key, time::Timestamp};
use std::cmp::Ordering;

/// A key and the current place of its item; `None` if it has none any more.
pub type Change<'a> = (&'a Key, Option<Timestamp>);

/// A row of a chunk: `shared length | length of the rest | the rest of the key | timestamp: 8`. A key shares
/// that many bytes with the previous one; the first key of a chunk shares none.
pub struct Row<'a> {
    pub shared: usize,
    pub rest: &'a [u8],
    pub timestamp: Timestamp,
    pub encoded: &'a [u8],
    pub behind: &'a [u8],
}

impl<'a> Row<'a> {
    pub fn first_of(bytes: &'a [u8]) -> Self {
        let (shared, left) = length(bytes);
        let (rest, left) = length(left);
        let (rest, left) = left.split_at(rest);
        let (at, behind) = left.split_at(8);
        let timestamp = Timestamp(u64::from_be_bytes(at.try_into().expect("eight bytes")));
        Self { shared, rest, timestamp, encoded: &bytes[..bytes.len() - behind.len()], behind }
    }
}

/// An iterator over the rows of a chunk.
pub struct Walk<'a> {
    /// The key of the row that `next` returned last.
    pub key: Vec<u8>,
    left: &'a [u8],
}

impl<'a> Walk<'a> {
    pub fn new(chunk: &'a [u8]) -> Self {
        Self { key: Vec::with_capacity(64), left: chunk }
    }

    pub fn next(&mut self) -> Option<Row<'a>> {
        if self.left.is_empty() {
            return None;
        }
        let row = Row::first_of(self.left);
        self.key.truncate(row.shared);
        self.key.extend_from_slice(row.rest);
        self.left = row.behind;
        Some(row)
    }
}

/// The timestamp of `key` in a chunk. Compares each byte of `key` once, because rows store how much they
/// share.
pub fn search(chunk: &[u8], key: &[u8]) -> Option<Timestamp> {
    // Number of bytes that the last row known to lie before `key` shares with it.
    let mut matched = 0;
    let mut left = chunk;
    while !left.is_empty() {
        let row = Row::first_of(left);
        left = row.behind;
        match row.shared.cmp(&matched) {
            // Differs from `key` in the same place as the previous row.
            Ordering::Greater => continue,
            Ordering::Less => return None,
            Ordering::Equal => {}
        }
        let wanted = &key[matched..];
        let n = shared_length(row.rest, wanted);
        match (row.rest.get(n), wanted.get(n)) {
            (None, None) => return Some(row.timestamp),
            (row, wanted) if row > wanted => return None,
            _ => matched += n,
        }
    }
    None
}

/// Length of the common prefix of two keys.
pub fn shared_length(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Appends a row.
pub fn put_row(out: &mut Vec<u8>, shared: usize, rest: &[u8], timestamp: Timestamp) {
    put_length(out, shared);
    put_length(out, rest.len());
    out.extend_from_slice(rest);
    out.extend_from_slice(&timestamp.0.to_be_bytes());
}

/// Lengths below 128 take one byte, all others two.
fn put_length(out: &mut Vec<u8>, length: usize) {
    if length >= 128 {
        out.push(0x80 | (length >> 8) as u8);
    }
    out.push(length as u8);
}

fn length(bytes: &[u8]) -> (usize, &[u8]) {
    match bytes[0] {
        byte if byte < 128 => (usize::from(byte), &bytes[1..]),
        byte => ((usize::from(byte & 0x7f) << 8) | usize::from(bytes[1]), &bytes[2..]),
    }
}

/// A key from stored bytes.
pub fn key_of(bytes: &[u8]) -> Key {
    Key::new(text_of(bytes)).expect("keys were put")
}

/// The text of a stored key.
pub fn text_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("whole keys were put")
}
