//! Bytes as one line of text, with a checksum that detects cuts and changes.

use datafan_core::{base32, codec::DecodeError, hash::Hasher};

/// Why a text is not a request, or not a signed roster.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// It does not start with the prefix.
    #[error("it does not start with {prefix}")]
    Prefix {
        /// The expected prefix.
        prefix: &'static str,
    },
    /// It is too long.
    #[error("it has {len} characters, limit {max}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The maximum length.
        max: usize,
    },
    /// It is incomplete, or a character was changed.
    #[error("its checksum does not match: copy it again")]
    Checksum,
    /// The checksum matches, but the content is malformed.
    #[error("it is malformed: {0}")]
    Content(#[from] DecodeError),
}

/// Size of a roster entry among others: distance, expiry, key, and a value with the longest name.
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

/// The checksum of prefix and content, in the domain of tickets, whose prefix differs from all of these.
fn checksum(prefix: &str, content: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let hash = Hasher::new(Hasher::TICKET).bytes(prefix.as_bytes()).bytes(content).finish();
    std::array::from_fn(|at| hash.0[at])
}
