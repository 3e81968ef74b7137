//! Checks whether there is room, before the file grows, so that a store does not run into a full disk; and
//! whether the file is still in its place.

use crate::{faults::Faults, open::Options};
use datafan_core::store::{Room, StoreError};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Maximum number of bytes that are kept free by default: several commits of the largest size.
pub const RESERVE_BYTES_MAX: u64 = 256 << 20;
/// And no more than this fraction of the file system.
const RESERVE_SHARE: u64 = 20;

/// How long a result of the check is used, unless this much is written meanwhile.
const LOOK_PERIOD: Duration = Duration::from_millis(100);
const LOOK_BYTES: u64 = 1 << 20;
/// How long a full disk is not tried again: at first, and if it is found full repeatedly.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);
/// What must fit behind the end of the file before it is written again.
const PROBE_BYTES: usize = 4 << 20;

/// Checks the room for one file.
pub struct Watch {
    path: PathBuf,
    file: Identity,
    reserve: Option<u64>,
    faults: Option<Faults>,
    /// The last result and its time.
    found: Option<(Instant, Room)>,
    /// Bytes written since.
    written: u64,
    /// When to try a full disk again, and how long to wait after that.
    retry_at: Instant,
    retry: Duration,
    /// Since when it has room again.
    roomy_since: Option<Instant>,
}

/// The identity of the file: its device and inode number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Identity(u64, u64);

impl Watch {
    /// For the open file at `path`.
    pub fn new(path: &Path, options: &Options) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file: Identity::of(path)?,
            reserve: options.reserve_bytes,
            faults: options.faults.clone(),
            found: None,
            written: 0,
            retry_at: Instant::now() + RETRY_MIN,
            retry: RETRY_MIN,
            roomy_since: None,
        })
    }

    /// Records that about this many bytes were written.
    pub fn add_written(&mut self, bytes: u64) {
        self.written = self.written.saturating_add(bytes);
    }

    /// Records that the disk was found full.
    pub fn postpone_retry(&mut self) {
        let now = Instant::now();
        if let Some(since) = self.roomy_since.take() {
            // Soon after it seemed to have room again: that was wrong.
            let again = now < since + RETRY_MAX;
            self.retry = if again { (self.retry * 2).min(RETRY_MAX) } else { RETRY_MIN };
        }
        self.retry_at = now + self.retry;
        self.found = None;
    }

    /// Records that the file is written again.
    pub fn set_roomy(&mut self) {
        (self.found, self.roomy_since) = (None, Some(Instant::now()));
    }

    /// Whether there is room; `full` is the error of a write that found none.
    ///
    /// # Errors
    /// If the file is no longer where it was opened.
    pub fn look(&mut self, full: Option<&str>) -> Result<Room, StoreError> {
        let now = Instant::now();
        if let Some((at, room)) = &self.found
            && now < *at + LOOK_PERIOD
            && self.written < LOOK_BYTES
        {
            return Ok(room.clone());
        }
        self.check_identity()?;
        let room = match full {
            Some(what) => self.after_full(what, now),
            None => self.before_full(),
        };
        (self.found, self.written) = (Some((now, room.clone())), 0);
        Ok(room)
    }

    /// Bytes that are free on the disk; `None` if the system does not report it.
    pub fn free_bytes(&self) -> Option<u64> {
        self.space().map(|space| space.free)
    }

    fn before_full(&self) -> Room {
        let was_short = matches!(self.found, Some((_, Room::Short { .. })));
        match self.space() {
            Some(space) if space.free < space.wanted(was_short) => Room::Short { why: space.to_string() },
            // If the system does not report it, a write will.
            _ => Room::Enough,
        }
    }

    fn after_full(&mut self, what: &str, now: Instant) -> Room {
        let why = format!("{}: {what}", self.path.display());
        if now < self.retry_at {
            return Room::Short { why };
        }
        self.retry_at = now + self.retry;
        match self.space() {
            Some(space) if space.free < space.wanted(true) => Room::Short { why: space.to_string() },
            _ if self.probe().is_err() => Room::Short { why },
            _ => Room::Again,
        }
    }

    /// Whether a file that is opened now can be written; fails with the error of the system.
    pub fn try_opened(&self) -> io::Result<()> {
        match self.space() {
            Some(space) if space.free >= 2 * PROBE_BYTES as u64 && self.faults.is_none() => Ok(()),
            _ => self.probe(),
        }
    }

    /// Writes a little more than the length of the file to a separate file: quotas and limits of file sizes
    /// show up nowhere else.
    pub fn probe(&self) -> io::Result<()> {
        if self.faults.as_ref().is_some_and(Faults::is_full) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let len = fs::metadata(&self.path)?.len();
        let beside = probe_path(&self.path);
        let written = File::create(&beside).and_then(|mut file| {
            io::Seek::seek(&mut file, io::SeekFrom::Start(len))?;
            file.write_all(&vec![0xda; PROBE_BYTES])?;
            file.sync_data()
        });
        // There may have been no room even for the directory entry.
        let removed = fs::remove_file(&beside);
        written.and(removed)
    }

    fn check_identity(&self) -> Result<(), StoreError> {
        match Identity::of(&self.path) {
            Ok(found) if found != self.file => Err(self.gone("was replaced")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.gone("was removed or moved")),
            // A network may be away briefly: the next read or write fails if that lasts.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn gone(&self, what: &str) -> StoreError {
        let path = self.path.display();
        let what = format!(
            "{path} {what} while it was in use: move it back, or start the member with its new place"
        );
        StoreError::Failed { what }
    }

    fn space(&self) -> Option<Space> {
        let (free, total) = space_of(&self.path)?;
        let reserve = self.reserve.unwrap_or_else(|| RESERVE_BYTES_MAX.min(total / RESERVE_SHARE));
        Some(Space { free, reserve })
    }
}

