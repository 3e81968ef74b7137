//! The files that a directory lacked before a member was created in it, so that a failed bootstrap leaves
//! nothing behind.

use crate::home::Home;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The files of a member, and the parent directories, that were missing at one moment.
#[derive(Clone, Debug)]
pub struct Inventory {
    files: Vec<PathBuf>,
    /// The deepest first.
    directories: Vec<PathBuf>,
}

impl Inventory {
    /// Inspects the directory of `home` as it is now.
    pub fn of(home: &Home) -> Self {
        let files = [
            home.membership_path(),
            home.socket_path(),
            home.store_path(),
            home.member_key_path(),
            home.authority_key_path(),
        ];
        let directories = home.path().ancestors().filter(|path| !path.as_os_str().is_empty());
        Self {
            files: files.into_iter().filter(|path| is_missing(path)).collect(),
            directories: directories.take_while(|path| is_missing(path)).map(Path::to_path_buf).collect(),
        }
    }

    /// Adds this file, if it is missing.
    #[must_use]
    pub fn and(mut self, file: Option<&Path>) -> Self {
        self.files.extend(file.filter(|path| is_missing(path)).map(Path::to_path_buf));
        self
    }

    /// Restricts the files to those among `made`.
    #[must_use]
    pub fn only(mut self, made: &[PathBuf]) -> Self {
        self.files.retain(|file| made.contains(file));
        self
    }

    /// Removes what was missing then and exists now. Only for the process that created all of it, since keys
    /// are among it. What cannot be removed stays, and so does a directory with other files.
    pub fn undo(&self) {
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        for directory in &self.directories {
            let _ = fs::remove_dir(directory);
        }
    }
}

fn is_missing(path: &Path) -> bool {
    path.symlink_metadata().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_stays() {
        let place = tempfile::tempdir().unwrap();
        let home = Home::new(place.path().join("above/member"));
        let before = Inventory::of(&home);
        fs::create_dir_all(home.path()).unwrap();
        fs::write(home.member_key_path(), "new").unwrap();
        before.undo();
        assert!(is_missing(&place.path().join("above")) && place.path().exists());
        fs::create_dir_all(home.path()).unwrap();
        fs::write(home.member_key_path(), "precious").unwrap();
        fs::write(home.path().join("other"), "precious").unwrap();
        let before = Inventory::of(&home);
        fs::write(home.membership_path(), "new").unwrap();
        before.undo();
        assert!(is_missing(&home.membership_path()));
        assert!(home.member_key_path().exists() && home.path().join("other").exists());
    }
}
