//! The encoding of the bounds of own timestamps, up to which timestamps may have been used.

use crate::{
    codec::{DecodeError, Reader, Writer},
    id::MemberId,
    time::Timestamp,
};
use alloc::{collections::BTreeMap, vec::Vec};

/// Encodes the bounds.
pub(super) fn encode(bounds: impl Iterator<Item = (MemberId, Timestamp)>) -> Vec<u8> {
    let bounds: Vec<_> = bounds.collect();
    let mut out = Writer::new();
    out.list(&bounds, |out, (owner, bound)| {
        out.id(owner).fixed(bound.0);
    });
    out.finish()
}

/// Decodes bounds.
pub(super) fn decode(bytes: &[u8]) -> Result<BTreeMap<MemberId, Timestamp>, DecodeError> {
    let mut input = Reader::new(bytes);
    let bounds = input.list("bounds", 2, |input| Ok((input.id()?, Timestamp(input.fixed()?))))?;
    input.end()?;
    Ok(bounds.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::owner;

    #[test]
    fn bounds_survive_their_bytes() {
        let bounds = BTreeMap::from([(owner(1), Timestamp(5)), (owner(2), Timestamp(u64::MAX))]);
        let bytes = encode(bounds.clone().into_iter());
        assert_eq!(decode(&bytes), Ok(bounds));
        assert!(decode(&bytes[1..]).is_err() && decode(&[bytes, alloc::vec![0]].concat()).is_err());
    }
}
