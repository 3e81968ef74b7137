//! Key files: one line of text, readable by its owner only.
//!
//! `datafan-secret-1 KIND SECRET ID`: KIND is `member` or `authority`; SECRET (the 32 bytes of an RFC 8032
//! seed) and ID are base32. The id follows from the secret; it serves to detect a damaged file.

use crate::files::{mode_for_others, write_private};
use datafan_core::{base32, identity::Identity};
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// What a key is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyKind {
    /// `member.key`: whoever holds it can change a member's shard.
    Member,
    /// `authority.key`: whoever holds it can change the roster.
    Authority,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Member => "member",
            Self::Authority => "authority",
        })
    }
}

/// Why a key file cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// An I/O error.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The key already exists; keys are never replaced.
    #[error("{} already exists: move it away if it is not needed", .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Its mode gives others access, so they may have read it.
    #[error(
        "{0} may be read by other users (mode {mode:04o}), and whoever reads it can act as this {kind}: run \
         chmod 600 {0}; if somebody may have read it, replace the key",
        .path.display()
    )]
    ReadableByOthers {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The kind of the key.
        kind: KeyKind,
    },
    /// The content is not a key, or not the expected one.
    #[error("{} {what}: restore it from a backup", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The key is of the other kind.
    #[error("{} holds the {found} key, not the {wanted} key", .path.display())]
    OtherKind {
        /// The file.
        path: PathBuf,
        /// The kind of the key in it.
        found: KeyKind,
        /// The expected kind.
        wanted: KeyKind,
    },
}

/// A new key, from random bytes of the system.
pub(crate) fn generate() -> Result<Identity, io::Error> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *secret).map_err(io::Error::other)?;
    Ok(Identity::from_secret(&secret))
}

/// Reads the key at `path`; `None` if there is no file.
pub(crate) fn read(path: &Path, kind: KeyKind) -> Result<Option<Identity>, KeyFileError> {
    let text = match fs::read_to_string(path).map(Zeroizing::new) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(damaged(path, "is not UTF-8 text"));
        }
        Err(source) => return Err(KeyFileError::Io { path: path.into(), source }),
    };
    if let Some(mode) = mode_for_others(path) {
        return Err(KeyFileError::ReadableByOthers { path: path.into(), mode, kind });
    }
    parse(path, &text, kind).map(Some)
}

/// Writes `identity` to `path`, which must not exist.
pub(crate) fn write(path: &Path, kind: KeyKind, identity: &Identity) -> Result<(), KeyFileError> {
    let secret = Zeroizing::new(base32::encode(&*identity.secret()));
    let text = Zeroizing::new(format!("{FORMAT} {kind} {} {}\n", *secret, identity.id()));
    write_private(path, text.as_bytes()).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists { path: path.into() },
        _ => KeyFileError::Io { path: path.into(), source },
    })
}

fn parse(path: &Path, text: &str, wanted: KeyKind) -> Result<Identity, KeyFileError> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [format, kind, secret, id] = words[..] else { return Err(damaged(path, "is not a key file")) };
    match format.strip_prefix(FORMAT_PREFIX) {
        None => return Err(damaged(path, "is not a key file")),
        Some(FORMAT_NUMBER) => {}
        Some(_) => return Err(damaged(path, "has a format that this version does not know")),
    }
    let found = match kind {
        "member" => KeyKind::Member,
        "authority" => KeyKind::Authority,
        _ => return Err(damaged(path, "is damaged (kind)")),
    };
    let secret = base32::decode(secret).map(Zeroizing::new);
    let secret = secret.and_then(|secret| Some(Zeroizing::new(<[u8; 32]>::try_from(&secret[..]).ok()?)));
    let identity = Identity::from_secret(&*secret.ok_or(damaged(path, "is damaged (secret)"))?);
    if id != identity.id().to_string() {
        return Err(damaged(path, "is damaged (secret and id do not match)"));
    }
    if found != wanted {
        return Err(KeyFileError::OtherKind { path: path.into(), found, wanted });
    }
    Ok(identity)
}

fn damaged(path: &Path, what: &'static str) -> KeyFileError {
    KeyFileError::Damaged { path: path.into(), what }
}

const FORMAT: &str = "datafan-secret-1";
const FORMAT_PREFIX: &str = "datafan-secret-";
const FORMAT_NUMBER: &str = "1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_file_and_is_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("member.key");
        assert!(read(&path, KeyKind::Member).unwrap().is_none());
        let identity = generate().unwrap();
        write(&path, KeyKind::Member, &identity).unwrap();
        assert_eq!(read(&path, KeyKind::Member).unwrap().unwrap().id(), identity.id());
        let again = write(&path, KeyKind::Member, &generate().unwrap());
        assert!(matches!(again, Err(KeyFileError::Exists { .. })));
        assert!(matches!(read(&path, KeyKind::Authority), Err(KeyFileError::OtherKind { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("member.key");
        write(&path, KeyKind::Member, &generate().unwrap()).unwrap();
        for (mode, fits) in [(0o400, true), (0o644, false), (0o640, false), (0o602, false), (0o600, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            match read(&path, KeyKind::Member) {
                Ok(_) => assert!(fits, "{mode:o}"),
                Err(error) => assert!(!fits && error.to_string().contains("chmod 600"), "{mode:o}: {error}"),
            }
        }
    }

    #[test]
    fn any_changed_letter_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("member.key");
        write(&path, KeyKind::Member, &Identity::from_secret(&[5; 32])).unwrap();
        let text = fs::read(&path).unwrap();
        for at in 0..text.len() - 1 {
            let mut changed = text.clone();
            changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
            fs::write(&path, &changed).unwrap();
            let error = read(&path, KeyKind::Member).unwrap_err().to_string();
            assert!(error.contains("member.key"), "byte {at}: {error}");
        }
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(read(&path, KeyKind::Member), Err(KeyFileError::Damaged { .. })));
    }
}
