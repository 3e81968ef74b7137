//! Ed25519 keys and signatures. A signature is valid if `verify_strict` of ed25519-dalek accepts it.

use crate::id::MemberId;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

/// A secret key, which gives the right to change one shard. It is wiped from memory when dropped.
#[derive(Clone)]
pub struct Identity(SigningKey);

impl Identity {
    /// The identity with these 32 secret bytes (an RFC 8032 seed).
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(secret))
    }

    /// The 32 secret bytes. Only for key files and tickets.
    pub fn secret(&self) -> zeroize::Zeroizing<[u8; 32]> {
        zeroize::Zeroizing::new(self.0.to_bytes())
    }

    /// The public key.
    pub fn id(&self) -> MemberId {
        MemberId(self.0.verifying_key().to_bytes())
    }

    /// Signs `message`. The caller must put a domain in front of it.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl core::fmt::Debug for Identity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Identity({:?})", self.id())
    }
}

/// How the engine checks signatures. It is a parameter so that a simulator can cache results.
pub trait Verifier: Send {
    /// Whether `signature` is `id`'s signature of `message`. Every implementation must give the same result.
    fn verify(&self, id: &MemberId, message: &[u8], signature: &[u8; 64]) -> bool;
}

/// Checks each signature with `verify_strict`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strict;

impl Verifier for Strict {
    fn verify(&self, id: &MemberId, message: &[u8], signature: &[u8; 64]) -> bool {
        VerifyingKey::from_bytes(&id.0)
            .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
    }
}

/// Whether `id` is a point of the prime-order subgroup other than zero. `admit` requires this because a key
/// with torsion has several ids for one secret.
pub fn is_admissible(id: &MemberId) -> bool {
    let compressed = curve25519_dalek::edwards::CompressedEdwardsY(id.0);
    compressed.decompress().is_some_and(|point| {
        point.compress() == compressed && point.is_torsion_free() && !point.is_small_order()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_refuses() {
        let identity = Identity::from_secret(&[7; 32]);
        let signature = identity.sign(b"head");
        assert!(Strict.verify(&identity.id(), b"head", &signature));
        assert!(!Strict.verify(&identity.id(), b"heat", &signature));
        assert!(!Strict.verify(&Identity::from_secret(&[8; 32]).id(), b"head", &signature));
    }

    #[test]
    fn admits_only_keys_without_torsion() {
        assert!(is_admissible(&Identity::from_secret(&[7; 32]).id()));
        let mut zero = [0; 32];
        zero[0] = 1;
        assert!(!is_admissible(&MemberId(zero)));
        assert!(!is_admissible(&MemberId([0xff; 32])));
        // A point of order 8 added to a good key.
        let good = curve25519_dalek::edwards::CompressedEdwardsY(Identity::from_secret(&[7; 32]).id().0);
        let twisted = good.decompress().unwrap() + curve25519_dalek::constants::EIGHT_TORSION[1];
        assert!(!is_admissible(&MemberId(twisted.compress().0)));
    }
}
