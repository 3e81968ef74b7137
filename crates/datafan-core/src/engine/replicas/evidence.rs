//! The pieces of evidence that are kept, within limits.

use crate::{
    codec::{DecodeError, Writer},
    fork::{KeptFork, pieces},
    id::MemberId,
    limits::{EVIDENCE_PER_OWNER_MAX, EVIDENCE_TOTAL_BYTES_MAX},
};
use alloc::{collections::BTreeMap, vec::Vec};

/// Evidence of forks: [`EVIDENCE_PER_OWNER_MAX`] pieces per owner, and [`EVIDENCE_TOTAL_BYTES_MAX`] in total.
/// Beyond that, the largest piece of owners with several pieces is dropped first, then the largest piece of
/// all. So owners that fork on purpose displace each other, because evidence about an honest owner is small.
#[derive(Default)]
pub(super) struct Kept {
    pieces: BTreeMap<MemberId, Vec<Piece>>,
    bytes: usize,
}

struct Piece {
    fork: KeptFork,
    /// Encoded size.
    bytes: usize,
}

impl Kept {
    pub(super) fn of(&self, owner: &MemberId) -> impl Iterator<Item = &KeptFork> {
        self.pieces.get(owner).into_iter().flatten().map(|piece| &piece.fork)
    }

    pub(super) fn has(&self, owner: &MemberId) -> bool {
        self.pieces.contains_key(owner)
    }

    pub(super) fn owners(&self) -> impl Iterator<Item = &MemberId> {
        self.pieces.keys()
    }

    /// Adds a piece. If its owner has too many, the owner's first piece is dropped; if all pieces are too
    /// large, others are. The new piece itself is dropped if it is the largest and not the only one of its
    /// owner.
    pub(super) fn insert(&mut self, fork: KeptFork) {
        let owner = fork.evidence.first.owner;
        let bytes = size_of(&fork);
        let of_owner = self.pieces.entry(owner).or_default();
        if of_owner.len() == EVIDENCE_PER_OWNER_MAX {
            self.bytes -= of_owner.remove(0).bytes;
        }
        of_owner.push(Piece { fork, bytes });
        self.bytes += bytes;
        while self.bytes > EVIDENCE_TOTAL_BYTES_MAX {
            self.drop_one();
        }
    }

    fn drop_one(&mut self) {
        let all = self.pieces.iter().flat_map(|(owner, pieces)| {
            let is_further = pieces.len() > 1;
            pieces.iter().enumerate().map(move |(at, piece)| (is_further, piece.bytes, *owner, at))
        });
        let Some((.., owner, at)) = all.max() else { return };
        let Some(pieces) = self.pieces.get_mut(&owner) else { return };
        self.bytes -= pieces.remove(at).bytes;
        if pieces.is_empty() {
            self.pieces.remove(&owner);
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let pieces: Vec<&KeptFork> = self.pieces.values().flatten().map(|piece| &piece.fork).collect();
        let mut out = Writer::new();
        out.list(&pieces, |out, piece| piece.encode(out));
        out.finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut kept = Self::default();
        pieces(bytes)?.into_iter().for_each(|piece| kept.insert(piece));
        Ok(kept)
    }
}

/// The encoded size of a piece.
fn size_of(fork: &KeptFork) -> usize {
    let mut out = Writer::new();
    fork.encode(&mut out);
    out.finish().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fork::{Evidence, ForkRuns, Lost},
        hash::Hash,
        head::Head,
        id::MeshId,
        item::{Item, Key},
        time::Timestamp,
    };

    fn id(n: usize) -> MemberId {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&(n as u64).to_be_bytes());
        MemberId(id)
    }

    /// A fork of an owner, proven by an item whose value has the given number of bytes.
    fn fork(owner: usize, at: u64, value_bytes: usize) -> KeptFork {
        let (owner, mesh) = (id(owner), MeshId(id(9)));
        let head = |at| Head {
            owner,
            timestamp: Timestamp(at),
            items: 1,
            bytes: 9,
            root: Hash([7; 32]),
            signature: [0; 64],
        };
        let (key, value) = (Key::new("k").unwrap(), alloc::vec![1; value_bytes].into());
        let item = Item { key, timestamp: Timestamp(at), expiry: None, value };
        let item = Some(Lost { item, absent: Vec::new(), present: Vec::new() });
        let evidence = Evidence { mesh, first: head(at), second: head(at + 1), item };
        KeptFork { evidence, runs: ForkRuns::default() }
    }

    #[test]
    fn deliberate_forks_fill_no_memory_and_hide_no_small_fork() {
        let mut kept = Kept::default();
        for n in 0..200 {
            for at in 0..6 {
                kept.insert(fork(n, 10 * at, 60_000));
                assert!(kept.bytes <= EVIDENCE_TOTAL_BYTES_MAX);
            }
        }
        let n_owners = kept.owners().count();
        assert!(n_owners >= 64, "{n_owners} owners: one piece of evidence each remains");
        for n in 1_000..1_100 {
            kept.insert(fork(n, 5, 100));
        }
        assert!((1_000..1_100).all(|n| kept.of(&id(n)).count() == 1));
        let bytes = kept.encode();
        assert!(bytes.len() <= EVIDENCE_TOTAL_BYTES_MAX + 8, "{}", bytes.len());
        let read = Kept::decode(&bytes).unwrap();
        assert_eq!((read.bytes, read.owners().count()), (kept.bytes, kept.owners().count()));
    }

    #[test]
    fn the_newest_evidence_of_an_owner_is_kept() {
        let mut kept = Kept::default();
        (0..7).for_each(|at| kept.insert(fork(1, at, 10)));
        let times: Vec<u64> = kept.of(&id(1)).map(|piece| piece.evidence.first.timestamp.0).collect();
        assert_eq!(times, [3, 4, 5, 6]);
    }
}
