//! What a store knows of its own past.

use crate::codec::{DecodeError, Reader};
use alloc::vec::Vec;

/// What a store knows of its past.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Past {
    /// The founder's store, or one that a peer has confirmed once.
    pub(crate) proven: bool,
    /// A peer was ever linked: others may know our heads.
    pub(crate) told: bool,
}

impl Past {
    /// What a store knows that was made from a backup: since then others may have heard of anything.
    pub(crate) fn of_a_backup(self) -> Self {
        Self { told: true, ..self }
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        [u8::from(self.proven), u8::from(self.told)].into()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let past = Self { proven: input.flag()?, told: input.flag()? };
        input.end()?;
        Ok(past)
    }
}
