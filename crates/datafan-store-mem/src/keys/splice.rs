//! Puts keys into a chunk with room for them; the rows in between are copied unchanged.

use super::row::{Row, put_row, shared_length};
use datafan_core::{item::Key, time::Timestamp};
use std::cmp::Ordering;

/// Writes the rows of `chunk` with `puts`, whose keys ascend, to `out`.
///
/// Rows store what they share with the previous one, so each byte of a put key is compared once and no key is
/// ever assembled: a row that shares more with its predecessor than the wanted key does lies on the same side
/// of it, and one that shares less lies behind it.
pub fn splice<'a>(chunk: &[u8], puts: impl Iterator<Item = (&'a Key, Timestamp)>, out: &mut Vec<u8>) {
    let (mut last, mut rest): (&[u8], _) = (&[], Rest::new(chunk));
    for (key, at) in puts {
        let key = key.as_str().as_bytes();
        let mut matched = shared_length(last, key);
        loop {
            let Some(row) = rest.row() else { break rest.put(matched, &key[matched..], at, out) };
            match row.shared.cmp(&matched) {
                Ordering::Greater => rest.skip(out),
                Ordering::Less => break rest.put(matched, &key[matched..], at, out),
                Ordering::Equal => {
                    let wanted = &key[matched..];
                    let n = shared_length(row.rest, wanted);
                    match (row.rest.get(n), wanted.get(n)) {
                        (None, None) => break rest.replace(at, out),
                        (there, wanted) if there > wanted => {
                            rest.put(matched, &key[matched..], at, out);
                            break rest.follows(matched + n, n);
                        }
                        _ => {
                            matched += n;
                            rest.skip(out);
                        }
                    }
                }
            }
        }
        last = key;
    }
    rest.end(out);
}

/// The rows not yet passed, and a stretch before them not yet copied.
struct Rest<'a> {
    chunk: &'a [u8],
    /// Start of the stretch to be copied unchanged.
    copied: usize,
    /// Start of the next row.
    at: usize,
    /// The next row shares this many bytes with a row that was put before it, and has this many fewer of its
    /// own.
    instead: Option<(usize, usize)>,
}

impl<'a> Rest<'a> {
    fn new(chunk: &'a [u8]) -> Self {
        Self { chunk, copied: 0, at: 0, instead: None }
    }

    fn row(&self) -> Option<Row<'a>> {
        let left = &self.chunk[self.at..];
        if left.is_empty() {
            return None;
        }
        let row = Row::first_of(left);
        Some(match self.instead {
            Some((shared, cut)) => Row { shared, rest: &row.rest[cut..], ..row },
            None => row,
        })
    }

    /// Passes the next row.
    fn skip(&mut self, out: &mut Vec<u8>) {
        let Some(row) = self.row() else { return };
        if self.instead.take().is_some() {
            put_row(out, row.shared, row.rest, row.timestamp);
            self.at += row.encoded.len();
            self.copied = self.at;
        } else {
            self.at += row.encoded.len();
        }
    }

    /// Passes the next row, with a new timestamp.
    fn replace(&mut self, timestamp: Timestamp, out: &mut Vec<u8>) {
        let Some(row) = self.row() else { return };
        self.copy(out);
        put_row(out, row.shared, row.rest, timestamp);
        self.at += row.encoded.len();
        (self.copied, self.instead) = (self.at, None);
    }

    /// Puts a row before the next one.
    fn put(&mut self, shared: usize, rest: &[u8], timestamp: Timestamp, out: &mut Vec<u8>) {
        self.copy(out);
        put_row(out, shared, rest, timestamp);
    }

    /// The next row shares `shared` bytes with the one just put, `cut` of which were its own.
    fn follows(&mut self, shared: usize, cut: usize) {
        let before = self.instead.map_or(0, |(_, cut)| cut);
        self.instead = Some((shared, before + cut));
    }

    fn copy(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.chunk[self.copied..self.at]);
        self.copied = self.at;
    }

    fn end(mut self, out: &mut Vec<u8>) {
        if self.instead.is_some() {
            self.skip(out);
        }
        self.at = self.chunk.len();
        self.copy(out);
    }
}
