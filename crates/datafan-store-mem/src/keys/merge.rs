//! Rewrites chunks row by row, which can implement any change.

use super::{
    chunk::{CHUNK_BYTES_MAX, Chunk},
    row::{Change, Row, Walk, put_row, shared_length},
};
use datafan_core::time::Timestamp;
use std::vec::Drain;

/// Where a table may grow. A chunk behind all others is left full, since nothing will be inserted there.
#[derive(Clone, Copy)]
pub enum Growth {
    AtEnd,
    Inside,
}

/// Chunks under construction; the buffers are reused.
#[derive(Default)]
pub struct Merger {
    done: Vec<Chunk>,
    chunk: Vec<u8>,
    /// The last key written.
    last: Vec<u8>,
    /// Whether the last row given was kept: then the next one of the same chunk has a correct shared length.
    is_kept: bool,
    /// A chunk that reaches this size is complete.
    full: usize,
}

impl Merger {
    /// The chunks that replace `olds` with `changes` applied: of equal length, or full ones.
    pub fn merge(&mut self, olds: &[Chunk], changes: &[Change<'_>], growth: Growth) -> Drain<'_, Chunk> {
        let bytes = bytes_of(olds, changes);
        self.full = match growth {
            Growth::AtEnd => CHUNK_BYTES_MAX,
            Growth::Inside => bytes.div_ceil(bytes.div_ceil(CHUNK_BYTES_MAX).max(1)),
        };
        let mut changes = changes.iter().map(|(key, at)| (key.as_str().as_bytes(), *at)).peekable();
        for chunk in olds {
            let mut walk = Walk::new(chunk.rows());
            self.is_kept = false;
            while let Some(row) = walk.next() {
                while let Some((key, at)) = changes.next_if(|(key, _)| *key < walk.key.as_slice()) {
                    self.put(key, at);
                }
                match changes.next_if(|(key, _)| *key == walk.key.as_slice()) {
                    Some((key, at)) => self.put(key, at),
                    None => self.keep(&walk.key, &row),
                }
            }
        }
        changes.for_each(|(key, at)| self.put(key, at));
        self.end_chunk();
        self.done.drain(..)
    }

    /// Adds an unchanged row.
    fn keep(&mut self, key: &[u8], row: &Row<'_>) {
        if self.is_kept && self.chunk.len() < self.full {
            self.chunk.extend_from_slice(row.encoded);
            self.set_last(key, row.shared);
        } else {
            self.put(key, Some(row.timestamp));
            self.is_kept = true;
        }
    }

    /// Adds a new row; `None` removes one.
    fn put(&mut self, key: &[u8], at: Option<Timestamp>) {
        self.is_kept = false;
        let Some(at) = at else { return };
        if self.chunk.len() >= self.full {
            self.end_chunk();
        }
        let shared = if self.chunk.is_empty() { 0 } else { shared_length(&self.last, key) };
        put_row(&mut self.chunk, shared, &key[shared..], at);
        self.set_last(key, shared);
    }

    fn set_last(&mut self, key: &[u8], shared: usize) {
        self.last.truncate(shared);
        self.last.extend_from_slice(&key[shared..]);
    }

    fn end_chunk(&mut self) {
        if !self.chunk.is_empty() {
            self.done.push(Chunk::new(&self.chunk));
            self.chunk.clear();
        }
    }
}

/// Approximate number of bytes after a merge.
fn bytes_of(olds: &[Chunk], changes: &[Change<'_>]) -> usize {
    let before: usize = olds.iter().map(|chunk| chunk.rows().len()).sum();
    let added: usize = changes.iter().map(|(key, at)| at.map_or(0, |_| key.as_str().len() + 10)).sum();
    before + added
}
