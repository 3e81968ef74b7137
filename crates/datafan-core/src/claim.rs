//! A claim: a statement, signed with the member's key, that one process began before another one with the
//! same key.

use crate::{
    codec::{DecodeError, Reader, Writer, malformed},
    id::{MemberId, MeshId},
    identity::{Identity, Verifier},
    runs::RunId,
};
use alloc::vec::Vec;

/// Size of an encoded claim in bytes.
pub const CLAIM_BYTES: usize = 32 + 8 + 8 + 64;

const DOMAIN: &[u8] = b"datafan claim\0";

/// A signed statement of a process that it began before another process with the same key, and keeps running.
///
/// A run is drawn when a process starts, so the claim cannot have been signed before the newer process
/// started. It proves that the older one was running at that time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claim {
    /// The member that both processes belong to.
    pub member: MemberId,
    /// The run of the process that signs.
    pub older: RunId,
    /// The run of the other process, which has to stop.
    pub newer: RunId,
    /// The member's signature of the domain, the mesh and all fields above.
    pub signature: [u8; 64],
}

impl Claim {
    /// The claim of the process `older` against `newer`.
    pub fn signed(mesh: &MeshId, identity: &Identity, older: RunId, newer: RunId) -> Self {
        let claim = Self { member: identity.id(), older, newer, signature: [0; 64] };
        Self { signature: identity.sign(&claim.statement(mesh)), ..claim }
    }

    /// Whether the member's key signed exactly this claim for `mesh`.
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

    /// Decodes a claim. The signature is not checked.
    ///
    /// # Errors
    /// If bytes are missing or both runs are equal.
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
    fn any_changed_byte_is_detected_and_a_claim_is_valid_in_its_mesh_only() {
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
