//! The ports file: the addresses of a running member, for scripts.

use super::{failure::Failure, files::refuse_special};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process,
};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ports {
    listen: Vec<String>,
    api: Option<String>,
}

/// A file that this process wrote.
pub struct PortsFile {
    path: PathBuf,
    text: String,
}

/// Refuses a path that holds anything but a ports file.
pub fn check(path: &Path) -> Result<(), Failure> {
    refuse_special(path)?;
    let text = match read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Failure::new(format!("{}: {error}", path.display()))),
    };
    let is_object = text.starts_with(b"{");
    match text.is_empty() || is_object && serde_json::from_slice::<Ports>(&text).is_ok() {
        true => Ok(()),
        false => Err(Failure::new(format!(
            "{} exists and is not a ports file: name another file, or remove it",
            path.display()
        ))),
    }
}

/// Longest ports file that is read, in bytes; far more than one needs.
const FILE_BYTES_MAX: u64 = 64 << 10;

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX).read_to_end(&mut text)?;
    Ok(text)
}

impl PortsFile {
    /// Written to a temporary file and renamed: whoever sees the file sees all of it, when everything is
    /// bound.
    pub fn write(path: &Path, listen: &[SocketAddr], api: Option<SocketAddr>) -> io::Result<Self> {
        let listen = listen.iter().map(ToString::to_string).collect();
        let text = serde_json::to_string(&Ports { listen, api: api.map(|api| api.to_string()) })? + "\n";
        let mut fresh = path.as_os_str().to_owned();
        fresh.push(format!(".{}.tmp", process::id()));
        let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh);
        opened.and_then(|mut file| file.write_all(text.as_bytes()))?;
        fs::rename(&fresh, path).inspect_err(|_| {
            let _ = fs::remove_file(&fresh);
        })?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// Removes the file, unless another member has replaced it since.
    pub fn remove(self) {
        // Two members never listen on the same ports at the same time, so the text identifies the writer.
        if read(&self.path).is_ok_and(|found| found == self.text.as_bytes()) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_of_a_member_is_replaced_and_only_the_own_one_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ports");
        assert!(check(&path).is_ok(), "no file");
        let at = |port| [SocketAddr::from(([127, 0, 0, 1], port))];
        let one = PortsFile::write(&path, &at(1), None).unwrap();
        assert!(check(&path).is_ok(), "left by a killed member");
        let two = PortsFile::write(&path, &at(2), Some(at(3)[0])).unwrap();
        one.remove();
        assert_eq!(fs::read_to_string(&path).unwrap(), two.text);
        two.remove();
        assert!(!path.exists());
        fs::write(&path, "").unwrap();
        assert!(check(&path).is_ok(), "created empty");
        for other in ["notes", "{}", r#"[["a"],null]"#, "\n", r#"{"listen":["a"],"more":1}"#] {
            fs::write(&path, other).unwrap();
            assert!(check(&path).is_err(), "{other:?}");
        }
    }
}
