//! Compaction of the store of a running member: when it pays off, and what happens to readers.

use crate::current::Current;
use datafan_core::{
    engine::Engine,
    store::{Compacted, Store, StoreError, StoreReader, StoreSnapshot},
};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Why a store was not compacted. Its content was not changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompactError {
    /// It would take longer than the member can pause for it.
    #[error("compaction takes too long while the member runs: stop the member and compact again")]
    TooSlow,
    /// A snapshot is still held.
    #[error("a read is still using the store: try again")]
    Held,
    /// The member stopped.
    #[error("the member stopped")]
    Stopped,
}

/// Where the result goes.
pub(crate) type Reply = oneshot::Sender<Result<Compacted, CompactError>>;

/// Most bytes that a member compacts when it stops, or on its own: this should not delay a stop by more than
/// 2 s.
const COMPACT_BYTES_MAX_BY_ITSELF: u64 = 128 << 20;
/// Minimum of free bytes that makes compaction worthwhile.
const FREE_BYTES_MIN: u64 = 16 << 20;
/// How long nothing must have been written before a member compacts on its own.
const IDLE: Duration = Duration::from_secs(60);
/// How often it checks.
const INTERVAL: Duration = Duration::from_secs(3_600);

/// When a member compacts on its own.
pub(crate) struct Schedule {
    next: Instant,
    /// Time of the last write.
    written: Instant,
    /// Size of the store after the last compaction: if that did not help, it is not repeated.
    after: u64,
}

impl Schedule {
    pub fn new(now: Instant) -> Self {
        Self { next: now + INTERVAL, written: now, after: 0 }
    }

    /// Records a write.
    pub fn set_written_at(&mut self, now: Instant) {
        self.written = now;
    }

    /// Records that the store was compacted to this many bytes.
    pub fn set_compacted_bytes(&mut self, bytes: u64) {
        self.after = bytes;
    }

    /// Whether to compact now, while the member is idle.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let due = self.next <= now && self.written + IDLE <= now;
        if due {
            self.next = now + INTERVAL;
        }
        due
    }

    /// Whether it pays off: more than half of `file_bytes` is free, judging by the content of the store.
    pub fn pays(&self, file_bytes: u64, expected: u64) -> bool {
        let needed = expected.max(self.after);
        expected <= COMPACT_BYTES_MAX_BY_ITSELF
            && file_bytes >= FREE_BYTES_MIN.saturating_add(needed.saturating_mul(2))
    }
}

/// Approximate size of a file with the content of `snapshot`: rows, indexes, pages that are not full, and
/// room for the next commits.
pub(crate) fn expected_bytes<V: StoreSnapshot>(snapshot: &V) -> u64 {
    // A store that cannot be read fails elsewhere.
    let shards = snapshot.shards().unwrap_or_default();
    let roots = shards.iter().filter_map(|(_, record)| record.root.as_ref());
    roots.map(|root| 2 * root.bytes + 200 * root.count).sum()
}

/// Compacts: readers lose their snapshots, and new ones wait.
///
/// # Errors
/// If the store fails.
pub(crate) fn compact<S: Store>(
    engine: &mut Engine<S>,
    current: &Current<<S::Reader as StoreReader>::Snapshot>,
) -> Result<Option<Compacted>, StoreError> {
    current.withhold();
    let done = engine.compact();
    if done.is_ok() {
        current.replace(engine.snapshot());
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_store_is_compacted_when_more_than_half_is_free() {
        let mut schedule = Schedule::new(Instant::now());
        assert!(schedule.pays(350 * MIB, 0) && schedule.pays(216 * MIB, 100 * MIB));
        assert!(!schedule.pays(215 * MIB, 100 * MIB) && !schedule.pays(15 * MIB, 0));
        assert!(!schedule.pays(u64::MAX, COMPACT_BYTES_MAX_BY_ITSELF + 1), "it would take too long");
        // What the last compaction left is not free.
        schedule.set_compacted_bytes(300 * MIB);
        assert!(!schedule.pays(350 * MIB, 0) && schedule.pays(616 * MIB, 0));
    }

    #[test]
    fn it_waits_for_an_idle_hour() {
        let begin = Instant::now();
        let mut schedule = Schedule::new(begin);
        assert!(!schedule.is_due(begin + INTERVAL - Duration::from_secs(1)));
        schedule.set_written_at(begin + INTERVAL);
        assert!(!schedule.is_due(begin + INTERVAL + IDLE / 2));
        assert!(schedule.is_due(begin + INTERVAL + IDLE));
        assert!(!schedule.is_due(begin + INTERVAL + 2 * IDLE), "once an hour");
    }
}
