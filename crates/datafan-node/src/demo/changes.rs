//! Writes under way: gathered per member, committed in pieces.

use super::{expected::Expected, line::Line};
use crate::cli::failure::Failure;
use datafan_core::engine::Write;
use std::mem;

/// How large one commit may become before it is made.
#[derive(Clone, Copy)]
pub struct Piece {
    /// Writes.
    pub writes: usize,
    /// Bytes of keys and values.
    pub bytes: usize,
}

/// For loading: large, but far from the limits, so that every member has some of them in memory at a time.
pub const BULK: Piece = Piece { writes: 1_000, bytes: 1 << 20 };
/// For live changes: as many small ones as people and programs make.
pub const LIVE: Piece = Piece { writes: 8, bytes: 64 << 10 };

/// Gathers writes, commits them, and counts what was asked.
pub struct Changes {
    piece: Piece,
    waiting: Vec<(Vec<Write>, usize)>,
    /// Writes so far.
    pub items: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

impl Changes {
    /// In pieces of at most `piece` for each of `members` members.
    pub fn new(members: usize, piece: Piece) -> Self {
        Self { piece, waiting: vec![(Vec::new(), 0); members], items: 0, bytes: 0 }
    }

    /// Takes one more write; commits what has become large enough.
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

    /// Commits all that waits.
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
