//! A claim: of two processes with one member's key, the one that began first says so.

use crate::{
    codec::{DecodeError, Reader, Writer, malformed},
    id::{MemberId, MeshId},
    identity::{Identity, Verifier},
    runs::RunId,
};
use alloc::vec::Vec;

/// Bytes of an encoded claim.
pub const CLAIM_BYTES: usize = 32 + 8 + 8 + 64;

const DOMAIN: &[u8] = b"datafan claim\0";

/// A process says, with the member's key, that it began before another one with the same key, and goes on.
///
/// Runs are drawn when a process begins, so nobody can have signed this before the newer one began: it proves
/// that the older one was alive then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claim {
    /// Whose processes.
    pub member: MemberId,
    /// The one that has signed.
    pub older: RunId,
    /// The other one, which is to stop.
    pub newer: RunId,
    /// Over the domain, the mesh and all the fields above.
    pub signature: [u8; 64],
}

impl Claim {
    /// The claim of the process `older` against `newer`.
    pub fn signed(mesh: &MeshId, identity: &Identity, older: RunId, newer: RunId) -> Self {
        let claim = Self { member: identity.id(), older, newer, signature: [0; 64] };
        Self { signature: identity.sign(&claim.statement(mesh)), ..claim }
    }

    /// Whether the member's key has signed exactly this for `mesh`.
    pub fn verify(&self, mesh: &MeshId, verifier: &dyn Verifier) -> bool {
        verifier.verify(&self.member, &self.statement(mesh), &self.signature)
    }

    fn statement(&self, mesh: &MeshId) -> Vec<u8> {
        let mut out = Writer::new();
        out.raw(DOMAIN).id(&mesh.0);
        self.fields(&mut out);
        out.finish()
    }

    fn fields(&self, out: &mut Writer) {
        out.id(&self.member).raw(&self.older.0).raw(&self.newer.0);
    }

    /// Appends the [`CLAIM_BYTES`] bytes.
    pub fn encode(&self, out: &mut Writer) {
        self.fields(out);
        out.raw(&self.signature);
    }

    /// Reads a claim. Its signature is not checked.
    ///
    /// # Errors
    /// If bytes are missing, or both runs are the same.
    pub fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (member, mut run) = (input.id()?, || Ok(RunId(input.array()?)));
        let (older, newer) = (run()?, run()?);
        if older == newer {
            return Err(malformed("claim"));
        }
        Ok(Self { member, older, newer, signature: input.array()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Strict;

    #[test]
    fn any_changed_byte_is_noticed_and_it_counts_in_its_own_mesh_only() {
        let (mesh, key) = (MeshId(MemberId([1; 32])), Identity::from_secret(&[2; 32]));
        let claim = Claim::signed(&mesh, &key, RunId([3; 8]), RunId([4; 8]));
        let mut out = Writer::new();
        claim.encode(&mut out);
        let bytes = out.finish();
        assert_eq!(bytes.len(), CLAIM_BYTES);
        assert_eq!(Claim::decode(&mut Reader::new(&bytes)), Ok(claim));
        assert!(claim.verify(&mesh, &Strict) && !claim.verify(&MeshId(key.id()), &Strict));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let decoded = Claim::decode(&mut Reader::new(&changed)).unwrap();
            assert!(!decoded.verify(&mesh, &Strict), "byte {at}");
        }
        let same = Claim { newer: claim.older, ..claim };
        let mut out = Writer::new();
        same.encode(&mut out);
        assert!(Claim::decode(&mut Reader::new(&out.finish())).is_err());
    }
}
