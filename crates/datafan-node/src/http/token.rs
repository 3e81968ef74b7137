//! The token of the API on TCP: a secret in a file, which every request must carry.
//!
//! The file holds one line: the letters, digits and `-._~+/=` that RFC 6750 allows, at least
//! [`TOKEN_CHARS_MIN`]. Only its owner may have read access: a file that others can read is refused, because
//! somebody may have read it already.

use crate::files::write_private;
use datafan_core::base32;
use std::{
    fmt,
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Shortest token, in characters: 128 bits of random hexadecimal digits.
pub const TOKEN_CHARS_MIN: usize = 32;
/// Longest token, in characters.
pub const TOKEN_CHARS_MAX: usize = 512;

/// The secret that a request on TCP must carry, as `Authorization: Bearer TOKEN`.
pub struct Token(Zeroizing<String>);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Why a token file cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The file does not exist.
    #[error(
        "token file {} does not exist: `datafan run --api IP:PORT --api-token-file FILE` creates it",
        .path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The system refuses access.
    #[error("token file {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// It is a directory, a pipe or the like.
    #[error("token file {} is not a regular file", .path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
    },
    /// Its mode gives others access.
    #[error(
        "token file {0} may be read by other users (mode {mode:04o}): write a new token to it, then run \
         chmod 600 {0}",
        .path.display()
    )]
    ReadableByOthers {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Its content is not a token.
    #[error("token file {} {what}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl Token {
    /// Reads the token in the file at `path`.
    ///
    /// # Errors
    /// If there is no file, others may read it, or it holds no valid token.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let io = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => TokenError::Missing { path: path.into() },
            _ => TokenError::Io { path: path.into(), source },
        };
        // Checked before it is opened: opening a pipe waits for its writer.
        if !fs::metadata(path).map_err(io)?.is_file() {
            return Err(TokenError::NoFile { path: path.into() });
        }
        let file = File::open(path).map_err(io)?;
        let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(TokenError::ReadableByOthers { path: path.into(), mode });
        }
        let mut text = Zeroizing::new(Vec::new());
        file.take(FILE_BYTES_MAX).read_to_end(&mut text).map_err(io)?;
        Self::parse(&text).map_err(|what| TokenError::Malformed { path: path.into(), what })
    }

    /// Like [`Token::read`], but creates a missing file first: 32 random bytes in base32, with mode 0600.
    ///
    /// # Errors
    /// If it cannot be created, or the existing file cannot be used.
    pub fn read_or_make(path: &Path) -> Result<Self, TokenError> {
        if let Err(TokenError::Missing { .. }) = Self::read(path) {
            make(path).map_err(|source| TokenError::Io { path: path.into(), source })?;
        }
        Self::read(path)
    }

    /// The text to send in a request.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether `named` is this token. The time this takes reveals only whether the lengths are equal.
    pub fn is(&self, named: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(named).into()
    }

    fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let text = str::from_utf8(bytes).map_err(|_| "is not UTF-8 text")?.trim();
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)) {
            return Err("must hold one word of letters, digits and -._~+/=");
        }
        match text.len() {
            ..TOKEN_CHARS_MIN => Err("has fewer than 32 characters: use more, at random"),
            TOKEN_CHARS_MIN..=TOKEN_CHARS_MAX => Ok(Self(Zeroizing::new(text.to_owned()))),
            _ => Err("has more than 512 characters, the limit"),
        }
    }
}

/// The longest token with white space around it, and one byte more to notice a longer text.
const FILE_BYTES_MAX: u64 = 2 * TOKEN_CHARS_MAX as u64;

fn make(path: &Path) -> io::Result<()> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *secret).map_err(io::Error::other)?;
    let text = Zeroizing::new(format!("{}\n", *Zeroizing::new(base32::encode(&*secret))));
    match write_private(path, text.as_bytes()) {
        // Another process has just created it.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        assert!(matches!(Token::read(&path), Err(TokenError::Missing { .. })));
        let made = Token::read_or_make(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(made.text().len() >= TOKEN_CHARS_MIN);
        assert_eq!(Token::read_or_make(&path).unwrap().text(), made.text());
        assert!(made.is(made.text().as_bytes()) && !made.is(b"") && !made.is(&made.text().as_bytes()[1..]));
        assert_eq!(format!("{made:?}"), "Token", "no secret in a log");
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = Token::read_or_make(&path).unwrap_err().to_string();
            assert!(error.contains("may be read by other users") && error.contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let parsed = |text: &str| Token::parse(text.as_bytes()).map(|token| token.text().to_owned());
        let (least, most) = ("a".repeat(TOKEN_CHARS_MIN), "a".repeat(TOKEN_CHARS_MAX));
        assert_eq!(parsed(&format!(" {least}\r\n")), Ok(least.clone()));
        assert_eq!(parsed(&most), Ok(most.clone()));
        assert!(parsed(&least[1..]).unwrap_err().contains("32"));
        assert!(parsed(&format!("{most}a")).unwrap_err().contains("512"));
        assert!(parsed(&format!("{least} {least}")).is_err() && parsed(&format!("{least}ü")).is_err());
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(Token::read_or_make(directory.path()), Err(TokenError::NoFile { .. })));
        let path = directory.path().join("endless");
        write_private(&path, &vec![b'a'; 1 << 20]).unwrap();
        assert!(matches!(Token::read(&path), Err(TokenError::Malformed { .. })));
    }
}
