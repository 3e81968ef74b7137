//! A member's directory and what lies in it.

use crate::{
    keys::{self, KeyFileError, KeyKind},
    membership::{Membership, MembershipError},
};
use datafan_core::identity::Identity;
use std::path::{Path, PathBuf};

/// The directory of a member: `member.json`, `member.key`, `store.redb`, and `authority.key` where the mesh
/// began.
///
/// To be backed up: the two keys. Everything else comes back from the mesh, as far as anybody there has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Home {
    path: PathBuf,
}

impl Home {
    /// The directory at `path`; it need not be there.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the member's key is.
    pub fn member_key_path(&self) -> PathBuf {
        self.path.join("member.key")
    }

    /// Where the authority's key is, if it is here.
    pub fn authority_key_path(&self) -> PathBuf {
        self.path.join("authority.key")
    }

    /// Where the store is.
    pub fn store_path(&self) -> PathBuf {
        self.path.join("store.redb")
    }

    /// Where a running member takes commands.
    pub fn socket_path(&self) -> PathBuf {
        self.path.join("api.sock")
    }

    /// Where [`Membership`] is.
    pub fn membership_path(&self) -> PathBuf {
        self.path.join("member.json")
    }

    /// What the member knows of its mesh; `None` where the directory is no member's yet.
    ///
    /// # Errors
    /// If the file is there and cannot be used.
    pub fn membership(&self) -> Result<Option<Membership>, MembershipError> {
        Membership::read(&self.membership_path())
    }

    /// The member's key; `None` where there is no file.
    ///
    /// # Errors
    /// If the file is there and cannot be used.
    pub fn member_key(&self) -> Result<Option<Identity>, KeyFileError> {
        keys::read(&self.member_key_path(), KeyKind::Member)
    }

    /// The authority's key; `None` where there is no file.
    ///
    /// # Errors
    /// If the file is there and cannot be used.
    pub fn authority_key(&self) -> Result<Option<Identity>, KeyFileError> {
        keys::read(&self.authority_key_path(), KeyKind::Authority)
    }
}
