//! Whether a store was ever confirmed and announced.

use crate::codec::{DecodeError, Reader};
use alloc::vec::Vec;

/// Whether a store was ever confirmed and announced.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct History {
    /// The store is the founder's, or a peer confirmed it once.
    pub(crate) confirmed: bool,
    /// A peer was linked at some time, so others may know our heads.
    pub(crate) announced: bool,
}

impl History {
    /// The history of a store restored from a backup: others may have learned of heads since then.
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
