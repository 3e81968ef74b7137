//! The last roster that an authority key has signed, in a file beside the key, so that an older one is
//! refused.
//!
//! `datafan-signed-1 MESH TIMESTAMP ROOT`; timestamp 0 means none yet.

use crate::files::replace_private;
use datafan_core::{
    hash::Hash,
    id::{MemberId, MeshId},
    time::Timestamp,
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The last head that a key has signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    mesh: MeshId,
    /// Its timestamp and root; `None` if there is none yet.
    pub signed: Option<(Timestamp, Hash)>,
}

/// Why a record cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// An I/O error.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The file is not a record, or that of another key.
    #[error(
        "{} is not a record of this key: restore it from a backup, or move it away and use --force",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// The path of the record of the key at `key`.
pub fn record_path(key: &Path) -> PathBuf {
    key.with_extension("signed")
}

impl Record {
    /// The record of a key that has signed nothing.
    pub fn new(mesh: MeshId) -> Self {
        Self { mesh, signed: None }
    }

    /// The record of a key that has signed this head last.
    pub fn of(mesh: MeshId, timestamp: Timestamp, root: Hash) -> Self {
        Self { mesh, signed: Some((timestamp, root)) }
    }

    /// The record of the mesh's key at `key`; `None` if there is no file.
    ///
    /// # Errors
    /// If the file exists but cannot be used.
    pub fn read(key: &Path, mesh: MeshId) -> Result<Option<Self>, RecordError> {
        let path = record_path(key);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(RecordError::Io { path, source }),
        };
        let record = parse(&text).filter(|record| record.mesh == mesh);
        record.map(Some).ok_or(RecordError::Damaged { path })
    }

    /// Writes it beside the key at `key`, durably, replacing the previous one.
    ///
    /// # Errors
    /// If the system refuses; the previous record is still there then.
    pub fn write(&self, key: &Path) -> io::Result<()> {
        let (timestamp, root) = self.signed.unwrap_or((Timestamp::ZERO, Hash::empty()));
        let text = format!("{FORMAT} {} {} {root}\n", self.mesh, timestamp.0);
        replace_private(&record_path(key), text.as_bytes())
    }
}

fn parse(text: &str) -> Option<Record> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [FORMAT, mesh, timestamp, root] = words[..] else { return None };
    // A hash is written like an id.
    let (mesh, root): (MeshId, MemberId) = (mesh.parse().ok()?, root.parse().ok()?);
    let timestamp = Timestamp(timestamp.parse().ok()?);
    let signed = (timestamp != Timestamp::ZERO).then_some((timestamp, Hash(root.0)));
    Some(Record { mesh, signed })
}

const FORMAT: &str = "datafan-signed-1";

#[cfg(test)]
mod tests {
    use super::*;
    use datafan_core::identity::Identity;

    #[test]
    fn a_record_survives_its_file_and_is_of_one_mesh() {
        let directory = tempfile::tempdir().unwrap();
        let key = directory.path().join("authority.key");
        let mesh = MeshId(Identity::from_secret(&[1; 32]).id());
        assert_eq!(Record::read(&key, mesh).unwrap(), None);
        for record in [Record::new(mesh), Record::of(mesh, Timestamp(9), Hash([7; 32]))] {
            record.write(&key).unwrap();
            assert_eq!(Record::read(&key, mesh).unwrap(), Some(record));
        }
        let other = MeshId(Identity::from_secret(&[2; 32]).id());
        assert!(matches!(Record::read(&key, other), Err(RecordError::Damaged { .. })));
        fs::write(record_path(&key), "nonsense").unwrap();
        assert!(matches!(Record::read(&key, mesh), Err(RecordError::Damaged { .. })));
    }
}
