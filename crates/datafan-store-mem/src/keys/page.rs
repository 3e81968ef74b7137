//! Some chunks side by side: what one lookup in the tree of pages leads to.

use super::{
    chunk::{Chunk, Probe},
    merge::{CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, Growth, Merger},
    row::search,
    splice::splice,
};
use datafan_core::{item::Key, time::Timestamp};
use std::{hint::black_box, ops::Range};

/// A key and where its item is now; `None` if it has none any more.
pub type Change<'a> = (&'a Key, Option<Timestamp>);

/// Chunks in ascending order.
#[derive(Clone, Default)]
pub struct Page {
    chunks: Vec<Chunk>,
}

/// What changes need while they are done; used again and again.
#[derive(Default)]
pub struct Workspace {
    rows: Vec<u8>,
    merger: Merger,
    groups: Vec<(usize, Range<usize>)>,
}

/// Chunks of a page at most: what one change copies of a page that a snapshot holds.
pub const PAGE_CHUNKS_MAX: usize = 128;
/// A page with fewer takes its neighbour in.
pub const PAGE_CHUNKS_MIN: usize = 16;
/// Keys to be found in a page from which on all of it is brought to the processor.
const TOUCHED_MIN: usize = 4;
/// Chunks that are brought to the processor together.
const TOGETHER: usize = 16;

impl Page {
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// The number of the chunk where `probe` has its place, if it is not before number `from`.
    pub fn place(&self, from: usize, probe: &Probe<'_>) -> usize {
        let up_to = self.chunks[from..].partition_point(|chunk| chunk.is_up_to(probe));
        from + up_to.saturating_sub(1)
    }

    /// Reads a bit of each chunk's place, as [`Chunk::touch`] does of its rows.
    fn touch(&self) {
        black_box(self.chunks.iter().fold(0, |all, chunk| all ^ chunk.begin()));
    }

    /// Appends the timestamps of `keys`, which ascend and have their place here.
    pub fn get_all(&self, keys: &[&Key], found: &mut Vec<Option<Timestamp>>) {
        if keys.len() >= TOUCHED_MIN {
            self.touch();
        }
        let mut at = 0;
        for keys in keys.chunks(TOGETHER) {
            let mut places = [0; TOGETHER];
            for (key, place) in keys.iter().zip(&mut places) {
                at = self.place(at, &Probe::new(key.as_str()));
                *place = at;
            }
            places[..keys.len()].iter().for_each(|at| self.chunks[*at].touch());
            let here = keys.iter().zip(places);
            found.extend(here.map(|(key, at)| search(self.chunks[at].rows(), key.as_str().as_bytes())));
        }
    }

    /// Puts and removes keys, which ascend and have their place here.
    pub fn apply(&mut self, changes: &[Change<'_>], growth: Growth, space: &mut Workspace) {
        if changes.len() >= TOUCHED_MIN {
            self.touch();
        }
        self.group(changes, &mut space.groups);
        // From the last to the first: so the numbers of those that follow stay as they are.
        let groups = std::mem::take(&mut space.groups);
        for groups in groups.rchunks(TOGETHER) {
            groups.iter().for_each(|(at, _)| self.chunks.get(*at).into_iter().for_each(Chunk::touch));
            for (at, here) in groups.iter().rev() {
                let here = &changes[here.clone()];
                if !self.splice(*at, here, &mut space.rows) {
                    self.rewrite(*at, here, growth, &mut space.merger);
                }
            }
        }
        space.groups = groups;
    }

    /// Which changes belong to which chunk.
    fn group(&self, changes: &[Change<'_>], groups: &mut Vec<(usize, Range<usize>)>) {
        groups.clear();
        let (mut at, mut from) = (0, 0);
        while let Some((key, _)) = changes.get(from) {
            at = self.place(at, &Probe::new(key.as_str()));
            let is_here = |(key, _): &&Change<'_>| {
                self.chunks.get(at + 1).is_none_or(|next| !next.is_up_to(&Probe::new(key.as_str())))
            };
            // The first one has its place here.
            let end = from + 1 + changes[from + 1..].iter().take_while(is_here).count();
            groups.push((at, from..end));
            from = end;
        }
    }

    /// Puts what has room in a chunk; false if nothing was done.
    fn splice(&mut self, at: usize, here: &[Change<'_>], rows: &mut Vec<u8>) -> bool {
        let Some(chunk) = self.chunks.get_mut(at) else { return false };
        if chunk.rows().len() < CHUNK_BYTES_MIN || here.iter().any(|(_, at)| at.is_none()) {
            return false;
        }
        rows.clear();
        splice(chunk.rows(), here.iter().filter_map(|(key, at)| Some((*key, (*at)?))), rows);
        if rows.len() > CHUNK_BYTES_MAX {
            return false;
        }
        chunk.replace(rows);
        true
    }

    /// Writes a chunk anew, and the one behind it if it has become small.
    fn rewrite(&mut self, at: usize, here: &[Change<'_>], growth: Growth, merger: &mut Merger) {
        let is_small = |chunk: &Chunk| chunk.rows().len() < CHUNK_BYTES_MIN;
        let n_olds = match self.chunks.get(at) {
            Some(chunk) => 1 + usize::from(is_small(chunk)),
            None => 0,
        };
        let end = (at + n_olds).min(self.chunks.len());
        let growth = if end == self.chunks.len() { growth } else { Growth::Inside };
        let new = merger.merge(&self.chunks[at..end], here, growth);
        self.chunks.splice(at..end, new);
    }

    /// Takes the chunks of a page in that lies behind all of this one.
    pub fn append(&mut self, behind: &Self) {
        self.chunks.extend_from_slice(&behind.chunks);
    }

    /// Cuts off what is more than a page has: as pages behind this one.
    pub fn overflow(&mut self, growth: Growth) -> Vec<Self> {
        let n = self.chunks.len();
        let size = match growth {
            _ if n <= PAGE_CHUNKS_MAX => return Vec::new(),
            Growth::AtEnd => PAGE_CHUNKS_MAX,
            Growth::Inside => n.div_ceil(n.div_ceil(PAGE_CHUNKS_MAX)),
        };
        let behind =
            self.chunks[size..].chunks(size).map(|chunks| Self { chunks: chunks.to_vec() }).collect();
        self.chunks.truncate(size);
        behind
    }
}
