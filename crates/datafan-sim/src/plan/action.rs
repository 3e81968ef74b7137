//! What is done to a mesh, and when.

use datafan_core::engine::Disposition as Revocation;
use std::collections::BTreeSet;

/// One thing that is done to the mesh.
#[derive(Clone, Debug)]
pub enum Action {
    /// A member loses its power.
    Crash(usize),
    /// A member stops cleanly.
    Stop(usize),
    /// A member starts, on a disk that works again.
    Start(usize),
    /// A link is cut.
    Cut(usize, usize),
    /// A cut ends.
    Heal(usize, usize),
    /// One member's messages to another are lost.
    Deafen(usize, usize),
    /// They arrive again.
    Undeafen(usize, usize),
    /// A link breaks once.
    Flap(usize, usize),
    /// The mesh falls into groups; whose group each member is in.
    Part(Vec<u8>),
    /// These groups find each other again.
    Unite(Vec<u8>),
    /// A disk fails after so many more writes, saying this.
    FailDisk(usize, u64, &'static str),
    /// There is room for so many writes.
    FillDisk(usize, u64),
    /// There is room again.
    FreeDisk(usize),
    /// Syncs take this long.
    SlowDisk(usize, u64),
    /// A wall clock shows this much more, in microseconds.
    JumpClock(usize, i64),
    /// A wall clock goes faster by so many millionths.
    Drift(usize, i64),
    /// A member lives somewhere else from now on: where another one lived, or where nobody did.
    Move(usize, Vacancy),
    /// A member publishes where it lives.
    Publish(usize),
    /// Members lose their power, and never start again.
    Die(Vec<usize>),
    /// A copy of a disk is put aside.
    Backup(usize),
    /// A member loses its power, and its disk becomes the copy.
    Restore(usize),
    /// A member is admitted, and starts.
    Admit(usize),
    /// A member is revoked.
    Revoke(usize, Revocation),
}

/// Where a member moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Vacancy {
    /// Where nobody lived before.
    New,
    /// Where a member lived that has moved away, if there is one.
    Used,
}

/// A plan: actions by time since the faults begin, in microseconds.
#[derive(Default, Debug)]
pub struct Plan {
    /// Ascending.
    pub actions: Vec<(u64, Action)>,
    /// Members whose messages are altered.
    pub misbehaving: BTreeSet<usize>,
    /// Members that are admitted by an action only.
    pub joiners: BTreeSet<usize>,
    /// Members that can dial and cannot be dialled.
    pub dial_only: BTreeSet<usize>,
}
