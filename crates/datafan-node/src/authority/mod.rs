//! An offline authority, whose key is never on a machine with a network: requests travel to it in a file, and
//! signed rosters travel back in another.
//!
//! A [`Request`] holds the whole current roster, as last signed, and the requested changes. [`Signing`]
//! checks all of it with only the key, and refuses to lose members. The result is a signed head of the roster
//! with its delta, which any member takes as if a peer had sent it. Both files are one line of text: a prefix
//! and the base32 of their bytes with a checksum.

mod record;
mod request;
mod signing;
mod text;

pub use record::{Record, RecordError, record_path};
pub use request::{REQUEST_PREFIX, REQUEST_TEXT_MAX, Request};
pub use signing::{Force, SignError, Signing};
pub use text::TextError;

use crate::keys::{self, KeyFileError, KeyKind};
use datafan_core::{identity::Identity, limits::ROSTER_CHANGES_MAX};
use std::{io, path::Path};
use text::{GRANT_ITEM_BYTES_MAX, from_text, text_max, to_text};

/// The prefix of every signed roster.
pub const SIGNED_PREFIX: &str = "datafan-roster1";
/// Longest text of a signed roster.
pub const SIGNED_TEXT_MAX: usize = text_max(SIGNED_PREFIX, SIGNED_BYTES_MAX);

/// A head, and each change with its key, name and lengths.
const SIGNED_BYTES_MAX: usize = 256 + ROSTER_CHANGES_MAX * GRANT_ITEM_BYTES_MAX;

/// The text of a signed roster: `message` is a `Message::Push`.
pub fn signed_to_text(message: &[u8]) -> String {
    to_text(SIGNED_PREFIX, message)
}

/// The message passed to [`signed_to_text`]; white space around the text is ignored. Applying it checks
/// whether it is a roster.
///
/// # Errors
/// If the text is malformed.
pub fn signed_from_text(text: &str) -> Result<Vec<u8>, TextError> {
    from_text(SIGNED_PREFIX, SIGNED_TEXT_MAX, text)
}

/// The authority key in a file of its own; `None` if there is no file.
///
/// # Errors
/// If the file exists but cannot be used.
pub fn read_key(path: &Path) -> Result<Option<Identity>, KeyFileError> {
    keys::read(path, KeyKind::Authority)
}

/// Creates the authority key of a new mesh, with a record that it has signed nothing yet.
///
/// # Errors
/// If the file exists, which then stays, or cannot be written.
pub fn new_key(path: &Path) -> Result<Identity, KeyFileError> {
    let failed = |source: io::Error| KeyFileError::Io { path: path.into(), source };
    let identity = keys::generate().map_err(failed)?;
    keys::write(path, KeyKind::Authority, &identity)?;
    Record::new(datafan_core::id::MeshId(identity.id())).write(path).map_err(failed)?;
    Ok(identity)
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
