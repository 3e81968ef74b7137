//! The snapshot that readers get: the last one that the member's thread published.
//!
//! The thread publishes at the end of a turn, after its sync if there is one, so nobody reads an own commit
//! that a crash could undo. Snapshots held by readers are tracked here, because the store cannot reuse the
//! space of what they show.

use crate::{
    lease::{Lease, Purpose, ended},
    used::Used,
};
use datafan_core::store::{ReadEnd, StoreError, StoreSnapshot};
use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// When reads lose their snapshots.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadLimits {
    /// After this long without a read.
    pub idle: Duration,
    /// When the store grows by half, but at least by this many bytes.
    pub growth_bytes: u64,
    /// Younger reads are never ended, however much the store grows.
    pub age: Duration,
}

/// The published snapshot, and the readers of it and of earlier ones.
pub(crate) struct Current<V> {
    state: Mutex<State<V>>,
    /// Signalled when there is a snapshot again, or never will be, and when a reader is done.
    changed: Condvar,
    limits: ReadLimits,
    /// How much of the store is used.
    used: Mutex<Used>,
}

struct State<V> {
    shown: Shown<V>,
    leases: BTreeMap<u64, Arc<Lease<V>>>,
    next: u64,
    /// Bytes of the store on disk at the last check.
    file_bytes: u64,
    base: Option<Base>,
}

enum Shown<V> {
    Snapshot(Arc<V>),
    /// Set while the store is compacted or opened again: readers wait.
    Withheld,
    Closed,
}

/// The size from which growth is measured while one old read follows another: several in turn must not cause
/// the growth that a single one may not.
struct Base {
    file_bytes: u64,
    /// When there last was an old read.
    at: Instant,
}

/// After this long without an old read, growth is measured from the current size.
const BASE_KEPT: Duration = Duration::from_secs(60);

impl<V: StoreSnapshot> Current<V> {
    /// Publishes `snapshot` as the first one.
    pub fn new(snapshot: Arc<V>, file_bytes: u64, limits: ReadLimits) -> Self {
        let shown = Shown::Snapshot(snapshot);
        let state = State { shown, leases: BTreeMap::new(), next: 0, file_bytes, base: None };
        Self { state: Mutex::new(state), changed: Condvar::new(), limits, used: Mutex::default() }
    }

    /// Publishes `snapshot`.
    pub fn replace(&self, snapshot: Arc<V>) {
        let before = {
            let mut state = self.state();
            if let Shown::Closed = state.shown {
                return;
            }
            std::mem::replace(&mut state.shown, Shown::Snapshot(snapshot))
        };
        // Dropped outside the lock: dropping may cost the store some work.
        drop(before);
        self.changed.notify_all();
    }

    /// Shows nothing until [`Current::replace`], and ends all reads.
    pub fn withhold(&self) {
        let (before, leases) = {
            let mut state = self.state();
            if let Shown::Closed = state.shown {
                return;
            }
            let before = std::mem::replace(&mut state.shown, Shown::Withheld);
            (before, std::mem::take(&mut state.leases))
        };
        drop(before);
        leases.values().for_each(|lease| lease.end(ended(ReadEnd::Compaction)));
    }

    /// Whether `snapshot` is the published one.
    pub fn shows(&self, snapshot: &Arc<V>) -> bool {
        matches!(&self.state().shown, Shown::Snapshot(shown) if Arc::ptr_eq(shown, snapshot))
    }

    /// Shows nothing any more.
    pub fn close(&self) {
        let leases = {
            let mut state = self.state();
            state.shown = Shown::Closed;
            std::mem::take(&mut state.leases)
        };
        leases.values().for_each(|lease| lease.end(StoreError::Stopped));
        self.changed.notify_all();
    }

    /// Shows nothing until [`Current::replace`], so readers wait; running reads may take up to `limit` to
    /// finish.
    pub fn pause(&self, limit: Duration, reason: ReadEnd) {
        let mut state = self.state();
        state.shown = Shown::Withheld;
        let reads = |state: &mut State<V>| state.leases.values().any(|lease| lease.is_held());
        let waited = self.changed.wait_timeout_while(state, limit, reads);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let late: Vec<_> = state.leases.values().cloned().collect();
        drop(state);
        late.iter().for_each(|lease| lease.end(ended(reason)));
    }

