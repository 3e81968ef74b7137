//! Pending writes, collected per member and committed in pieces.

use super::{expected::Expected, line::Line};
use crate::cli::failure::Failure;
use datafan_core::engine::Write;
use std::mem;

/// The size at which a commit is made.
#[derive(Clone, Copy)]
pub struct Piece {
    /// Number of writes.
    pub writes: usize,
    /// Bytes of keys and values.
    pub bytes: usize,
}

/// For loading: large, but well below the limits, so that each member holds some of them in memory at a time.
pub const BULK: Piece = Piece { writes: 1_000, bytes: 1 << 20 };
/// For live changes: small, like those of people and programs.
pub const LIVE: Piece = Piece { writes: 8, bytes: 64 << 10 };

/// Collects writes, commits them, and counts them.
pub struct Changes {
    piece: Piece,
    waiting: Vec<(Vec<Write>, usize)>,
    /// Number of writes so far.
    pub items: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

impl Changes {
    /// For `members` members, in pieces of at most `piece` for each.
    pub fn new(members: usize, piece: Piece) -> Self {
        Self { piece, waiting: vec![(Vec::new(), 0); members], items: 0, bytes: 0 }
    }

    /// Adds a write, and commits a piece that is large enough.
    pub async fn add(
        &mut self,
        mesh: &Line,
        expected: &mut Expected,
        member: usize,
        write: Write,
    ) -> Result<(), Failure> {
        let bytes = write.bytes();
        if self.waiting[member].0.len() + 1 > self.piece.writes
            || self.waiting[member].1 + bytes > self.piece.bytes
        {
            self.commit(mesh, member).await?;
        }
        expected.note(member, &write);
        self.items += 1;
        self.bytes += bytes as u64;
        self.waiting[member].0.push(write);
        self.waiting[member].1 += bytes;
        Ok(())
    }

    /// Commits all pending writes.
    pub async fn finish(&mut self, mesh: &Line) -> Result<(), Failure> {
        for member in 0..self.waiting.len() {
            self.commit(mesh, member).await?;
        }
        Ok(())
    }

    async fn commit(&mut self, mesh: &Line, member: usize) -> Result<(), Failure> {
        let (writes, _) = mem::take(&mut self.waiting[member]);
        if !writes.is_empty() {
            mesh.node(member).commit(writes).await.map_err(Failure::new)?;
        }
        Ok(())
    }
}
