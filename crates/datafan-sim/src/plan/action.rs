//! The faults that are injected into a mesh, and when.

use datafan_core::engine::Disposition as Revocation;
use std::collections::BTreeSet;

/// A fault, or another change of the mesh.
#[derive(Clone, Debug)]
pub enum Action {
    /// A member loses its power.
    Crash(usize),
    /// A member stops cleanly.
    Stop(usize),
    /// A member starts, with a repaired disk.
    Start(usize),
    /// A link is cut.
    Cut(usize, usize),
    /// A cut link is restored.
    Heal(usize, usize),
    /// Messages from one member to another are lost.
    Deafen(usize, usize),
    /// They arrive again.
    Undeafen(usize, usize),
    /// A link breaks once.
    Flap(usize, usize),
    /// The mesh is partitioned; the group of each member.
    Part(Vec<u8>),
    /// The partition ends.
    Unite(Vec<u8>),
    /// A disk fails after this many more writes, with this error.
    FailDisk(usize, u64, &'static str),
    /// The disk has room for this many more writes.
    FillDisk(usize, u64),
    /// The disk has room again.
    FreeDisk(usize),
    /// Syncs take this long.
    SlowDisk(usize, u64),
    /// A wall clock jumps forward by this many microseconds.
    JumpClock(usize, i64),
    /// A wall clock runs faster by this many millionths.
    Drift(usize, i64),
    /// The address of a member changes: to that of another member, or to a new one.
    Move(usize, Vacancy),
    /// A member publishes its address.
    Publish(usize),
    /// Members lose their power, and never start again.
    Die(Vec<usize>),
    /// A disk is copied.
    Backup(usize),
    /// A member loses its power, and its disk is replaced by the copy.
    Restore(usize),
    /// A member is admitted, and starts.
    Admit(usize),
    /// A member is revoked.
    Revoke(usize, Revocation),
}

/// The new address of a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Vacancy {
    /// An unused address.
    New,
    /// The old address of a member that has moved away, if there is one.
    Used,
}

/// A plan: actions by time since the start of the faults, in microseconds.
#[derive(Default, Debug)]
pub struct Plan {
    /// Ascending.
    pub actions: Vec<(u64, Action)>,
    /// Members whose messages are altered.
    pub misbehaving: BTreeSet<usize>,
    /// Members that are admitted by an action only.
    pub joiners: BTreeSet<usize>,
    /// Members that can dial but cannot be dialled.
    pub dial_only: BTreeSet<usize>,
}
