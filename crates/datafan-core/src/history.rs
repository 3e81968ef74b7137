//! What a store knows of its own history.

use crate::codec::{DecodeError, Reader};
use alloc::vec::Vec;

/// What a store knows of its history.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct History {
    /// The founder's store, or one that a peer has confirmed once.
    pub(crate) confirmed: bool,
    /// A peer was ever linked: others may know our heads.
    pub(crate) announced: bool,
}

impl History {
    /// What a store knows that was made from a backup: since then others may have heard of anything.
    pub(crate) fn of_a_backup(self) -> Self {
        Self { announced: true, ..self }
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        [u8::from(self.confirmed), u8::from(self.announced)].into()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let history = Self { confirmed: input.flag()?, announced: input.flag()? };
        input.end()?;
        Ok(history)
    }
}
