//! The socket in a member's directory, however long the directory's path is.

use std::{
    fs::{self, File, FileType, Permissions},
    io,
    os::{
        fd::AsRawFd,
        unix::{
            ffi::OsStrExt,
            fs::{FileTypeExt, MetadataExt, PermissionsExt},
        },
    },
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};
use tokio::net::{UnixListener, UnixStream};

/// The name of the socket in its directory.
pub const SOCKET_NAME: &str = "api.sock";

/// Longest path that is passed to the system directly: a socket address has 108 bytes on Linux and 104
/// elsewhere, and the socket is bound under a longer name than its final one.
const PLAIN_PATH_BYTES_MAX: usize = 80;

/// A directory under a name that is short enough for a socket address.
struct ShortPath {
    path: PathBuf,
    /// Keeps the short name valid.
    _handle: Option<File>,
}

impl ShortPath {
    fn of(dir: &Path) -> io::Result<Self> {
        if dir.as_os_str().as_bytes().len() <= PLAIN_PATH_BYTES_MAX {
            return Ok(Self { path: dir.to_owned(), _handle: None });
        }
        let handle = File::open(dir)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()));
        Ok(Self { path, _handle: Some(handle) })
    }
}

/// A listening socket; dropping it removes its file.
pub struct Bound {
    listener: UnixListener,
    removal: Removal,
}

impl Bound {
    /// The listener, and the guard that removes the file when it is dropped.
    pub(super) fn split(self) -> (UnixListener, Removal) {
        (self.listener, self.removal)
    }
}

/// Removes the socket file when it is dropped, if it is still the one that was created.
pub(super) struct Removal {
    dir: PathBuf,
    /// Its device and inode number.
    made: (u64, u64),
    /// What blocks its place, as last reported.
    said: Mutex<Option<String>>,
}

/// The state of the socket file.
pub(super) enum Renewal {
    /// It exists.
    Same,
    /// It was gone, or a dead socket was in its place: a new one was created.
    Made(Bound),
    /// Something else is in its place, and was not reported yet.
    Blocked(String),
}

impl Removal {
    /// Creates the socket again if its file is gone or dead; leaves everything else alone.
    pub(super) async fn renew(&self) -> Renewal {
        let path = self.dir.join(SOCKET_NAME);
        if identity(&path).is_ok_and(|found| found == self.made) {
            return self.saying(None);
        }
        match bind(&self.dir).await {
            Ok(bound) => Renewal::Made(bound),
            Err(error) => self.saying(Some(error.to_string())),
        }
    }

    fn saying(&self, blocked: Option<String>) -> Renewal {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if *said == blocked {
            return Renewal::Same;
        }
        said.clone_from(&blocked);
        blocked.map_or(Renewal::Same, |what| {
            Renewal::Blocked(format!("{}: {what}", self.dir.join(SOCKET_NAME).display()))
        })
    }
}

