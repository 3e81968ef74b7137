//! The head: the statement that an owner signs after each commit.

use crate::{
    codec::{DecodeError, Reader, Writer},
    hash::Hash,
    id::{MemberId, MeshId},
    identity::{Identity, Verifier},
    limits::{HEAD_SLOTS_MAX, OWNERS_PER_MESSAGE_MAX, SMALL_BYTES_MAX},
    time::Timestamp,
};
use core::fmt;

/// The version byte of a head.
pub const HEAD_VERSION: u8 = 1;
/// Size of an encoded head in bytes.
pub const HEAD_BYTES: usize = 153;
const _: () = assert!(HEAD_SLOTS_MAX * 16 * (HEAD_BYTES + 16) < SMALL_BYTES_MAX);
const _: () = assert!(OWNERS_PER_MESSAGE_MAX * HEAD_BYTES < SMALL_BYTES_MAX);

const DOMAIN: &[u8] = b"datafan head\0";

/// An owner's signed statement about its whole shard after a commit.
///
/// Encoded as version, owner, timestamp, items, bytes, root, signature: [`HEAD_BYTES`] bytes. The mesh is
/// part of what is signed but not of what is sent: a link and a store belong to one mesh.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The owner of the shard.
    pub owner: MemberId,
    /// The timestamp of the last write.
    pub timestamp: Timestamp,
    /// Number of live items.
    pub items: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// The trie's root.
    pub root: Hash,
    /// The owner's signature of the domain, the mesh and all fields above.
    pub signature: [u8; 64],
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { owner, timestamp, items, bytes, root, .. } = self;
        write!(f, "head of {owner:?} {timestamp:?} {items} items {bytes} B root {root:?}")
    }
}

impl Head {
    /// Signs the other fields and replaces `signature`.
    pub fn signed(mut self, mesh: &MeshId, identity: &Identity) -> Self {
        assert_eq!(self.owner, identity.id(), "a head is signed by its owner");
        self.signature = identity.sign(&self.statement(mesh));
        self
    }

    /// Whether the owner signed exactly this head for `mesh`.
    pub fn verify(&self, mesh: &MeshId, verifier: &dyn Verifier) -> bool {
        verifier.verify(&self.owner, &self.statement(mesh), &self.signature)
    }

    /// The order of an owner's heads: by timestamp, then by root. Two heads with one timestamp exist only in
    /// a fork.
    pub fn order(&self) -> (Timestamp, Hash) {
        (self.timestamp, self.root)
    }

    fn statement(&self, mesh: &MeshId) -> alloc::vec::Vec<u8> {
        let mut out = Writer::new();
        out.raw(DOMAIN).id(&mesh.0);
        self.fields(&mut out);
        out.finish()
    }

    fn fields(&self, out: &mut Writer) {
        out.byte(HEAD_VERSION).id(&self.owner).fixed(self.timestamp.0);
        out.fixed(self.items).fixed(self.bytes).hash(&self.root);
    }

    /// Appends the [`HEAD_BYTES`] bytes.
    pub fn encode(&self, out: &mut Writer) {
        self.fields(out);
        out.raw(&self.signature);
    }

    /// Decodes a head. The signature is not checked.
    pub fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let found = input.byte()?;
        if found != HEAD_VERSION {
            return Err(DecodeError::Version { found, known: HEAD_VERSION });
        }
        Ok(Self {
            owner: input.id()?,
            timestamp: Timestamp(input.fixed()?),
            items: input.fixed()?,
            bytes: input.fixed()?,
            root: input.hash()?,
            signature: input.array()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Strict;

    fn head() -> (MeshId, Head) {
        let (mesh, owner) = (Identity::from_secret(&[1; 32]), Identity::from_secret(&[2; 32]));
        let mesh = MeshId(mesh.id());
        let head = Head {
            owner: owner.id(),
            timestamp: Timestamp(3),
            items: 0,
            bytes: 0,
            root: Hash::empty(),
            signature: [0; 64],
        };
        (mesh, head.signed(&mesh, &owner))
    }

    #[test]
    fn any_changed_byte_is_noticed() {
        let (mesh, head) = head();
        let mut out = Writer::new();
        head.encode(&mut out);
        let bytes = out.finish();
        assert_eq!(bytes.len(), HEAD_BYTES);
        assert!(head.verify(&mesh, &Strict));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let decoded = Head::decode(&mut Reader::new(&changed));
            assert!(decoded.is_err() || !decoded.unwrap().verify(&mesh, &Strict), "byte {at}");
        }
    }

    #[test]
    fn a_head_is_valid_in_its_own_mesh_only() {
        let (_, head) = head();
        assert!(!head.verify(&MeshId(head.owner), &Strict));
    }
}
