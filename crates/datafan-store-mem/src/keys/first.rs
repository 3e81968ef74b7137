//! What a chunk is found by.

use super::row::shared_length;
use datafan_core::item::Key;
use equivalent::{Comparable, Equivalent};
use std::cmp::Ordering;

/// The first key of a chunk, with its beginning at hand: most comparisons need not follow the pointer, which is a
/// miss of the cache each time where there are many chunks.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct First {
    begin: u128,
    pub key: Key,
}

/// A text to look up among the first keys.
pub struct Probe<'a> {
    begin: u128,
    text: &'a str,
}

impl First {
    pub fn new(key: Key) -> Self {
        Self { begin: begin(key.as_str()), key }
    }

    /// How many bytes it shares with `probe` at their beginning.
    pub fn shared_with(&self, probe: &Probe<'_>) -> usize {
        let begin = (self.begin ^ probe.begin).leading_zeros() as usize / 8;
        match begin {
            // Shorter ones are padded.
            0..BEGIN => begin.min(self.key.as_str().len()).min(probe.text.len()),
            _ => shared_length(self.key.as_str().as_bytes(), probe.text.as_bytes()),
        }
    }

    /// This one, to be looked up.
    pub fn probe(&self) -> Probe<'_> {
        Probe { begin: self.begin, text: self.key.as_str() }
    }
}

impl<'a> Probe<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { begin: begin(text), text }
    }

    /// The bytes of the text.
    pub fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }
}

/// Bytes at hand.
const BEGIN: usize = size_of::<u128>();

/// The first [`BEGIN`] bytes as a number, so that numbers order as texts do, as far as they go.
fn begin(text: &str) -> u128 {
    let bytes = text.as_bytes();
    match bytes.first_chunk() {
        Some(begin) => u128::from_be_bytes(*begin),
        None => {
            let mut begin = [0; BEGIN];
            begin[..bytes.len()].copy_from_slice(bytes);
            u128::from_be_bytes(begin)
        }
    }
}

impl Comparable<First> for Probe<'_> {
    fn compare(&self, first: &First) -> Ordering {
        self.begin.cmp(&first.begin).then_with(|| self.text.cmp(first.key.as_str()))
    }
}

impl Equivalent<First> for Probe<'_> {
    fn equivalent(&self, first: &First) -> bool {
        self.compare(first).is_eq()
    }
}
