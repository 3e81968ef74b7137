//! A chunk of rows.

use super::{
    row::{self, Row, text_of},
    text::{Begin, Probe},
};
use datafan_core::time::Timestamp;
use std::{cmp::Ordering, hint::black_box, sync::Arc};

/// Front-coded rows, at least one. The first one has its complete key.
#[derive(Clone)]
pub struct Chunk {
    /// That of the first key.
    begin: Begin,
    /// `rows | room | length of the rows: 2`.
    bytes: Arc<[u8]>,
}

/// The size of a chunk's rows.
type Length = u16;
/// The reference counts of a chunk lie before its bytes.
const COUNTS: usize = 2 * size_of::<usize>();
/// Sizes are multiples of this, because allocators would round them up anyway.
const ROOM: usize = 64;

/// A chunk is complete when it reaches this size, which one change copies.
pub const CHUNK_BYTES_MAX: usize = 480;
/// A chunk below this size absorbs its neighbour at the next change.
pub const CHUNK_BYTES_MIN: usize = 128;
const _: () = assert!(CHUNK_BYTES_MAX + datafan_core::limits::KEY_BYTES_MAX + 12 < 1 << 15);

impl Chunk {
    /// A chunk of encoded rows, at least one.
    pub fn new(rows: &[u8]) -> Self {
        let n = COUNTS + rows.len() + size_of::<Length>();
        let room = std::iter::repeat_n(0, n.next_multiple_of(ROOM) - n);
        let rest = room.chain((rows.len() as Length).to_be_bytes());
        let bytes: Vec<u8> = rows.iter().copied().chain(rest).collect();
        Self { begin: Begin::of(Row::first_of(rows).rest), bytes: bytes.into() }
    }

    /// Replaces the rows, in place if there is room and nobody else holds this chunk.
    pub fn replace(&mut self, rows: &[u8]) {
        match Arc::get_mut(&mut self.bytes) {
            Some(bytes) if rows.len() + size_of::<Length>() <= bytes.len() => {
                bytes[..rows.len()].copy_from_slice(rows);
                if let Some(length) = bytes.last_chunk_mut() {
                    *length = (rows.len() as Length).to_be_bytes();
                }
                self.begin = Begin::of(Row::first_of(rows).rest);
            }
            _ => *self = Self::new(rows),
        }
    }

    /// The encoded rows.
    pub fn rows(&self) -> &[u8] {
        let length = self.bytes.last_chunk().map_or(0, |length| Length::from_be_bytes(*length));
        &self.bytes[..usize::from(length)]
    }

    /// The first key.
    pub fn first_key(&self) -> &str {
        text_of(Row::first_of(&self.bytes).rest)
    }

    /// Whether the first key is at or before `probe`.
    pub fn is_up_to(&self, probe: &Probe<'_>) -> bool {
        let order = self.begin.cmp(&probe.begin);
        order.then_with(|| Row::first_of(&self.bytes).rest.cmp(probe.text.as_bytes())) != Ordering::Greater
    }

    /// The timestamp of `key`.
    pub fn search(&self, key: &str) -> Option<Timestamp> {
        row::search(self.rows(), key.as_bytes())
    }

    /// Touches each cache line of the rows. A search reads one after the other and waits for each; these
    /// reads do not depend on each other and are waited for together.
    pub fn touch(&self) {
        black_box(self.bytes.iter().step_by(64).fold(0, |all, byte| all ^ byte));
    }
}
