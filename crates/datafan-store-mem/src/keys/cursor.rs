//! Going through the chunks for texts that ascend.

use super::first::{First, Probe};
use equivalent::Comparable;
use imbl::{OrdMap, ordmap::RangedIter, shared_ptr::DefaultSharedPtr};
use std::{ops::Bound, sync::Arc};

/// A chunk, with what it is found by.
type Chunk<'a> = (&'a First, &'a Arc<[u8]>);

/// A place among the chunks.
pub struct Cursor<'a> {
    chunks: &'a OrdMap<First, Arc<[u8]>>,
    ahead: RangedIter<'a, First, Arc<[u8]>, DefaultSharedPtr>,
    /// The chunk at this place; `None` before the first one.
    here: Option<Chunk<'a>>,
    /// The one behind it.
    next: Option<Chunk<'a>>,
}

/// Chunks that are walked over before the place is looked up from the top.
const STEPS_MAX: usize = 64;

impl<'a> Cursor<'a> {
    pub fn new(chunks: &'a OrdMap<First, Arc<[u8]>>) -> Self {
        let mut ahead = chunks.range::<_, First>(..);
        let next = ahead.next();
        Self { chunks, ahead, here: None, next }
    }

    /// The chunk where `probe`, which is not before the last one, has its place, and the chunk behind it.
    pub fn seek(&mut self, probe: &Probe<'_>) -> (Option<Chunk<'a>>, Option<Chunk<'a>>) {
        let mut steps = 0;
        while self.next.is_some_and(|(first, _)| probe.compare(first).is_ge()) {
            if steps == STEPS_MAX {
                self.look_up(probe);
                break;
            }
            self.here = self.next;
            self.next = self.ahead.next();
            steps += 1;
        }
        (self.here, self.next)
    }

    fn look_up(&mut self, probe: &Probe<'_>) {
        let Some((first, _)) = self.chunks.get_prev(probe) else { return };
        self.ahead = self.chunks.range::<_, First>((Bound::Included(first), Bound::Unbounded));
        self.here = self.ahead.next();
        self.next = self.ahead.next();
    }
}
