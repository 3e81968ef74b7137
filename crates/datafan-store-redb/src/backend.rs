//! The file under redb: as it is, with faults, or only looked at.

use crate::{
    faults::{Cut, Faults, Operation},
    overlay::Overlay,
};
use redb::{BackendError, StorageBackend, backends::FileBackend};
use std::{
    io,
    ops::Bound,
    sync::{Mutex, PoisonError},
};

/// What becomes of writes.
#[derive(Clone, Debug)]
pub enum Writes {
    /// They go to the file.
    Through,
    /// They stay in memory until a sync, and fail as the faults say.
    Faulty(Faults),
    /// They stay in memory and are forgotten: the file is only looked at.
    Forgotten,
}

/// A file that redb reads, writes and locks.
#[derive(Debug)]
pub struct Backend {
    file: FileBackend,
    writes: Writes,
    /// `None` with [`Writes::Through`], and after a hard stop, when everything is refused.
    overlay: Mutex<Option<Overlay>>,
}

impl Backend {
    /// Over `file`.
    pub fn new(file: FileBackend, writes: Writes) -> io::Result<Self> {
        let overlay = match writes {
            Writes::Through => None,
            Writes::Faulty(_) | Writes::Forgotten => Some(Overlay::new(&file)?),
        };
        Ok(Self { file, writes, overlay: Mutex::new(overlay) })
    }

    /// Does one operation on the overlay, if the file still stands.
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
        matches!(self.writes, Writes::Through)
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        if self.is_through() { self.file.len() } else { self.over(|overlay| Ok(overlay.len())) }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.is_through() {
            return self.file.read(offset, out);
        }
        self.over(|overlay| overlay.read(&self.file, offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if self.is_through() {
            return self.file.set_len(len);
        }
        self.on_write(|| Operation::Length(len))?;
        self.over(|overlay| overlay.set_len(&self.file, len))
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.is_through() {
            return self.file.sync_data();
        }
        self.on_write(|| Operation::Sync)?;
        self.over(|overlay| {
            if let Writes::Forgotten = self.writes {
                return Ok(());
            }
            self.file.set_len(overlay.len())?;
            overlay.flush(&self.file, |_| true)?;
            self.file.sync_data()
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if self.is_through() {
            return self.file.write(offset, data);
        }
        self.on_write(|| Operation::Write { offset, bytes: data.to_vec() })?;
        self.over(|overlay| overlay.write(&self.file, offset, data))
    }

    fn close(&self) -> io::Result<()> {
        // A hard stop that no operation has noticed yet leaves its torn blocks now.
        let _ = self.over(|_| Ok(()));
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
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

/// A coin per block: the finaliser of splitmix64 (G. Steele et al., 2014).
fn is_kept(seed: u64, block: u64) -> bool {
    let mut z = seed ^ block.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) & 1 == 0
}
