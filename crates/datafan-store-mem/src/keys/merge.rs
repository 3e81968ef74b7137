//! Chunks written anew, row by row: what any change can be done by.

use super::{
    first::First,
    row::{Row, Walk, key_of, put_row, shared_length},
};
use datafan_core::{item::Key, time::Timestamp};
use std::sync::Arc;

/// About how many bytes a merge gives.
pub fn bytes_of(olds: &[(First, Arc<[u8]>)], changes: &[(&Key, Option<Timestamp>)]) -> usize {
    let before: usize = olds.iter().map(|(_, chunk)| chunk.len()).sum();
    let added: usize = changes.iter().map(|(key, at)| at.map_or(0, |_| key.as_str().len() + 10)).sum();
    before + added
}

/// Writes the chunks that take the place of `olds` with `changes`.
pub fn merge(olds: &[(First, Arc<[u8]>)], changes: &[(&Key, Option<Timestamp>)], out: &mut Chunks) {
    let mut changes = changes.iter().peekable();
    for (first, chunk) in olds {
        let first = &first.key;
        let mut walk = Walk::new(first, chunk);
        out.is_kept = false;
        while let Some(row) = walk.next() {
            while let Some((key, at)) =
                changes.next_if(|(key, _)| key.as_str().as_bytes() < walk.key.as_slice())
            {
                out.put(key.as_str().as_bytes(), *at, || Key::clone(key));
            }
            let key = walk.key.as_slice();
            let own = || if key == first.as_str().as_bytes() { first.clone() } else { key_of(key) };
            match changes.next_if(|(changed, _)| changed.as_str().as_bytes() == key) {
                Some((_, at)) => out.put(key, *at, own),
                None => out.keep(key, &row, own),
            }
        }
    }
    for (key, at) in changes {
        out.put(key.as_str().as_bytes(), *at, || Key::clone(key));
    }
    out.end_chunk();
}

/// Where a chunk may grow. Behind all others it is left full, as nothing will be put there.
pub enum Growth {
    AtEnd,
    Inside,
}

/// Chunks under construction; its buffers are used again and again.
#[derive(Default)]
pub struct Chunks {
    pub done: Vec<(First, Arc<[u8]>)>,
    chunk: Vec<u8>,
    first: Option<Key>,
    /// The last key written.
    last: Vec<u8>,
    /// Whether the last row given was kept: then the next one of the same chunk says rightly what it shares.
    is_kept: bool,
    /// A chunk that reaches this is done.
    full: usize,
}

impl Chunks {
    /// For rows of about `bytes` in all: chunks of equal length, or full ones.
    pub fn begin(&mut self, bytes: usize, growth: Growth) {
        self.full = match growth {
            Growth::AtEnd => CHUNK_BYTES_MAX,
            Growth::Inside => bytes.div_ceil(bytes.div_ceil(CHUNK_BYTES_MAX).max(1)),
        };
    }

    /// A row that is as it was; `own` gives its key if a chunk begins with it.
    fn keep(&mut self, key: &[u8], row: &Row<'_>, own: impl FnOnce() -> Key) {
        if self.is_kept && self.chunk.len() < self.full {
            self.chunk.extend_from_slice(row.encoded);
            self.set_last(key, row.shared);
        } else {
            self.put(key, Some(row.timestamp), own);
            self.is_kept = true;
        }
    }

    /// A row that is new; with `None` one less.
    fn put(&mut self, key: &[u8], at: Option<Timestamp>, own: impl FnOnce() -> Key) {
        self.is_kept = false;
        let Some(at) = at else { return };
        if self.chunk.len() >= self.full {
            self.end_chunk();
        }
        if self.first.is_none() {
            self.first = Some(own());
            self.last.clear();
            self.last.extend_from_slice(key);
        }
        let shared = shared_length(&self.last, key);
        put_row(&mut self.chunk, shared, &key[shared..], at);
        self.set_last(key, shared);
    }

    fn set_last(&mut self, key: &[u8], shared: usize) {
        self.last.truncate(shared);
        self.last.extend_from_slice(&key[shared..]);
    }

    fn end_chunk(&mut self) {
        if let Some(first) = self.first.take() {
            self.done.push((First::new(first), self.chunk.as_slice().into()));
            self.chunk.clear();
        }
    }
}

/// A chunk is done when it reaches this: what one change copies.
pub const CHUNK_BYTES_MAX: usize = 960;
/// A chunk below this takes its neighbour in when it is changed next.
pub const CHUNK_BYTES_MIN: usize = 256;
const _: () = assert!(datafan_core::limits::KEY_BYTES_MAX < 1 << 15);
