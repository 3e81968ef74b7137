//! What a member's own shard recovered from the mesh.

use crate::{
    codec::{DecodeError, Reader, Writer},
    time::Timestamp,
};
use alloc::vec::Vec;

/// A recovery of a member's own shard from the mesh.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recovered {
    /// The last timestamp on disk before; recovered items have later timestamps.
    pub from: Timestamp,
    /// The timestamp of the recovered head.
    pub to: Timestamp,
    /// When it was recovered: wall time.
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
