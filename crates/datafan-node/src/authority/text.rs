//! Bytes as one line of text that is noticed where it was cut or changed.

use datafan_core::{base32, codec::DecodeError, hash::Hasher};

/// Why a text is no request, or no signed roster.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// It does not begin like one.
    #[error("it does not begin with {prefix}")]
    Prefix {
        /// How it should begin.
        prefix: &'static str,
    },
    /// It is longer than any.
    #[error("it has {len} characters, limit {max}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// How long it may be.
        max: usize,
    },
    /// It is cut, or a character was changed.
    #[error("its checksum does not match: it was not copied whole")]
    Checksum,
    /// The checksum matches, the content makes no sense.
    #[error("it is malformed: {0}")]
    Content(#[from] DecodeError),
}

/// An entry of a roster among others: distance, expiry, key, and a value with the longest name.
pub(super) const GRANT_ITEM_BYTES_MAX: usize = 10 + 1 + 2 + 64 + 2 + 160;

const CHECKSUM_BYTES: usize = 5;

pub(super) const fn text_max(prefix: &str, bytes: usize) -> usize {
    prefix.len() + (bytes + CHECKSUM_BYTES).div_ceil(5) * 8
}

pub(super) fn to_text(prefix: &str, content: &[u8]) -> String {
    let bytes = [content, &checksum(prefix, content)].concat();
    [prefix, &base32::encode(&bytes)].concat()
}

pub(super) fn from_text(prefix: &'static str, max: usize, text: &str) -> Result<Vec<u8>, TextError> {
    let text = text.trim();
    let body = text.strip_prefix(prefix).ok_or(TextError::Prefix { prefix })?;
    if text.len() > max {
        return Err(TextError::TooLong { len: text.len(), max });
    }
    let mut bytes = base32::decode(body).ok_or(TextError::Checksum)?;
    let split = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(TextError::Checksum)?;
    let sum = bytes.split_off(split);
    if checksum(prefix, &bytes)[..] != sum[..] {
        return Err(TextError::Checksum);
    }
    Ok(bytes)
}

/// Of the prefix and the content: in the domain of tickets, none of which begins like that.
fn checksum(prefix: &str, content: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let hash = Hasher::new(Hasher::TICKET).bytes(prefix.as_bytes()).bytes(content).finish();
    std::array::from_fn(|at| hash.0[at])
}
