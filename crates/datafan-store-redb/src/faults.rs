//! Injected faults: hard stops that lose unsynced data, failing writes, and a tape of all writes, from which
//! tests derive the result of any power cut.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A handle on the faults of the file under one store; pass a clone to
/// [`Options::faults`](crate::Options::faults).
///
/// While a store uses it, writes reach the file only with each sync, as if the machine kept them in memory
/// until then. Clones are handles of the same faults.
#[derive(Clone, Default, Debug)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Default, Debug)]
struct State {
    stop: Option<Cut>,
    failing: Failing,
    tape: Option<Vec<Recorded>>,
}

/// Which writes fail.
#[derive(Clone, Copy, Default, Debug)]
enum Failing {
    #[default]
    None,
    /// All, after this many.
    After(u64),
    /// One, after this many.
    OnceAfter(u64),
    /// All, after this many, because the disk is full.
    FullAfter(u64),
}

/// An operation on the file, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// The operation.
    pub operation: Operation,
    /// Whether it failed on purpose.
    pub failed: bool,
}

/// A change of the file, or a sync.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Bytes written at an offset.
    Write {
        /// The offset.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// The file was cut off or extended with zeros.
    Length(u64),
    /// Everything before was made durable.
    Sync,
}

/// What happens to unsynced writes in a power cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    /// None is on the disk.
    Lost,
    /// Each block of 4 KiB is there or not, as chosen by the seed.
    Torn(u64),
}

impl Faults {
    /// Without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// A hard stop: unsynced data is lost, and everything is refused from now on.
    pub fn cut(&self) {
        self.set(|state| state.stop = Some(Cut::Lost));
    }

    /// A hard stop that leaves some of the unsynced blocks on the disk, chosen by `seed`.
    pub fn cut_torn(&self, seed: u64) {
        self.set(|state| state.stop = Some(Cut::Torn(seed)));
    }

    /// Lets `writes` writes, changes of length and syncs of the file succeed, and no later one.
    pub fn fail_after(&self, writes: u64) {
        self.set(|state| state.failing = Failing::After(writes));
    }

    /// Lets `writes` of them succeed, the next one fail, and all later ones succeed, as on a disk that is
    /// briefly full.
    pub fn fail_once_after(&self, writes: u64) {
        self.set(|state| state.failing = Failing::OnceAfter(writes));
    }

    /// Lets `writes` of them succeed; then the disk is full until [`Faults::heal`].
    pub fn fill_after(&self, writes: u64) {
        self.set(|state| state.failing = Failing::FullAfter(writes));
    }

    /// Whether the disk is full, by [`Faults::fill_after`].
    pub(crate) fn is_full(&self) -> bool {
        matches!(self.state().failing, Failing::FullAfter(0))
    }

    /// Records every write, change of length and sync from now on. Do not combine this with hard stops: the
    /// tape also has what those refuse.
    pub fn record(&self) {
        self.set(|state| state.tape = Some(Vec::new()));
    }

    /// Number of operations on the tape.
    pub fn n_recorded(&self) -> usize {
        self.state().tape.as_ref().map_or(0, Vec::len)
    }

    /// Takes the tape and ends the recording.
    pub fn take_tape(&self) -> Vec<Recorded> {
        self.state().tape.take().unwrap_or_default()
    }

    /// Ends all faults and the recording: a store that is opened from now on finds a good file. A store that
    /// is already open still refuses everything.
    pub fn heal(&self) {
        self.set(|state| *state = State::default());
    }

    pub(crate) fn stop(&self) -> Option<Cut> {
        self.state().stop
    }

    /// Called before each write, change of length and sync of the file.
    pub(crate) fn on_write(&self, operation: impl FnOnce() -> Operation) -> io::Result<()> {
        let mut state = self.state();
        let failed = state.failing.next();
        if let Some(tape) = &mut state.tape {
            tape.push(Recorded { operation: operation(), failed });
        }
        match (failed, state.failing) {
            (false, _) => Ok(()),
            (true, Failing::FullAfter(_)) => Err(io::ErrorKind::StorageFull.into()),
            (true, _) => Err(io::Error::other("a write fails on purpose")),
        }
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failing {
    /// Whether this write fails.
    fn next(&mut self) -> bool {
        match self {
            Self::None => false,
            Self::After(0) | Self::FullAfter(0) => true,
            Self::OnceAfter(0) => {
                *self = Self::None;
                true
            }
            Self::After(left) | Self::OnceAfter(left) | Self::FullAfter(left) => {
                *left -= 1;
                false
            }
        }
    }
}
