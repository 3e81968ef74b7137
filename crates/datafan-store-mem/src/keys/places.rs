//! Finds the places of several keys at once.
//!
//! In a large table, each lookup causes several cache misses, and a search waits for one after the other.
//! Looking up several keys step by step waits for the misses of all of them together.

use super::{
    chunk::Chunk,
    page::Page,
    text::{Fence, Probe},
};
use datafan_core::{item::Key, time::Timestamp};
use imbl::{OrdMap, ordmap::RangedIter, shared_ptr::DefaultSharedPtr};
use std::{ops::Bound, sync::Arc};

/// Number of keys that are looked up together.
pub const TOGETHER: usize = 32;

/// The place of a key.
pub struct KeyPosition<'a> {
    pub fence: &'a Fence,
    pub page: &'a Page,
    /// The end of the page; `None` for the last one.
    pub end: Option<&'a Fence>,
    /// The number of the chunk.
    pub at: usize,
}

impl KeyPosition<'_> {
    /// The chunk; `None` in an empty page.
    fn chunk(&self) -> Option<&Chunk> {
        self.page.chunks().get(self.at)
    }

    /// The timestamp of `key`, whose place this is.
    pub fn search(&self, key: &Key) -> Option<Timestamp> {
        self.chunk()?.search(key.as_str())
    }
}

/// The places of `keys`, which ascend and are at most [`TOGETHER`]; none if there is no page. Loads the
/// chunks into the cache.
pub fn find<'a, 'k>(
    pages: &'a OrdMap<Fence, Arc<Page>>,
    keys: impl Iterator<Item = &'k Key>,
) -> Vec<KeyPosition<'a>> {
    let probes: Vec<Probe<'_>> = keys.map(|key| Probe::new(key.as_str())).collect();
    let mut places: Vec<KeyPosition<'a>> = Vec::with_capacity(probes.len());
    let Some(mut walk) = probes.first().and_then(|probe| PageWalk::to(pages, probe)) else { return places };
    for probe in &probes {
        walk.on_to(probe);
        places.push(walk.place());
    }
    search(&mut places, &probes);
    places.iter().filter_map(KeyPosition::chunk).for_each(Chunk::touch);
    places
}

/// The page to which `probe` belongs, and its first chunk.
pub fn page_of<'a>(pages: &'a OrdMap<Fence, Arc<Page>>, probe: &Probe<'_>) -> Option<KeyPosition<'a>> {
    Some(PageWalk::to(pages, probe)?.place())
}

/// Walks over pages to the places of ascending keys.
struct PageWalk<'a> {
    pages: &'a OrdMap<Fence, Arc<Page>>,
    here: (&'a Fence, &'a Arc<Page>),
    next: Option<(&'a Fence, &'a Arc<Page>)>,
    rest: RangedIter<'a, Fence, Arc<Page>, DefaultSharedPtr>,
}

/// The walk goes at most this many pages on; others are looked up.
const STEPS: usize = 4;

impl<'a> PageWalk<'a> {
    fn to(pages: &'a OrdMap<Fence, Arc<Page>>, probe: &Probe<'_>) -> Option<Self> {
        let from = pages.get_prev(probe).map(|(fence, _)| fence.probe());
        let from = from.as_ref().map_or(Bound::Unbounded, Bound::Included);
        let mut rest = pages.range::<_, Probe<'_>>((from, Bound::Unbounded));
        Some(Self { pages, here: rest.next()?, next: rest.next(), rest })
    }

    fn on_to(&mut self, probe: &Probe<'_>) {
        for _ in 0..STEPS {
            match self.next {
                Some(next) if !probe.is_before(next.0) => {
                    (self.here, self.next) = (next, self.rest.next());
                }
                _ => return,
            }
        }
        if let Some(walk) = Self::to(self.pages, probe) {
            *self = walk;
        }
    }

    fn place(&self) -> KeyPosition<'a> {
        let (fence, page) = self.here;
        KeyPosition { fence, page, end: self.next.map(|(end, _)| end), at: 0 }
    }
}

/// Binary searches in the pages of the places, one step of each in turn.
fn search(places: &mut [KeyPosition<'_>], probes: &[Probe<'_>]) {
    let mut left = places.iter().map(|place| place.page.chunks().len()).max().unwrap_or(0);
    while left > 1 {
        let half = left / 2;
        for (place, probe) in places.iter_mut().zip(probes) {
            let middle = place.page.chunks().get(place.at + half);
            place.at += half * usize::from(middle.is_some_and(|chunk| chunk.is_up_to(probe)));
        }
        left -= half;
    }
}
