//! A digest of everything that was sent.

use crate::store::sum::Mix;
use datafan_core::{
    hash::{Hash, Hasher},
    time::Time,
};
use std::sync::Arc;

/// Mixes events in their order. It need not resist attacks: it only has to tell two runs apart.
pub(super) struct Trace {
    mix: Mix,
    /// The last bytes and their sum, since most messages go to many members.
    last: Option<(Arc<[u8]>, [u64; 2])>,
}

impl Trace {
    pub fn new() -> Self {
        Self { mix: Mix::new(7), last: None }
    }

    /// Adds an event of a member or between two members.
    pub fn note(&mut self, time: Time, a: usize, b: usize) {
        self.mix.word(time.0).word((a as u64) << 32 | b as u64);
    }

    /// Adds a message that arrives at `time`.
    pub fn carry(&mut self, time: Time, from: usize, to: usize, bytes: &Arc<[u8]>) {
        let [a, b] = match &self.last {
            Some((last, sum)) if Arc::ptr_eq(last, bytes) => *sum,
            Some(_) | None => {
                let sum = Mix::new(11).bytes(bytes).finish().to_words();
                self.last = Some((bytes.clone(), sum));
                sum
            }
        };
        self.note(time, from, to);
        self.mix.word(a).word(b);
    }

    pub fn digest(&self) -> Hash {
        Hasher::new(0xff).bytes(&self.mix.finish().to_bytes()).finish()
    }
}
