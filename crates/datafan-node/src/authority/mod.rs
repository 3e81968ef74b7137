//! An authority whose key is never on a machine with a network: requests go to it in a file, rosters that it signed
//! come back in another.
//!
//! A [`Request`] holds the whole present roster, as it was signed, and the changes that are wanted. [`Signing`] checks
//! all of it with nothing but the key, and refuses what would forget members. What it signs is a head of the roster with
//! its delta, which any member takes as it takes one from a peer. Both files are one line of text each: a prefix and
//! the base32 of their bytes with a checksum.

mod record;
mod request;
mod signing;

pub use record::{Record, RecordError, record_path};
pub use request::{REQUEST_PREFIX, REQUEST_TEXT_MAX, Request};
pub use signing::{Force, SignError, Signing};

use crate::keys::{self, KeyFileError, KeyKind};
use datafan_core::{
    base32, codec::DecodeError, hash::Hasher, identity::Identity, limits::ROSTER_CHANGES_MAX,
};
use std::{io, path::Path};

/// What every signed roster begins with.
pub const SIGNED_PREFIX: &str = "datafan-roster1";
/// Longest text of a signed roster.
pub const SIGNED_TEXT_MAX: usize = text_max(SIGNED_PREFIX, SIGNED_BYTES_MAX);

/// A head, and each change with its key, name and lengths.
const SIGNED_BYTES_MAX: usize = 256 + ROSTER_CHANGES_MAX * GRANT_ITEM_BYTES_MAX;
/// An entry of a roster among others: distance, expiry, key, and a value with the longest name.
const GRANT_ITEM_BYTES_MAX: usize = 10 + 1 + 2 + 64 + 2 + 160;
const CHECKSUM_BYTES: usize = 5;

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

/// The text of a roster that was signed: `message` is a `Message::Push`.
pub fn signed_to_text(message: &[u8]) -> String {
    to_text(SIGNED_PREFIX, message)
}

/// What [`signed_to_text`] was given; white space around it is ignored. Whether it is a roster is judged by whoever
/// applies it.
///
/// # Errors
/// If it is none.
pub fn signed_from_text(text: &str) -> Result<Vec<u8>, TextError> {
    from_text(SIGNED_PREFIX, SIGNED_TEXT_MAX, text)
}

/// The authority's key in a file of its own; `None` where there is no file.
///
/// # Errors
/// If the file is there and cannot be used.
pub fn read_key(path: &Path) -> Result<Option<Identity>, KeyFileError> {
    keys::read(path, KeyKind::Authority)
}

/// Makes the authority's key of a new mesh, with a record that it has signed nothing yet.
///
/// # Errors
/// If there is a file, which then stays, or it cannot be written.
pub fn new_key(path: &Path) -> Result<Identity, KeyFileError> {
    let failed = |source: io::Error| KeyFileError::Io { path: path.into(), source };
    let identity = keys::generate().map_err(failed)?;
    keys::write(path, KeyKind::Authority, &identity)?;
    Record::new(datafan_core::id::MeshId(identity.id())).write(path).map_err(failed)?;
    Ok(identity)
}

const fn text_max(prefix: &str, bytes: usize) -> usize {
    prefix.len() + (bytes + CHECKSUM_BYTES).div_ceil(5) * 8
}

fn to_text(prefix: &str, content: &[u8]) -> String {
    let bytes = [content, &checksum(prefix, content)].concat();
    [prefix, &base32::encode(&bytes)].concat()
}

fn from_text(prefix: &'static str, max: usize, text: &str) -> Result<Vec<u8>, TextError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_was_changed_or_cut_is_noticed() {
        let text = signed_to_text(b"some bytes");
        assert_eq!(signed_from_text(&format!(" {text}\n")), Ok(b"some bytes".to_vec()));
        for at in 0..text.len() {
            let other = if text.as_bytes()[at] == b'q' { "r" } else { "q" };
            assert!(signed_from_text(&[&text[..at], other, &text[at + 1..]].concat()).is_err(), "{at}");
            assert!(signed_from_text(&text[..at]).is_err(), "cut at {at}");
        }
        let long = format!("{SIGNED_PREFIX}{}", "a".repeat(SIGNED_TEXT_MAX));
        assert!(matches!(signed_from_text(&long), Err(TextError::TooLong { max: SIGNED_TEXT_MAX, .. })));
        assert!(matches!(signed_from_text("datafan1abc"), Err(TextError::Prefix { prefix: SIGNED_PREFIX })));
    }
}
