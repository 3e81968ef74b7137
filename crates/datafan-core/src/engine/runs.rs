//! The run of this member, and the last run that each held shard names; `crate::runs` says what follows from them.

use super::{Engine, Snapshot};
use crate::{
    id::MemberId,
    item::{Item, Key},
    rng::Rng,
    runs::{HeldState, RUNS_KEY, Run, RunHistory, RunId},
    shard::{Edit, View},
    store::{ShardRecord, Store, StoreError, StoreSnapshot},
    time::{Now, SECOND, Time, Timestamp},
};
use alloc::{collections::BTreeMap, sync::Arc};

/// A jump of the wall clock against the monotonic one by more than this may be a machine that was rolled back.
const JUMP_MICROS: u64 = 60 * SECOND;
/// A jump begins a new run at most this often.
const JUMP_PAUSE_MICROS: u64 = 600 * SECOND;

/// What this process calls its runs, and the last runs of all shards that are held.
pub(super) struct Runs {
    /// Drawn when the engine was opened; Hello carries it. It stays while the process lives.
    pub(super) process: RunId,
    /// Under which own writes are made now.
    pub(super) current: RunId,
    /// Clocks when the engine was called last.
    seen: Now,
    /// When this process began.
    began: Time,
    next_jump: Time,
    /// By owner; those that name no run are missing.
    last: BTreeMap<MemberId, Run>,
}

impl Runs {
    pub(super) fn new(rng: &mut Rng, now: Now) -> Self {
        let process = draw(rng);
        let (began, last) = (now.time, BTreeMap::new());
        Self { process, current: process, seen: now, began, next_jump: Time(0), last }
    }

    /// The process is that of `before`; what it writes is another run.
    pub(super) fn go_on(&mut self, before: &Self) {
        (self.process, self.began) = (before.process, before.began);
    }

    /// For how many microseconds this process has run.
    pub(super) fn age_micros(&self, now: Time) -> u64 {
        now.0.saturating_sub(self.began.0)
    }

    /// The last run that the held shard of `owner` names.
    pub(super) fn last(&self, owner: &MemberId) -> Option<Run> {
        self.last.get(owner).copied()
    }

    /// The shard of `owner` names no run any more, as far as is known.
    pub(super) fn forget(&mut self, owner: &MemberId) {
        self.last.remove(owner);
    }

    /// Own writes go on under another name: what was written under the old one was replaced, or may have been.
    pub(super) fn renew(&mut self, rng: &mut Rng) {
        self.current = draw(rng);
    }

    /// Compares the clocks with those of the last call: after a jump the memory of this process may be an old one.
    pub(super) fn see(&mut self, now: Now, rng: &mut Rng) {
        let time = now.time.0.saturating_sub(self.seen.time.0);
        let jump = now.wall.0.abs_diff(self.seen.wall.0.saturating_add(time));
        self.seen = now;
        if jump > JUMP_MICROS && self.next_jump <= now.time {
            self.next_jump = now.time.after(JUMP_PAUSE_MICROS);
            self.renew(rng);
        }
    }
}

fn draw(rng: &mut Rng) -> RunId {
    RunId(rng.next().to_be_bytes())
}

impl<S: Store> Engine<S> {
    /// Takes over the runs that an owner's shard names.
    pub(super) fn learn_runs(&mut self, owner: &MemberId, value: &[u8]) {
        self.divergent.on_runs(owner);
        match RunHistory::decode(value).map(|history| history.last()) {
            Ok(Some(last)) => drop(self.runs.last.insert(*owner, last)),
            Ok(None) => drop(self.runs.last.remove(owner)),
            Err(_) => self.cx.stats.refuse("runs"),
        }
    }

    /// What is held of `owner`, as far as descent is concerned.
    pub(super) fn held_state(&self, owner: &MemberId) -> HeldState {
        let timestamp = self.owners.get(owner).map_or(Timestamp::ZERO, |owner| owner.timestamp());
        HeldState { run: self.runs.last(owner).map(|run| run.id), timestamp }
    }

    /// Whether the own shard that is held names the run of the writes that are made now.
    pub(super) fn is_run_named(&self, owner: &MemberId) -> bool {
        self.runs.last(owner).is_some_and(|last| last.id == self.runs.current)
    }

    /// Names the present run in the member's own shard, before its first write; `record` is the shard as it was before. The
    /// roster names none: it only grows, so no state of it replaces one that it did not grow out of.
    pub(super) fn name_run(
        &self,
        owner: &MemberId,
        record: &ShardRecord,
        edit: &mut Edit<'_, Snapshot<S>>,
        last: &mut Timestamp,
    ) -> Result<(), StoreError> {
        if *owner != self.cx.me || self.is_run_named(owner) {
            return Ok(());
        }
        let old = edit.timestamp_of(RUNS_KEY)?;
        let old = old.map(|old| edit.item(old)).transpose()?.flatten();
        let history = old.and_then(|item| RunHistory::decode(&item.value).ok());
        let mut history = history.unwrap_or_default();
        history.begin(self.runs.current, record.head.map_or(Timestamp::ZERO, |head| head.timestamp));
        *last = self.next_own(owner, *last);
        let key = Key::new(RUNS_KEY).expect("a key");
        let item = Item { key, timestamp: *last, expiry: None, value: history.encode().into() };
        edit.put_all(&[Arc::new(item)])
    }

    /// The timestamp of the next own write after `last`.
    pub(super) fn next_own(&self, owner: &MemberId, last: Timestamp) -> Timestamp {
        let next = last.next().expect("the clock is bounded, so time does not end");
        self.voids.next(owner, next.max(self.cx.now.wall))
    }
}

/// The runs that a state names.
pub(super) fn history_of<V: StoreSnapshot>(view: &View<'_, V>) -> Result<RunHistory, StoreError> {
    let at = view.timestamp_of(RUNS_KEY)?;
    let item = at.map(|at| view.item(at)).transpose()?.flatten();
    Ok(item.and_then(|item| RunHistory::decode(&item.value).ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(seconds: u64, wall: u64) -> Now {
        Now { time: Time(seconds * SECOND), wall: Timestamp(wall * SECOND) }
    }

    #[test]
    fn a53_a_jump_of_the_wall_clock_begins_a_new_run_at_most_once_in_ten_minutes() {
        let rng = &mut Rng::new(1);
        let mut runs = Runs::new(rng, now(0, 1_000));
        let (process, first) = (runs.process, runs.current);
        let mut sees = |seconds, wall| {
            runs.see(now(seconds, wall), rng);
            runs.current
        };
        assert_eq!(sees(500, 1_500), first, "both clocks go on");
        assert_eq!(sees(510, 1_570), first, "a minute is no jump");
        let second = sees(520, 1_641);
        assert_ne!(second, first, "61 s ahead");
        assert_eq!(sees(530, 1_000), second, "too soon after the last one");
        assert_eq!(sees(1_119, 9_000), second);
        assert_eq!(sees(1_121, 9_002), second, "it is not made up for");
        assert_ne!(sees(1_131, 8_900), second, "backwards");
        assert_eq!(runs.process, process);
    }
}
