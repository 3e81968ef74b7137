//! What an engine counts.

use super::rejection::Rejection;
use alloc::collections::BTreeMap;

/// Plain counters since the engine was opened; they only grow.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Stats {
    /// Messages sent.
    pub messages_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Messages received.
    pub messages_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// Own commits.
    pub commits: u64,
    /// Commits of others that became visible here.
    pub applied: u64,
    /// Dials begun, of one member's addresses or of one that the user named.
    pub dials: u64,
    /// Signatures checked.
    pub verified: u64,
    /// Rounds begun.
    pub rounds: u64,
    /// Silent peers probed.
    pub probes_sent: u64,
    /// Deltas sent unasked.
    pub pushes_sent: u64,
    /// Pushes and announced heads received that brought nothing.
    pub redundant: u64,
    /// Bytes of those pushes.
    pub redundant_bytes: u64,
    /// Deltas answered with.
    pub deltas_sent: u64,
    /// Pulls answered without a delta, as none can be given.
    pub deltas_unavailable: u64,
    /// Reconciliations begun.
    pub reconciliations: u64,
    /// Items fetched by range.
    pub range_items: u64,
    /// What was rejected.
    pub refusals: BTreeMap<Rejection, u64>,
}

impl Stats {
    /// Counts one rejection.
    pub(crate) fn reject(&mut self, rejection: Rejection) {
        *self.refusals.entry(rejection).or_default() += 1;
    }
}
