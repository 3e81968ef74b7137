//! Splits any number of writes into commits within the limits.

use datafan_core::limits::{COMMIT_BYTES_MAX, COMMIT_WRITES_MAX};
use datafan_node::http::BODY_BYTES_MAX;

/// A commit being built, as the text of its request.
pub struct Batch {
    body: Vec<u8>,
    /// Number of writes in it.
    pub n: usize,
    bytes: usize,
}

impl Batch {
    /// An empty commit.
    pub fn new() -> Self {
        Self { body: br#"{"writes":["#.to_vec(), n: 0, bytes: 0 }
    }

    /// Whether one more write fits, given its bytes as text and as key and value.
    pub fn has_room(&self, text_bytes: usize, bytes: usize) -> bool {
        self.n == 0
            || (self.n < COMMIT_WRITES_MAX
                && self.bytes + bytes <= COMMIT_BYTES_MAX
                && self.body.len() + text_bytes + 8 <= BODY_BYTES_MAX)
    }

    /// Adds a write.
    pub fn add(&mut self, text: &[u8], bytes: usize) {
        if self.n > 0 {
            self.body.push(b',');
        }
        self.body.extend_from_slice(text);
        self.n += 1;
        self.bytes += bytes;
    }

    /// The text of the request.
    pub fn finish(mut self) -> Vec<u8> {
        self.body.extend_from_slice(b"]}");
        self.body
    }
}