    /// The published snapshot for one reader, with the number to return it.
    pub fn lease(&self, purpose: Purpose) -> Result<(u64, Arc<Lease<V>>), StoreError> {
        let mut state = self.state();
        let view = loop {
            match &state.shown {
                Shown::Snapshot(view) => break view.clone(),
                Shown::Withheld => {
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                Shown::Closed => return Err(StoreError::Stopped),
            }
        };
        let lease = Arc::new(Lease::new(view, purpose, Instant::now(), state.file_bytes));
        let number = state.next;
        state.next += 1;
        state.leases.insert(number, lease.clone());
        drop(state);
        Ok((number, lease))
    }

    /// Records that a reader is done.
    pub fn give_back(&self, number: u64) {
        let lease = self.state().leases.remove(&number);
        self.changed.notify_all();
        drop(lease);
    }

    /// Age of the oldest snapshot that a reader holds.
    pub fn oldest(&self, now: Instant) -> Option<Duration> {
        let state = self.state();
        let held = state.leases.values().filter(|lease| lease.is_held());
        held.map(|lease| now.saturating_duration_since(lease.began)).max()
    }

    /// Bytes of the store on disk, as of the last check.
    pub fn file_bytes(&self) -> u64 {
        self.state().file_bytes
    }

    /// How many of those bytes the published state needs; `count` computes it, and may read the whole file.
    pub fn used_bytes(&self, count: impl FnOnce() -> Result<u64, StoreError>) -> Result<u64, StoreError> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        used.bytes(now, self.file_bytes(), || count().map(|bytes| (bytes, now.elapsed())))
    }

    /// How often to call [`Current::check`]. A member wakes up about once a second anyway.
    pub fn check_interval(&self) -> Duration {
        self.limits.age.min(Duration::from_secs(1))
    }

    /// Ends reads that are too old, or during which the store grew too much; it has `file_bytes` now.
    /// `expected` is the size of its content without readers: growth up to there is not caused by readers.
    pub fn check(&self, now: Instant, file_bytes: u64, expected: impl FnOnce() -> u64) {
        let (idle, grown) = {
            let mut state = self.state();
            state.file_bytes = file_bytes;
            let held = state.leases.values().filter(|lease| lease.is_held());
            let old: Vec<_> = held.filter(|lease| lease.began + self.limits.age <= now).cloned().collect();
            let mut base = state.base(&old, now);
            if old.iter().any(|lease| self.reason(lease, now, base, file_bytes) == Some(ReadEnd::Grown)) {
                base = base.max(expected());
                state.raise_base(base);
            }
            old.into_iter()
                .filter_map(|lease| self.reason(&lease, now, base, file_bytes).map(|reason| (lease, reason)))
                .partition::<Vec<_>, _>(|(_, reason)| *reason == ReadEnd::Idle)
        };
        for (lease, reason) in idle.into_iter().chain(grown) {
            lease.end(ended(reason));
        }
    }

    fn reason(&self, lease: &Lease<V>, now: Instant, base: u64, file_bytes: u64) -> Option<ReadEnd> {
        let allowed = match lease.purpose {
            Purpose::Read => (base / 2).max(self.limits.growth_bytes),
            Purpose::Backup => (base * 3).max(self.limits.growth_bytes),
        };
        let grown = file_bytes >= base.saturating_add(allowed);
        if lease.idle(now) >= self.limits.idle {
            Some(ReadEnd::Idle)
        } else {
            grown.then_some(ReadEnd::Grown)
        }
    }

    fn state(&self) -> MutexGuard<'_, State<V>> {
        // A panic cannot leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> State<V> {
    /// The size from which growth is measured; `old` are the old reads.
    fn base(&mut self, old: &[Arc<Lease<V>>], now: Instant) -> u64 {
        let smallest = old.iter().map(|lease| lease.file_bytes).min();
        if self.base.as_ref().is_some_and(|base| smallest.is_none() && base.at + BASE_KEPT <= now) {
            self.base = None;
        }
        let Some(smallest) = smallest else { return self.file_bytes };
        let file_bytes = self.base.as_ref().map_or(smallest, |base| base.file_bytes.min(smallest));
        self.base = Some(Base { file_bytes, at: now });
        file_bytes
    }

