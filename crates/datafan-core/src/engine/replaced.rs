//! What happens to a held state when it is replaced.

use crate::time::Timestamp;

/// What happens to a held state when it is replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Replaced {
    /// It is dropped: the new state descends from it, or ended its branch.
    Continued,
    /// It is kept as a divergent copy: both states are equal only up to this timestamp.
    Diverged(Timestamp),
    /// It is our own shard, and the new state lists the run of this process: another process continues from
    /// our writes.
    Taken {
        /// It does not continue from all of our writes.
        diverged: bool,
        /// Its last run is the run of this process.
        same_run: bool,
    },
}
