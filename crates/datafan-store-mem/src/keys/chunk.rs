//! A chunk of rows, and texts to find one's place among chunks.

use super::row::{Row, text_of};
use std::{cmp::Ordering, hint::black_box, sync::Arc};

/// Front-coded rows, never none. The first one has its whole key.
#[derive(Clone)]
pub struct Chunk {
    /// The beginning of the first key, at hand: most comparisons need not follow the pointer, which is a miss of the
    /// cache each time where there are many chunks.
    begin: u128,
    /// `rows | room | length of the rows: 2`.
    bytes: Arc<[u8]>,
}

/// How long the rows of a chunk are.
type Length = u16;
/// The counts of those who hold a chunk lie before its bytes.
const COUNTS: usize = 2 * size_of::<usize>();
/// All is a multiple of this, as allocators would round it up.
const ROOM: usize = 64;

/// A text to look up.
pub struct Probe<'a> {
    begin: u128,
    text: &'a [u8],
}

impl Chunk {
    /// Of encoded rows, at least one.
    pub fn new(rows: &[u8]) -> Self {
        let n = COUNTS + rows.len() + size_of::<Length>();
        let room = std::iter::repeat_n(0, n.next_multiple_of(ROOM) - n);
        let rest = room.chain((rows.len() as Length).to_be_bytes());
        let bytes: Vec<u8> = rows.iter().copied().chain(rest).collect();
        Self { begin: begin(Row::first_of(rows).rest), bytes: bytes.into() }
    }

    /// Takes other rows, in place if there is room and nobody else holds this chunk.
    pub fn replace(&mut self, rows: &[u8]) {
        match Arc::get_mut(&mut self.bytes) {
            Some(bytes) if rows.len() + size_of::<Length>() <= bytes.len() => {
                bytes[..rows.len()].copy_from_slice(rows);
                if let Some(length) = bytes.last_chunk_mut() {
                    *length = (rows.len() as Length).to_be_bytes();
                }
                self.begin = begin(Row::first_of(rows).rest);
            }
            _ => *self = Self::new(rows),
        }
    }

    /// The beginning of the first key.
    pub fn begin(&self) -> u128 {
        self.begin
    }

    /// Its rows, encoded.
    pub fn rows(&self) -> &[u8] {
        let length = self.bytes.last_chunk().map_or(0, |length| Length::from_be_bytes(*length));
        &self.bytes[..usize::from(length)]
    }

    /// The first key.
    pub fn first_key(&self) -> &str {
        text_of(Row::first_of(&self.bytes).rest)
    }

    /// Whether the first key is `probe` or lies before it.
    pub fn is_up_to(&self, probe: &Probe<'_>) -> bool {
        let order = self.begin.cmp(&probe.begin);
        order.then_with(|| Row::first_of(&self.bytes).rest.cmp(probe.text)) != Ordering::Greater
    }

    /// Reads a bit of each line of the cache that the rows lie in. A search reads one after the other, and waits for
    /// each; these reads do not depend on one another and are waited for together.
    pub fn touch(&self) {
        black_box(self.bytes.iter().step_by(64).fold(0, |all, byte| all ^ byte));
    }
}

impl<'a> Probe<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { begin: begin(text.as_bytes()), text: text.as_bytes() }
    }
}

/// The first bytes as a number, so that numbers order as texts do, as far as they go.
fn begin(text: &[u8]) -> u128 {
    let mut begin = [0; size_of::<u128>()];
    let n = text.len().min(begin.len());
    begin[..n].copy_from_slice(&text[..n]);
    u128::from_be_bytes(begin)
}