/// The kind of a file that is not a socket.
pub fn kind_of(found: FileType) -> &'static str {
    if found.is_dir() {
        "a directory"
    } else if found.is_symlink() {
        "a symbolic link"
    } else if found.is_file() {
        "a regular file"
    } else {
        "a device or pipe"
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

/// Refuses to replace anything but a dead socket.
async fn refuse_in_the_way(dir: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(dir.join(SOCKET_NAME)) {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.is_socket() {
        let text = format!("{} exists at this path", kind_of(found));
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    let text = match connect(dir).await {
        Ok(_) => "another process answers on a socket at this path".to_owned(),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(()),
        // It has disappeared since.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => format!("a socket exists at this path, and cannot be checked ({error})"),
    };
    Err(io::Error::new(io::ErrorKind::AddrInUse, text))
}

/// Listens on the socket of `dir`, with access for its owner only. A dead socket is replaced; call this only
/// while holding the directory's lock, so that no other process does the same.
///
/// # Errors
/// If a process answers there, something else is in its place, or the system refuses. Nothing is replaced
/// then.
pub async fn bind(dir: &Path) -> io::Result<Bound> {
    refuse_in_the_way(dir).await?;
    // Created in a private directory and moved: it is never open to others, not even briefly, and replaces a
    // stale one atomically.
    let short = ShortPath::of(dir)?;
    let nursery = format!(".api-{}", std::process::id());
    let fresh = short.path.join(&nursery);
    let _ = fs::remove_dir_all(&fresh);
    fs::create_dir(&fresh)?;
    let listener = bind_in(&fresh, &short.path.join(SOCKET_NAME));
    let _ = fs::remove_dir_all(&fresh);
    let (listener, made) = listener?;
    Ok(Bound { listener, removal: Removal { dir: dir.to_owned(), made, said: Mutex::default() } })
}

fn bind_in(fresh: &Path, target: &Path) -> io::Result<(UnixListener, (u64, u64))> {
    fs::set_permissions(fresh, Permissions::from_mode(0o700))?;
    let path = fresh.join(SOCKET_NAME);
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    let made = identity(&path)?;
    fs::rename(&path, target)?;
    Ok((listener, made))
}

/// Connects to the running member of `dir`.
///
/// # Errors
/// If no member answers there.
pub async fn connect(dir: &Path) -> io::Result<UnixStream> {
    let short = ShortPath::of(dir)?;
    UnixStream::connect(short.path.join(SOCKET_NAME)).await
}

impl Drop for Removal {
    fn drop(&mut self) {
        // A crash leaves the file too; the next start replaces it.
        // A different file belongs to another process: the directory was moved away and a new one took its
        // place.
        let path = self.dir.join(SOCKET_NAME);
        if identity(&path).is_ok_and(|found| found == self.made) {
            let _ = fs::remove_file(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modes(dir: &Path) -> (u32, usize) {
        let socket = fs::metadata(dir.join(SOCKET_NAME)).unwrap();
        (socket.permissions().mode() & 0o777, fs::read_dir(dir).unwrap().count())
    }

    #[tokio::test]
    async fn a_directory_may_have_any_length() {
        let home = tempfile::tempdir().unwrap();
        let long = (0..9).fold(home.path().to_owned(), |dir, _| dir.join("a-name-of-thirty-two-characters-"));
        fs::create_dir_all(&long).unwrap();
        let bound = bind(&long).await.unwrap();
        assert_eq!(modes(&long), (0o600, 1));
        let (connected, accepted) = tokio::join!(connect(&long), bound.listener.accept());
        assert!(connected.is_ok() && accepted.is_ok());
        drop(bound);
        assert!(connect(&long).await.is_err());
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        drop(std::os::unix::net::UnixListener::bind(dir.path().join(SOCKET_NAME)).unwrap());
        let bound = bind(dir.path()).await.unwrap();
        let Err(refused) = bind(dir.path()).await else { panic!("bound twice") };
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(modes(dir.path()), (0o600, 1));
        drop(bound);
    }

    #[tokio::test]
    async fn what_is_no_socket_is_refused_at_the_start_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(SOCKET_NAME);
        let refused = async |what: &str| {
            let Err(error) = bind(dir.path()).await else { panic!("{what} was replaced") };
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert!(error.to_string().contains(what), "{error}");
        };
        fs::write(&path, "notes").unwrap();
        refused("a regular file").await;
        assert_eq!(fs::read(&path).unwrap(), b"notes");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        refused("a symbolic link").await;
        assert!(path.is_symlink());
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        refused("a directory").await;
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[tokio::test]
    async fn a_socket_of_somebody_else_is_left_alone_and_one_that_is_gone_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(SOCKET_NAME);
        let bound = bind(dir.path()).await.unwrap();
        assert!(matches!(bound.removal.renew().await, Renewal::Same), "it exists");
        fs::remove_file(&path).unwrap();
        let Renewal::Made(renewed) = bound.removal.renew().await else { panic!("it was gone") };
        assert!(connect(dir.path()).await.is_ok());
        drop(bound);
        assert!(connect(dir.path()).await.is_ok(), "the old one's file is another one");
        drop(renewed);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_dead_socket_in_its_place_is_replaced_and_all_else_is_named_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(SOCKET_NAME);
        let Bound { removal, listener } = bind(dir.path()).await.unwrap();
        let blocked = async |what: &str| {
            let Renewal::Blocked(said) = removal.renew().await else { panic!("{what} is not named") };
            assert!(said.starts_with(path.to_str().unwrap()) && said.contains(what), "{said}");
            assert!(matches!(removal.renew().await, Renewal::Same), "it is reported once");
        };
        fs::remove_file(&path).unwrap();
        fs::write(&path, "notes").unwrap();
        blocked("a regular file").await;
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        blocked("a directory").await;
        fs::remove_dir(&path).unwrap();
        let foreign = std::os::unix::net::UnixListener::bind(&path).unwrap();
        blocked("another process answers").await;
        drop(foreign);
        let Renewal::Made(renewed) = removal.renew().await else { panic!("nobody answers there") };
        assert!(connect(dir.path()).await.is_ok());
        drop((renewed, listener));
    }
}
