//! Records the current run in the own shard, and reads run histories; `crate::runs` explains their use.

use super::{disk::Snapshot, handlers::Replication};
use crate::{
    id::MemberId,
    item::{Item, Key},
    runs::{RUNS_KEY, RunHistory},
    shard::{Edit, View},
    store::{Store, StoreError, StoreSnapshot},
    time::Timestamp,
};
use alloc::sync::Arc;

impl<S: Store> Replication<'_, S> {
    /// Records the current run in the member's own shard before the run's first write. The roster records no
    /// runs: it only grows, so its states never diverge.
    pub(super) fn record_run(
        &self,
        owner: &MemberId,
        edit: &mut Edit<'_, Snapshot<S>>,
        last: &mut Timestamp,
    ) -> Result<(), StoreError> {
        if *owner != self.cx.me || self.own.is_run_named(self.replicas, owner) {
            return Ok(());
        }
        let old = edit.timestamp_of(RUNS_KEY)?;
        let old = old.map(|old| edit.item(old)).transpose()?.flatten();
        let history = old.and_then(|item| RunHistory::decode(&item.value).ok());
        let mut history = history.unwrap_or_default();
        history.begin(self.own.run.current(), self.replicas.timestamp(owner));
        *last = self.replicas.next_own(self.cx, owner, *last);
        let key = Key::new(RUNS_KEY).expect("a key");
        let item = Item { key, timestamp: *last, expiry: None, value: history.encode().into() };
        edit.put_all(&[Arc::new(item)])
    }
}

/// The run history of a state.
pub(super) fn history_of<V: StoreSnapshot>(view: &View<'_, V>) -> Result<RunHistory, StoreError> {
    let at = view.timestamp_of(RUNS_KEY)?;
    let item = at.map(|at| view.item(at)).transpose()?.flatten();
    Ok(item.and_then(|item| RunHistory::decode(&item.value).ok()).unwrap_or_default())
}
