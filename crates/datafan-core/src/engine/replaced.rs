//! What becomes of a held state that is to be replaced.

use crate::time::Timestamp;

/// What becomes of a held state that is to be replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Replaced {
    /// Nothing: the new state grew out of it, or has ended it.
    Continued,
    /// It is kept: both share their past up to this timestamp only.
    Diverged(Timestamp),
    /// The new state names the run that is running here: another process goes on from what we wrote.
    Taken {
        /// Not from all of it.
        diverged: bool,
        /// Nobody took anything over: it is another end of that very run.
        same_run: bool,
    },
}
