//! Texts that move between machines, in files that only their owner may read.

use super::failure::Failure;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Writes `text` to the new file `file`, with mode 0600.
pub fn write_new(file: &Path, text: &str) -> Result<(), Failure> {
    Fresh::create(file)?.write(text)
}

/// A file with mode 0600, created before its content is known. Removed if it is dropped unwritten.
pub struct Fresh {
    file: File,
    path: PathBuf,
    written: bool,
}

impl Fresh {
    /// Creates the file; it must not exist.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = opened.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Failure::new(format!("{} already exists", path.display())),
            _ => Failure::new(format!("{}: {error}", path.display())),
        })?;
        Ok(Self { file, path: path.to_owned(), written: false })
    }

    /// Writes the text, durably.
    pub fn write(mut self, text: &str) -> Result<(), Failure> {
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_all());
        self.written = written.is_ok();
        written.map_err(|error| Failure::new(format!("{}: {error}", self.path.display())))
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if !self.written {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Refuses a file with a secret that other users may have read.
pub fn check_private(file: &Path, what: &str) -> Result<(), Failure> {
    // Reading reports the error of a pipe or a missing file.
    let Some(found) = fs::metadata(file).ok().filter(fs::Metadata::is_file) else { return Ok(()) };
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let file = file.display();
    Err(Failure::new(format!(
        "{what} {file} may be read by other users (mode {mode:04o}): run chmod 600 {file} if nobody has read \
         it, or else ask for a new one"
    )))
}

/// Refuses to replace a device, a pipe or a symbolic link by a regular file.
pub fn refuse_special(file: &Path) -> Result<(), Failure> {
    match file.symlink_metadata() {
        Ok(found) if !found.is_file() => Err(Failure::new(format!(
            "{} exists and is not a regular file: name another one",
            file.display()
        ))),
        _ => Ok(()),
    }
}

/// Reads a text of at most `max` bytes, not counting white space; `-` is standard input.
pub fn read_text(file: &Path, max: usize) -> Result<String, Failure> {
    let said = |what: &dyn std::fmt::Display| Failure::new(format!("{}: {what}", file.display()));
    let input: Box<dyn Read> = match file == Path::new("-") {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(file).map_err(|error| said(&error))?),
    };
    let mut text = String::new();
    // Reads a little more, to notice that a text is too long.
    input.take(max as u64 + 4_096).read_to_string(&mut text).map_err(|error| said(&error))?;
    Ok(text)
}
