//! What the mesh gave back of the member's own shard.

use crate::{
    codec::{DecodeError, Reader, Writer},
    time::Timestamp,
};
use alloc::vec::Vec;

/// What the mesh gave back of a member's own shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recovered {
    /// What the disk had: what came back has later timestamps.
    pub from: Timestamp,
    /// The head that came back.
    pub to: Timestamp,
    /// When: wall time.
    pub at: Timestamp,
}

impl Recovered {
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut out = Writer::new();
        out.fixed(self.from.0).fixed(self.to.0).fixed(self.at.0);
        out.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let mut timestamp = || Ok(Timestamp(input.fixed()?));
        let recovered = Self { from: timestamp()?, to: timestamp()?, at: timestamp()? };
        input.end()?;
        Ok(recovered)
    }
}
