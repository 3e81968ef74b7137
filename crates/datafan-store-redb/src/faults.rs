//! Faults on purpose: hard stops that lose what was not synced, and writes that fail.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

/// A handle on the faults of the file under one store; give a clone to
/// [`Options::faults`](crate::Options::faults).
///
/// While a store runs on it, writes reach the file with each sync only, as if the machine kept them in memory
/// until then. Clones are handles of the same faults.
#[derive(Clone, Default, Debug)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Clone, Copy, Default, Debug)]
struct State {
    stop: Option<Cut>,
    writes_left: Option<u64>,
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
        self.set(|state| state.writes_left = Some(writes));
    }

    /// Ends all faults: a store that is opened from now on finds a sound file. One that is open stays refused.
    pub fn heal(&self) {
        self.set(|state| *state = State::default());
    }

    pub(crate) fn stop(&self) -> Option<Cut> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).stop
    }

    pub(crate) fn on_write(&self) -> io::Result<()> {
        let mut failed = false;
        self.set(|state| match &mut state.writes_left {
            Some(0) => failed = true,
            Some(left) => *left -= 1,
            None => {}
        });
        if failed { Err(io::Error::other("a write fails on purpose")) } else { Ok(()) }
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