/// The file written to find out whether there is room.
pub fn probe_path(path: &Path) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".room");
    beside.into()
}

/// Free bytes of a file system, and how many should be free.
struct Space {
    free: u64,
    reserve: u64,
}

impl Space {
    /// Once there was too little, a quarter more must be free, so that the result does not alternate.
    fn wanted(&self, was_short: bool) -> u64 {
        if was_short { self.reserve.saturating_add(self.reserve / 4) } else { self.reserve }
    }
}

impl std::fmt::Display for Space {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kib = |bytes: u64| bytes >> 10;
        write!(f, "{} KiB are free, {} KiB are kept in reserve", kib(self.free), kib(self.reserve))
    }
}

#[cfg(unix)]
impl Identity {
    fn of(path: &Path) -> io::Result<Self> {
        let file = fs::metadata(path)?;
        Ok(Self(std::os::unix::fs::MetadataExt::dev(&file), std::os::unix::fs::MetadataExt::ino(&file)))
    }
}

#[cfg(not(unix))]
impl Identity {
    fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|_| Self(0, 0))
    }
}

/// Bytes that this user may still write, and all bytes of the file system.
#[cfg(unix)]
fn space_of(path: &Path) -> Option<(u64, u64)> {
    let found = rustix::fs::statvfs(path).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Some((bytes(found.f_bavail), bytes(found.f_blocks)))
}

#[cfg(not(unix))]
fn space_of(_: &Path) -> Option<(u64, u64)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(reserve_bytes: u64) -> (tempfile::TempDir, Watch) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.redb");
        fs::write(&path, b"content").unwrap();
        let options = Options { reserve_bytes: Some(reserve_bytes), ..Options::default() };
        let watch = Watch::new(&path, &options).unwrap();
        (directory, watch)
    }

    #[test]
    fn a59_less_than_the_reserve_is_no_room() {
        assert_eq!(watch(0).1.look(None), Ok(Room::Enough));
        assert!(watch(0).1.free_bytes().is_some_and(|free| free > 0));
        let Ok(Room::Short { why }) = watch(u64::MAX / 2).1.look(None) else {
            panic!("there is no such disk")
        };
        assert!(why.contains("KiB are free"), "{why}");
        let space = Space { free: 110, reserve: 100 };
        assert!(space.free >= space.wanted(false) && space.free < space.wanted(true));
    }

    #[test]
    fn a59_a_file_that_is_gone_or_another_one_is_noticed() {
        let (directory, mut watch) = watch(0);
        let path = directory.path().join("store.redb");
        fs::rename(&path, directory.path().join("elsewhere")).unwrap();
        let error = watch.look(None).unwrap_err();
        assert!(error.to_string().contains("was removed or moved while it was in use"), "{error}");
        fs::write(&path, b"another").unwrap();
        let error = watch.look(None).unwrap_err();
        assert!(error.to_string().contains("was replaced"), "{error}");
    }

    #[test]
    fn a59_a_disk_that_was_full_is_tried_before_it_is_used_again() {
        let (directory, mut watch) = watch(0);
        watch.postpone_retry();
        let Ok(Room::Short { why }) = watch.look(Some("no space")) else { panic!("too early") };
        assert!(why.ends_with("no space"), "{why}");
        (watch.retry_at, watch.found) = (Instant::now(), None);
        assert_eq!(watch.look(Some("no space")), Ok(Room::Again));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left behind");
        watch.set_roomy();
        watch.postpone_retry();
        assert_eq!(watch.retry, 2 * RETRY_MIN, "it was wrong");
    }
}
