//! Faults on purpose: hard stops that lose what was not synced, writes that fail, and a tape of all writes,
//! from which tests make what any power cut would leave.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A handle on the faults of the file under one store; give a clone to
/// [`Options::faults`](crate::Options::faults).
///
/// While a store runs on it, writes reach the file with each sync only, as if the machine kept them in memory
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
    /// All, after so many.
    After(u64),
    /// One, after so many.
    OnceAfter(u64),
    /// All, after so many, for want of room.
    FullAfter(u64),
}

/// What was done to the file, in its order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// What.
    pub operation: Operation,
    /// Whether it failed, on purpose.
    pub failed: bool,
}

/// A change of the file or its sync.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Bytes written at an offset.
    Write {
        /// Where.
        offset: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// The file was cut off or extended with zeros.
    Length(u64),
    /// What came before was made durable.
    Sync,
}

/// What becomes of writes that were not synced when the power went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    /// None is on the disk.
    Lost,
    /// Each block of 4 KiB is there or not, as the seed says.
    Torn(u64),
}

impl Faults {
    /// No faults yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A hard stop: what was not synced is lost, and from this instant everything is refused.
    pub fn cut(&self) {
        self.set(|state| state.stop = Some(Cut::Lost));
    }

    /// A hard stop that leaves some of the blocks that were not synced on the disk, chosen by `seed`.
    pub fn cut_torn(&self, seed: u64) {
        self.set(|state| state.stop = Some(Cut::Torn(seed)));
    }

    /// Lets `writes` writes, changes of length and syncs of the file succeed, and no later one.
    pub fn fail_after(&self, writes: u64) {
        self.set(|state| state.failing = Failing::After(writes));
    }

    /// Lets `writes` of them succeed, the next one fail, and all later ones succeed: as on a disk that is
    /// full for a moment.
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

    /// From now on keeps every write, change of length and sync. Not together with hard stops: what those
    /// refuse is on the tape too.
    pub fn record(&self) {
        self.set(|state| state.tape = Some(Vec::new()));
    }

    /// How much is on the tape.
    pub fn n_recorded(&self) -> usize {
        self.state().tape.as_ref().map_or(0, Vec::len)
    }

    /// Takes the tape and ends the recording.
    pub fn take_tape(&self) -> Vec<Recorded> {
        self.state().tape.take().unwrap_or_default()
    }

    /// Ends all faults and the recording: a store that is opened from now on finds a sound file. One that is
    /// open stays refused.
    pub fn heal(&self) {
        self.set(|state| *state = State::default());
    }

    pub(crate) fn stop(&self) -> Option<Cut> {
        self.state().stop
    }

    /// Before each write, change of length and sync of the file.
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
