//! The file under redb: plain, with faults, or read-only. When the disk is full, all further writes stay in
//! memory, so that redb continues to serve readers: the file is then as if the process had crashed before the
//! first of them.

use crate::{
    faults::{Cut, Faults, Operation},
    overlay::Overlay,
};
use redb::{BackendError, StorageBackend, backends::FileBackend};
use std::{
    io,
    ops::Bound,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// Where writes go.
#[derive(Clone, Debug)]
pub enum Writes {
    /// They go to the file.
    Through,
    /// They stay in memory until a sync, and fail as the faults say.
    Faulty(Faults),
    /// They stay in memory and are discarded: the file is read-only.
    Forgotten,
}

/// A file that redb reads, writes and locks.
#[derive(Debug)]
pub struct Backend {
    file: FileBackend,
    writes: Writes,
    full: Full,
    /// `None` with [`Writes::Through`] until the disk is full, and after a hard stop, when everything is
    /// refused.
    overlay: Mutex<Option<Overlay>>,
}

/// Whether the disk of a file was found full, and the error of the system: from then on nothing reaches the
/// file.
#[derive(Clone, Default, Debug)]
pub struct Full(Arc<OnceLock<String>>, Deadline, Written);

/// Number of bytes that redb has written to a file since it was opened.
#[derive(Clone, Default, Debug)]
pub struct Written(Arc<AtomicU64>);

impl Written {
    /// Bytes.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// The deadline of work on a file: afterwards every request of redb fails.
#[derive(Clone, Default, Debug)]
pub struct Deadline(Arc<Mutex<Option<Instant>>>);

impl Deadline {
    /// Sets the deadline; `None` for none.
    pub fn set(&self, at: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// Whether the deadline has passed.
    pub fn is_over(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| at <= Instant::now())
    }

    fn check(&self) -> io::Result<()> {
        if self.is_over() { Err(io::Error::new(io::ErrorKind::TimedOut, "it took too long")) } else { Ok(()) }
    }
}

impl Full {
    /// Treats the disk as full from the start.
    pub fn of(error: &io::Error) -> Self {
        Self(Arc::new(OnceLock::from(error.to_string())), Deadline::default(), Written::default())
    }

    /// The deadline of work on the file.
    pub fn deadline(&self) -> &Deadline {
        &self.1
    }

    /// The number of bytes written.
    pub fn written(&self) -> &Written {
        &self.2
    }

    /// The error of the system.
    pub fn what(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

/// Whether an error says that there is no more room: on the disk, in a quota, or for a file of this size.
pub fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

impl Backend {
    /// Wraps `file`.
    pub fn new(file: FileBackend, writes: Writes, full: Full) -> io::Result<Self> {
        let overlay = match writes {
            Writes::Through => None,
            Writes::Faulty(_) | Writes::Forgotten => Some(Overlay::new(&file)?),
        };
        Ok(Self { file, writes, full, overlay: Mutex::new(overlay) })
    }

    /// Does one operation on the overlay, unless the file was stopped.
    fn over<T>(&self, work: impl FnOnce(&mut Overlay) -> io::Result<T>) -> io::Result<T> {
        let mut overlay = self.overlay.lock().unwrap_or_else(PoisonError::into_inner);
        if let Writes::Faulty(faults) = &self.writes
            && let Some(cut) = faults.stop()
        {
            let lost = overlay.take();
            if let (Some(mut overlay), Cut::Torn(seed)) = (lost, cut) {
                overlay.flush(&self.file, |block| is_kept(seed, block))?;
            }
        }
        work(overlay.as_mut().ok_or_else(|| io::Error::other("the store was stopped hard"))?)
    }

    fn on_write(&self, operation: impl FnOnce() -> Operation) -> io::Result<()> {
        if let Writes::Faulty(faults) = &self.writes { faults.on_write(operation) } else { Ok(()) }
    }

    fn is_through(&self) -> bool {
        matches!(self.writes, Writes::Through) && self.full.what().is_none()
    }

    /// Whether nothing reaches the file any more.
    fn forgets(&self) -> bool {
        matches!(self.writes, Writes::Forgotten) || self.full.what().is_some()
    }

    /// Changes the file. If there is no room, this change and all that follow are made in memory.
    fn change(
        &self,
        on_file: impl FnOnce() -> io::Result<()>,
        in_memory: impl FnOnce(&mut Overlay) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.is_through() {
            match on_file() {
                Err(error) if is_full(&error) => self.divert(&error)?,
                done => return done,
            }
        }
        self.over(in_memory)
    }

    fn divert(&self, error: &io::Error) -> io::Result<()> {
        let mut overlay = self.overlay.lock().unwrap_or_else(PoisonError::into_inner);
        if overlay.is_none() && matches!(self.writes, Writes::Through) {
            *overlay = Some(Overlay::new(&self.file)?);
        }
        // Set after the change of the overlay: whoever sees that the disk is full finds the overlay.
        let _ = self.full.0.set(error.to_string());
        Ok(())
    }

    /// Applies the injected faults; a disk that is full on purpose is not an error.
    fn meet_faults(&self, operation: impl FnOnce() -> Operation) -> io::Result<()> {
        match self.on_write(operation) {
            Err(error) if is_full(&error) => self.divert(&error),
            met => met,
        }
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        if self.is_through() { self.file.len() } else { self.over(|overlay| Ok(overlay.len())) }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.full.deadline().check()?;
        if self.is_through() {
            return self.file.read(offset, out);
        }
        self.over(|overlay| overlay.read(&self.file, offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.full.deadline().check()?;
        self.meet_faults(|| Operation::Length(len))?;
        self.change(|| self.file.set_len(len), |overlay| overlay.set_len(&self.file, len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.full.deadline().check()?;
        self.meet_faults(|| Operation::Sync)?;
        let flush = |overlay: &mut Overlay| {
            if self.forgets() {
                return Ok(());
            }
            self.file.set_len(overlay.len())?;
            overlay.flush(&self.file, |_| true)?;
            self.file.sync_data()
        };
        self.change(|| self.file.sync_data(), flush)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.full.deadline().check()?;
        self.meet_faults(|| Operation::Write { offset, bytes: data.to_vec() })?;
        self.full.written().add(data.len());
        self.change(|| self.file.write(offset, data), |overlay| overlay.write(&self.file, offset, data))
    }

    fn close(&self) -> io::Result<()> {
        // A hard stop that no operation has noticed yet leaves its torn blocks now.
        let _ = self.over(|_| Ok(()));
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        match self.writes {
            // A reader need not be alone, and a file that cannot be written takes no other lock.
            Writes::Forgotten => self.file.try_lock_shared_range(start, end),
            Writes::Through | Writes::Faulty(_) => self.file.try_lock_range(start, end),
        }
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        match self.writes {
            Writes::Forgotten => self.file.lock_shared_range(start, end),
            Writes::Through | Writes::Faulty(_) => self.file.lock_range(start, end),
        }
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

/// A coin flip per block: the finaliser of splitmix64 (G. Steele et al., 2014).
fn is_kept(seed: u64, block: u64) -> bool {
    let mut z = seed ^ block.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) & 1 == 0
}
