//! Some chunks side by side: the leaf of the tree of pages.

use super::{
    chunk::{CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, Chunk},
    merge::{Growth, Merger},
    row::Change,
    splice::splice,
    text::Probe,
};
/// Chunks in ascending order.
#[derive(Clone, Default)]
pub struct Page {
    chunks: Vec<Chunk>,
}

/// The buffers of changes, reused.
#[derive(Default)]
pub struct Workspace {
    rows: Vec<u8>,
    merger: Merger,
}

/// Maximum number of chunks of a page, which one change copies if a snapshot holds the page.
pub const PAGE_CHUNKS_MAX: usize = 128;
/// A page with fewer absorbs its neighbour.
pub const PAGE_CHUNKS_MIN: usize = 16;

impl Page {
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// The number of the chunk to which `probe` belongs.
    pub fn place(&self, probe: &Probe<'_>) -> usize {
        self.chunks.partition_point(|chunk| chunk.is_up_to(probe)).saturating_sub(1)
    }

    /// Puts and removes keys, which ascend and belong here, in the chunks with the numbers `at`.
    pub fn apply(&mut self, changes: &[Change<'_>], at: &[usize], growth: Growth, space: &mut Workspace) {
        // From the last to the first, so that the numbers of earlier ones stay valid.
        let mut end = changes.len();
        for group in at.chunk_by(|a, b| a == b).rev() {
            let here = &changes[end - group.len()..end];
            if !self.splice(group[0], here, &mut space.rows) {
                self.rewrite(group[0], here, growth, &mut space.merger);
            }
            end -= group.len();
        }
    }

    /// Puts what fits into a chunk; false if nothing was done.
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

    /// Rewrites a chunk, together with the next one if it has become small.
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

    /// Appends the chunks of a page that lies behind this one.
    pub fn append(&mut self, behind: &Self) {
        self.chunks.extend_from_slice(&behind.chunks);
    }

    /// Cuts off the chunks that exceed a page, as pages behind this one.
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
