//! Commands that are committed together.

use super::{
    command_error::CommandError,
    effect::{Committed, Ticket},
};
use crate::limits::{COMMIT_BYTES_MAX, COMMIT_WRITES_MAX};
use alloc::vec::Vec;

/// Commands that are committed together, with their total size.
#[derive(Default)]
pub(super) struct Group {
    pub(super) answers: Vec<(Ticket, Committed)>,
    /// Commands that are refused.
    pub(super) refused: Vec<(Ticket, CommandError)>,
    pub(super) writes: usize,
    pub(super) bytes: usize,
    /// Expired items that were removed for it.
    pub(super) reclaimed: usize,
}

impl Group {
    /// Adds a command with its number of writes and bytes.
    pub(super) fn add(&mut self, ticket: Ticket, committed: Committed, writes: usize, bytes: usize) {
        self.writes += writes;
        self.bytes += bytes;
        self.answers.push((ticket, committed));
    }

    /// Whether this many more writes and bytes fit in one commit.
    pub(super) fn has_room(&self, writes: usize, bytes: usize) -> bool {
        self.writes + writes <= COMMIT_WRITES_MAX && self.bytes + bytes <= COMMIT_BYTES_MAX
    }
}
