//! A cache of signature checks: what many members check is computed once in the whole world.

use datafan_core::{
    id::MemberId,
    identity::{Strict, Verifier},
};
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A [`Verifier`] that answers like [`Strict`] and caches the answers. Clones share one cache.
///
/// An answer belongs to the complete triple of key, message and signature, compared byte by byte: a forgery
/// that differs in one bit is checked. The cache is bounded: of two generations, the older one is dropped
/// when the newer one is full.
#[derive(Clone, Default)]
pub struct Signatures(Arc<Mutex<Memory>>);

#[derive(Default)]
struct Memory {
    newer: Answers,
    older: Answers,
    n_checked: u64,
}

type Answers = HashMap<Box<[u8]>, bool, BuildHasherDefault<Middle>>;

/// Answers of one generation.
const GENERATION: usize = 1 << 17;

impl Signatures {
    /// Number of computed checks so far.
    pub fn n_checked(&self) -> u64 {
        self.memory().n_checked
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Verifier for Signatures {
    fn verify(&self, id: &MemberId, message: &[u8], signature: &[u8; 64]) -> bool {
        let mut memory = self.memory();
        let mut triple = Vec::with_capacity(96 + message.len());
        triple.extend_from_slice(signature);
        triple.extend_from_slice(&id.0);
        triple.extend_from_slice(message);
        if let Some(answer) = memory.newer.get(&*triple).or_else(|| memory.older.get(&*triple)) {
            return *answer;
        }
        let answer = Strict.verify(id, message, signature);
        memory.n_checked += 1;
        if memory.newer.len() >= GENERATION {
            memory.older = std::mem::take(&mut memory.newer);
        }
        memory.newer.insert(triple.into(), answer);
        answer
    }
}

/// Hashes a triple by eight bytes of its signature. A forger may choose these and make lookups slow, but not
/// wrong.
#[derive(Default)]
struct Middle(u64);

impl Hasher for Middle {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(middle) = bytes.get(16..24).and_then(|bytes| bytes.first_chunk()) {
            self.0 ^= u64::from_le_bytes(*middle);
        }
    }

    fn write_usize(&mut self, _: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafan_core::identity::Identity;

    #[test]
    fn one_check_answers_all_and_forgeries_are_still_caught() {
        let identity = Identity::from_secret(&[1; 32]);
        let (id, signature) = (identity.id(), identity.sign(b"head"));
        let (one, other) = (Signatures::default(), Signatures::default());
        let shared = one.clone();
        assert!(one.verify(&id, b"head", &signature) && shared.verify(&id, b"head", &signature));
        assert_eq!((one.n_checked(), shared.n_checked(), other.n_checked()), (1, 1, 0));
        for at in 0..64 {
            let mut forged = signature;
            forged[at] ^= 1;
            assert!(!one.verify(&id, b"head", &forged), "byte {at}");
        }
        assert!(!one.verify(&id, b"heat", &signature));
        let thief = Identity::from_secret(&[2; 32]).id();
        assert!(!one.verify(&thief, b"head", &signature));
    }
}