    fn raise_base(&mut self, file_bytes: u64) {
        if let Some(base) = &mut self.base {
            base.file_bytes = base.file_bytes.max(file_bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leased::Leased;
    use datafan_core::store::{Store, StoreReader};
    use datafan_store_mem::{MemSnapshot, MemStore};

    const MIB: u64 = 1 << 20;
    const LIMITS: ReadLimits =
        ReadLimits { idle: Duration::from_secs(600), growth_bytes: MIB, age: Duration::from_secs(10) };

    #[test]
    fn a56_a_read_ends_after_ten_idle_minutes_and_not_while_it_goes_on() {
        let current = shown(MIB);
        let (idle, used) = (read(&current), read(&current));
        let now = Instant::now();
        check(&current, now + Duration::from_secs(599), MIB);
        assert_eq!((ended_as(&idle), ended_as(&used)), (None, None));
        // Pretends that it was last read one minute before the end of the time.
        used.lease.set_used(Duration::from_secs(540));
        check(&current, now + Duration::from_secs(601), MIB);
        assert_eq!((ended_as(&idle), ended_as(&used)), (Some(ReadEnd::Idle), None));
    }

    #[test]
    fn a56_a_read_ends_when_the_store_grows_by_half_and_a_backup_when_it_takes_four_times_as_much() {
        let current = shown(100 * MIB);
        let old = read(&current);
        let backup = Leased::new(&current, Purpose::Backup).unwrap();
        let later = Instant::now() + Duration::from_secs(10);
        check(&current, later, 150 * MIB - 1);
        assert_eq!(ended_as(&old), None);
        let young = read(&current);
        check(&current, later, 150 * MIB);
        assert_eq!((ended_as(&old), ended_as(&backup)), (Some(ReadEnd::Grown), None));
        assert_eq!(ended_as(&young), None, "a read of less than ten seconds is left alone");
        check(&current, later, 400 * MIB);
        assert_eq!(ended_as(&backup), Some(ReadEnd::Grown));
    }

    #[test]
    fn a56_a_small_store_may_grow_by_more_than_half() {
        let current = shown(MIB / 2);
        let old = read(&current);
        let later = Instant::now() + Duration::from_secs(10);
        check(&current, later, MIB);
        assert_eq!(ended_as(&old), None);
        check(&current, later, MIB * 3 / 2);
        assert_eq!(ended_as(&old), Some(ReadEnd::Grown));
    }

    #[test]
    fn a56_reads_one_after_another_may_not_do_what_one_may_not() {
        let current = shown(100 * MIB);
        let first = read(&current);
        let now = Instant::now() + Duration::from_secs(10);
        check(&current, now, 140 * MIB);
        // The second read begins when the store has grown already.
        let second = read(&current);
        drop(first);
        check(&current, now + Duration::from_secs(10), 150 * MIB);
        assert_eq!(ended_as(&second), Some(ReadEnd::Grown));
        // After a long time without reads, the current size is the new base.
        check(&current, now + Duration::from_secs(80), 150 * MIB);
        let third = read(&current);
        check(&current, now + Duration::from_secs(90), 150 * MIB);
        assert_eq!(ended_as(&third), None);
    }

    #[test]
    fn who_reads_is_known_as_long_as_it_does() {
        let current = shown(MIB);
        let one = read(&current);
        let age = current.oldest(one.lease.began + Duration::from_secs(7)).unwrap();
        assert_eq!(age, Duration::from_secs(7));
        drop(one);
        assert_eq!(current.oldest(Instant::now()), None);
        let held = read(&current);
        current.close();
        assert_eq!(held.shards().err(), Some(StoreError::Stopped));
        assert!(matches!(current.lease(Purpose::Read), Err(StoreError::Stopped)));
    }

    #[test]
    fn a59_readers_wait_while_nothing_is_shown_and_those_that_read_get_a_moment() {
        let current = shown(MIB);
        let brief = read(&current);
        std::thread::scope(|scope| {
            let (began, ready) = std::sync::mpsc::channel();
            let reader = &current;
            let waits = scope.spawn(move || {
                ready.recv().unwrap();
                Leased::new(reader, Purpose::Read).map(|read| read.shards())
            });
            scope.spawn(|| drop(brief));
            current.pause(Duration::from_secs(60), ReadEnd::Reopened);
            began.send(()).unwrap();
            let snapshot = MemStore::new().reader().snapshot().unwrap();
            assert!(!waits.is_finished());
            current.replace(Arc::new(snapshot));
            assert!(matches!(waits.join().unwrap(), Ok(Ok(_))), "it reads what is shown next");
        });
        let slow = read(&current);
        current.pause(Duration::from_millis(1), ReadEnd::Reopened);
        assert_eq!(ended_as(&slow), Some(ReadEnd::Reopened));
    }

    #[test]
    fn a56_reads_may_go_on_while_the_data_itself_grows() {
        let current = shown(MIB);
        let old = read(&current);
        let now = Instant::now() + Duration::from_secs(10);
        current.check(now, 100 * MIB, || 70 * MIB);
        assert_eq!(ended_as(&old), None);
        current.check(now, 105 * MIB, || 70 * MIB);
        assert_eq!(ended_as(&old), Some(ReadEnd::Grown));
    }

    fn check(current: &Current<MemSnapshot>, now: Instant, file_bytes: u64) {
        current.check(now, file_bytes, || 0);
    }

    fn shown(file_bytes: u64) -> Arc<Current<MemSnapshot>> {
        let snapshot = MemStore::new().reader().snapshot().unwrap();
        Arc::new(Current::new(Arc::new(snapshot), file_bytes, LIMITS))
    }

    fn read(current: &Arc<Current<MemSnapshot>>) -> Leased<MemSnapshot> {
        Leased::new(current, Purpose::Read).unwrap()
    }

    fn ended_as(read: &Leased<MemSnapshot>) -> Option<ReadEnd> {
        if read.lease.is_held() {
            return None;
        }
        match read.shards() {
            Err(StoreError::ReadEnded { reason }) => Some(reason),
            other => panic!("{other:?}"),
        }
    }
}
