//! The token of the interface on TCP: a secret in a file, which every request there has to name.
//!
//! The file holds one line: the letters, digits and `-._~+/=` that RFC 6750 allows, [`TOKEN_CHARS_MIN`] at
//! least. Only its owner may read it; one that others may read is refused, as whoever could read it may have
//! done so.

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

/// Fewest characters of a token: 128 bits, if they are random hexadecimal digits.
pub const TOKEN_CHARS_MIN: usize = 32;
/// Most characters of a token.
pub const TOKEN_CHARS_MAX: usize = 512;

/// What a request on TCP has to name, as `Authorization: Bearer TOKEN`.
pub struct Token(Zeroizing<String>);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Why a token's file cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// There is none.
    #[error("there is no token file {}: `datafan run --api IP:PORT --api-token-file FILE` makes one", .path.display())]
    Missing {
        /// Which file.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("token file {}: {source}", .path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is a directory, a pipe or the like.
    #[error("token file {} is no regular file", .path.display())]
    NoFile {
        /// Which file.
        path: PathBuf,
    },
    /// Its mode lets others in.
    #[error("token file {0} may be read by others (mode {mode:04o}): put another token into it, then chmod 600 {0}", .path.display())]
    ReadableByOthers {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// What is in it is no token.
    #[error("token file {} {what}", .path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl Token {
    /// Reads the token in the file at `path`.
    ///
    /// # Errors
    /// If there is no file, others may read it, or it holds no token.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let io = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => TokenError::Missing { path: path.into() },
            _ => TokenError::Io { path: path.into(), source },
        };
        // Looked at before it is opened: opening a pipe waits for who writes into it.
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

    /// As [`Token::read`]; where there is no file, one is made first: 32 random bytes in base32, with mode
    /// 0600.
    ///
    /// # Errors
    /// If it cannot be made, or what is there cannot be used.
    pub fn read_or_make(path: &Path) -> Result<Self, TokenError> {
        if let Err(TokenError::Missing { .. }) = Self::read(path) {
            make(path).map_err(|source| TokenError::Io { path: path.into(), source })?;
        }
        Self::read(path)
    }

    /// The text, to be named in a request.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether `named` is this token; how long that takes says nothing but whether the lengths are equal.
    pub fn is(&self, named: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(named).into()
    }

    fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let text = str::from_utf8(bytes).map_err(|_| "is no text")?.trim();
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)) {
            return Err("is to hold one word of letters, digits and -._~+/=");
        }
        match text.len() {
            ..TOKEN_CHARS_MIN => Err("has less than 32 characters: take random ones"),
            TOKEN_CHARS_MIN..=TOKEN_CHARS_MAX => Ok(Self(Zeroizing::new(text.to_owned()))),
            _ => Err("has more than 512 characters"),
        }
    }
}

/// The longest token with white space around it, and a byte more to see that there is more.
const FILE_BYTES_MAX: u64 = 2 * TOKEN_CHARS_MAX as u64;

fn make(path: &Path) -> io::Result<()> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *secret).map_err(io::Error::other)?;
    let text = Zeroizing::new(format!("{}\n", *Zeroizing::new(base32::encode(&*secret))));
    match write_private(path, text.as_bytes()) {
        // Somebody else has just made one.
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
            assert!(error.contains("may be read by others") && error.contains("chmod 600"), "{error}");
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
