//! `member.json`: what a member knows of its mesh before it has a roster.

use crate::json::from_slice;
use datafan_core::{
    connector::Address,
    id::{MeshId, Name},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The mesh of a member, and how it joins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Membership {
    /// The mesh.
    pub mesh: MeshId,
    /// The name that the member asks for; the name in its grant takes precedence.
    pub name: Name,
    /// The oldest roster to accept; 0 for any.
    pub roster_min: Timestamp,
    /// The first addresses to dial; the mesh provides more.
    pub connect: Vec<Address>,
}

/// Why `member.json` cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MembershipError {
    /// An I/O error.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The content is malformed.
    #[error("{} is damaged ({what}): restore it from a backup", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A newer version wrote it.
    #[error(
        "{} has format {found}, but this version knows only format {FORMAT}: use a newer version",
        .path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// The format found.
        found: u32,
    },
}

impl Membership {
    /// Reads the file at `path`; `None` if there is none.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, MembershipError> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(MembershipError::Io { path: path.into(), source }),
        };
        let damaged = |what: String| MembershipError::Damaged { path: path.into(), what };
        // Checks the format first: the fields of a newer version must not be taken for damage.
        let Format { format } = from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if format != FORMAT {
            return Err(MembershipError::Format { path: path.into(), found: format });
        }
        let file: File = from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        Ok(Some(Self {
            mesh: file.mesh.parse().map_err(|error| damaged(format!("mesh: {error}")))?,
            name: file.name.parse().map_err(|error| damaged(format!("name: {error}")))?,
            roster_min: Timestamp(file.roster_min),
            connect: file.connect.into_iter().map(Address::from).collect(),
        }))
    }

    /// Writes the file at `path`, which must not exist. With it, the directory belongs to the member.
    #[cfg(any(feature = "http", feature = "redb"))]
    pub(crate) fn write(&self, path: &Path) -> Result<(), MembershipError> {
        let file = File {
            format: FORMAT,
            mesh: self.mesh.to_string(),
            name: self.name.to_string(),
            roster_min: self.roster_min.0,
            connect: self.connect.iter().map(|address| address.as_ref().to_owned()).collect(),
        };
        let mut text = serde_json::to_vec_pretty(&file).expect("texts and numbers are JSON");
        text.push(b'\n');
        let written = crate::files::write_private(path, &text);
        written.map_err(|source| MembershipError::Io { path: path.into(), source })
    }
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    mesh: String,
    name: String,
    roster_min: u64,
    connect: Vec<String>,
}

/// The format that this version writes, and the only one that it reads.
const FORMAT: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use datafan_core::identity::Identity;

    #[test]
    fn a_membership_survives_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("member.json");
        assert_eq!(Membership::read(&path).unwrap(), None);
        let membership = Membership {
            mesh: MeshId(Identity::from_secret(&[1; 32]).id()),
            name: "alpha".parse().unwrap(),
            roster_min: Timestamp(7),
            connect: vec!["host:1".into()],
        };
        membership.write(&path).unwrap();
        assert_eq!(Membership::read(&path).unwrap(), Some(membership.clone()));
        fs::write(&path, r#"{"format":2,"new":true}"#).unwrap();
        assert!(matches!(Membership::read(&path), Err(MembershipError::Format { found: 2, .. })));
        let positional = format!(r#"[1,"{}","alpha",0,[]]"#, membership.mesh);
        for damaged in ["{", "[1]", &positional] {
            fs::write(&path, damaged).unwrap();
            assert!(matches!(Membership::read(&path), Err(MembershipError::Damaged { .. })), "{damaged}");
        }
    }
}
