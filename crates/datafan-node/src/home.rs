//! A member's directory and its files.

use crate::{
    keys::{self, KeyFileError, KeyKind},
    membership::{Membership, MembershipError},
};
use datafan_core::identity::Identity;
use std::path::{Path, PathBuf};

/// The directory of a member: `member.json`, `member.key`, `store.redb`, and `authority.key` if the mesh was
/// created here.
///
/// Back up the two keys. Everything else can be restored from the mesh, as far as other members have it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Home {
    path: PathBuf,
}

impl Home {
    /// The directory at `path`; it need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of the member's key.
    pub fn member_key_path(&self) -> PathBuf {
        self.path.join("member.key")
    }

    /// The path of the authority key; the file may be missing.
    pub fn authority_key_path(&self) -> PathBuf {
        self.path.join("authority.key")
    }

    /// The path of the store.
    pub fn store_path(&self) -> PathBuf {
        self.path.join("store.redb")
    }

    /// The path of the socket on which a running member takes commands.
    pub fn socket_path(&self) -> PathBuf {
        self.path.join("api.sock")
    }

    /// The path of the [`Membership`].
    pub fn membership_path(&self) -> PathBuf {
        self.path.join("member.json")
    }

    /// What the member knows of its mesh; `None` if the directory holds no member yet.
    ///
    /// # Errors
    /// If the file exists but cannot be used.
    pub fn membership(&self) -> Result<Option<Membership>, MembershipError> {
        Membership::read(&self.membership_path())
    }

    /// The member's key; `None` if there is no file.
    ///
    /// # Errors
    /// If the file exists but cannot be used.
    pub fn member_key(&self) -> Result<Option<Identity>, KeyFileError> {
        keys::read(&self.member_key_path(), KeyKind::Member)
    }

    /// The authority key; `None` if there is no file.
    ///
    /// # Errors
    /// If the file exists but cannot be used.
    pub fn authority_key(&self) -> Result<Option<Identity>, KeyFileError> {
        keys::read(&self.authority_key_path(), KeyKind::Authority)
    }
}
