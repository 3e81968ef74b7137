//! The counters of an engine.

use super::rejection::Rejection;
use alloc::collections::BTreeMap;

/// Counters since the engine was opened. They only grow.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Stats {
    /// Messages sent.
    pub messages_sent: u64,
    /// Bytes of these messages.
    pub bytes_sent: u64,
    /// Messages received.
    pub messages_received: u64,
    /// Bytes of these messages.
    pub bytes_received: u64,
    /// Own commits.
    pub commits: u64,
    /// Commits of other members that became visible here.
    pub applied: u64,
    /// Dials begun, each to the addresses of one member or to one address that the user gave.
    pub dials: u64,
    /// Signatures checked.
    pub verified: u64,
    /// Rounds begun.
    pub rounds: u64,
    /// Silent peers probed.
    pub probes_sent: u64,
    /// Deltas pushed.
    pub pushes_sent: u64,
    /// Pushes and announced heads received that brought nothing new.
    pub redundant: u64,
    /// Bytes of those pushes.
    pub redundant_bytes: u64,
    /// Deltas sent in answer to pulls.
    pub deltas_sent: u64,
    /// Pulls for which no delta was available.
    pub deltas_unavailable: u64,
    /// Reconciliations begun.
    pub reconciliations: u64,
    /// Items fetched by range.
    pub range_items: u64,
    /// How often each kind of rejection occurred.
    pub refusals: BTreeMap<Rejection, u64>,
}

impl Stats {
    /// Counts one rejection.
    pub(crate) fn reject(&mut self, rejection: Rejection) {
        *self.refusals.entry(rejection).or_default() += 1;
    }
}
