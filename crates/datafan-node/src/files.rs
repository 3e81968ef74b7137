//! Files that only their owner may read, written completely or not at all.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
};

/// Writes `bytes` to `path` with mode 0600, durably: an interruption leaves no file. An existing file stays,
/// and the error is `AlreadyExists`.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = beside(path);
    // A rename would replace a file that another process has just created there.
    let linked = write_new(&beside, bytes).and_then(|()| place_new(&beside, path));
    // Report the first error; a leftover file does no harm.
    drop(fs::remove_file(&beside));
    linked?;
    sync_directory_of(path)
}

/// Renames `beside` to `path`, which must not exist.
fn place_new(beside: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(beside, path) {
        // On a file system without hard links, a concurrent writer goes unnoticed.
        Err(error) if !matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {
            if path.symlink_metadata().is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(beside, path)
        }
        linked => linked,
    }
}

/// A file's name is durable once its directory is.
fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

/// Like [`write_private`], but replaces the file at `path`: an interruption leaves the old file.
pub fn replace_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = beside(path);
    write_new(&beside, bytes)?;
    fs::rename(&beside, path).inspect_err(|_| drop(fs::remove_file(&beside)))?;
    sync_directory_of(path)
}

/// Creates `path` and its missing parents, for their owner only.
#[cfg(any(feature = "http", feature = "redb"))]
pub fn make_private_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

/// The mode of a regular file that gives others than its owner access; `None` if it does not, and for pipes
/// and the like, which have no content to protect.
#[cfg(unix)]
pub fn mode_for_others(path: &Path) -> Option<u32> {
    let file = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

/// Other systems have no such mode.
#[cfg(not(unix))]
pub fn mode_for_others(_: &Path) -> Option<u32> {
    None
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = match options.write(true).create_new(true).open(path) {
        // Left by an interrupted write of an earlier process with our id.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            options.open(path)?
        }
        opened => opened?,
    };
    file.write_all(bytes)?;
    file.sync_all()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".new-{}", process::id()));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_private_and_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        write_private(&path, b"one").unwrap();
        let error = write_private(&path, b"two").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
