//! Divergent copies: states of shards that are not ancestors of the current ones. A member that would replace
//! such a state keeps it and tells its owner. The owner fetches the copy, takes back what is missing, and
//! lists its branch as ended. Then every member frees the copy.

use super::{
    disk::Snapshot,
    effect::Alarm,
    handlers::Replication,
    input::Write,
    links::Link,
    own::Confirmed,
    replaced::Replaced,
    replicas::{
        Owner,
        invalid_spans::{RESTAMPED_KEY, names},
    },
    runs::history_of,
};
use crate::{
    engine::rejection::Rejection,
    hash::Hash,
    head::Head,
    id::MemberId,
    item::Key,
    limits::DIVERGENT_COPIES_MAX,
    message::Message,
    runs::{EndedBranch, HeldState, RUNS_KEY, RunHistory},
    shard::View,
    store::{ShardChange, ShardNumber, ShardRecord, Store, StoreError, StoreSnapshot},
    time::Timestamp,
    trie::Branch,
};
use alloc::{sync::Arc, vec::Vec};

/// The copies of all owners take at most the free disk space divided by [`DIVERGENT_SHARE`], or
/// [`DIVERGENT_BYTES`] if the free space is not known.
const DIVERGENT_SHARE: u64 = 10;
const DIVERGENT_BYTES: u64 = 1 << 30;

impl<S: Store> Replication<'_, S> {
    /// Tells peers about the copies of their shards that are kept here, and frees copies that their owners
    /// took back or gave up.
    pub(super) fn tell_and_free_divergent(&mut self) -> Result<(), StoreError> {
        while let Some(peer) = self.divergent.pop_linked() {
            self.tell_divergent(peer)?;
        }
        self.free_divergent()
    }

    /// Judges what happens to the held state of `owner` when the state `new` replaces it.
    pub(super) fn judge_replacement(
        &self,
        owner: &MemberId,
        new: &View<'_, Snapshot<S>>,
    ) -> Result<Replaced, StoreError> {
        let Some((shard, _)) = self.replicas.get(owner).and_then(Owner::whole) else {
            return Ok(Replaced::Continued);
        };
        // That a roster only grows is checked elsewhere. For a revoked owner, the roster determines the
        // state.
        let ended = self.members.of(self.replicas, owner).is_some_and(|membership| !membership.is_active());
        if *owner == self.cx.config.mesh.authority() || ended {
            return Ok(Replaced::Continued);
        }
        let history = history_of(new)?;
        let held = self.replicas.held_state(owner);
        if *owner == self.cx.me
            && self.own.is_run_named(self.replicas, owner)
            && history.names(self.own.run.current())
        {
            let same_run = history.last().is_some_and(|last| last.id == self.own.run.current());
            return Ok(Replaced::Taken { diverged: !history.continues(&held), same_run });
        }
        if history.continues(&held) || is_voided(new, held.timestamp)? {
            return Ok(Replaced::Continued);
        }
        Ok(Replaced::Diverged(history.diverged_at(&history_of(&self.disk.view(shard))?)))
    }

    /// Whether one more copy of `owner` fits. Copies of own shards always do.
    pub(super) fn has_room_for_divergent(&self, owner: &MemberId) -> Result<bool, StoreError> {
        if self.cx.is_own(owner) {
            return Ok(true);
        }
        let copies = self.divergent.of(owner);
        if copies.len() >= DIVERGENT_COPIES_MAX {
            return Ok(false);
        }
        // One owner may use a quarter of the room, so that it cannot use all of it.
        let max = bytes_max(self.cx.config.divergent_bytes_max, || self.disk.free_bytes());
        let mut bytes = self.replicas[owner].head().map_or(0, |head| head.bytes);
        for shard in copies {
            bytes = bytes.saturating_add(self.disk.head_of(*shard)?.map_or(0, |head| head.bytes));
        }
        let mut all = self.replicas[owner].head().map_or(0, |head| head.bytes);
        for shard in self.divergent.all() {
            all = all.saturating_add(self.disk.head_of(*shard)?.map_or(0, |head| head.bytes));
        }
        Ok(bytes <= max / 4 && all <= max)
    }

    /// Keeps the shard that was visible so far as a divergent copy, and tells its owner.
    pub(super) fn keep_divergent(
        &mut self,
        shard: ShardNumber,
        (head, root, n_tombstones): (Head, Option<Branch>, u64),
        diverged: Timestamp,
    ) {
        let (owner, copy) = (head.owner, ShardRecord::divergent(head, root, diverged, n_tombstones));
        self.disk.stage(shard, ShardChange { record: Some(Arc::new(copy)), ..ShardChange::default() });
        self.divergent.add(owner, shard);
        if self.divergent.may_alarm(&owner, self.cx.now.time) {
            self.cx.alarm(Alarm::Diverged { head, at: diverged });
        }
        if self.links.get(&owner).is_some_and(Link::is_up) {
            self.cx.send(owner, &Message::Diverged(alloc::vec![head]));
        }
    }

    /// Tells a peer which divergent copies of its shard are kept here.
    pub(super) fn tell_divergent(&mut self, peer: MemberId) -> Result<(), StoreError> {
        if peer == self.cx.me {
            return Ok(());
        }
        let mut heads = Vec::new();
        for shard in self.divergent.of(&peer) {
            heads.extend(self.disk.head_of(*shard)?);
        }
        if !heads.is_empty() {
            self.divergent.record_told(peer, self.cx.now.time);
            self.cx.send(peer, &Message::Diverged(heads));
        }
        Ok(())
    }

    /// Handles heads of divergent copies of our shard that a peer keeps.
    pub(super) fn on_diverged(&mut self, from: MemberId, heads: &[Head]) -> Result<(), StoreError> {
        for head in heads {
            if head.owner != self.cx.me {
                self.cx.stats.reject(Rejection::ForeignDivergentCopy);
                continue;
            }
            if self.divergent.skips_announced(from, head) || self.knows_divergent(head)? {
                continue;
            }
            if !self.cx.check_signature(head) {
                self.links.penalize(self.cx, from, Rejection::Signature);
                return Ok(());
            }
            self.divergent.queue_announced(from, head);
        }
        Ok(())
    }

    /// Whether a divergent state of the own shard is already held here, or its branch has ended.
    fn knows_divergent(&self, head: &Head) -> Result<bool, StoreError> {
        for shard in self.divergent.of(&self.cx.me) {
            if self.disk.head_of(*shard)?.is_some_and(|held| held.order() == head.order()) {
                return Ok(true);
            }
        }
        let Some((shard, record)) = self.replicas[&self.cx.me].whole() else { return Ok(false) };
        let present = record.head().is_some_and(|present| present.order() == head.order());
        let ends = |branch: &EndedBranch| (branch.timestamp, branch.root) == head.order();
        Ok(present || history_of(&self.disk.view(shard))?.ended().iter().any(ends))
    }

    /// Begins to fetch the next divergent copy of the own shard that a peer announced.
    pub(super) fn fetch_divergent(&mut self) -> Result<(), StoreError> {
        let confirmed = self.own[&self.cx.me].confirmed() == Confirmed::Yes;
        if !self.divergent.has_announced() || !confirmed || self.replicas[&self.cx.me].head().is_none() {
            return Ok(());
        }
        if self.replicas[&self.cx.me].transfer().is_some() {
            return Ok(());
        }
        while let Some((peer, head)) = self.divergent.pop_announced() {
            let is_up = self.links.get(&peer).is_some_and(Link::is_up);
            if is_up && !self.knows_divergent(&head)? {
                self.exchange().begin_divergent(peer, &head);
                break;
            }
        }
        Ok(())
    }

    /// A divergent copy of an own shard was fetched from a peer.
    pub(super) fn on_divergent_fetched(
        &mut self,
        shard: ShardNumber,
        root: Option<Branch>,
        head: &Head,
    ) -> Result<(), StoreError> {
        self.cx.more_to_do = true;
        if head.owner == self.cx.config.mesh.authority() {
            return self.restore_roster_entries(shard);
        }
        let theirs = history_of(&self.disk.view(shard))?;
        let state = HeldState { run: theirs.last().map(|run| run.id), timestamp: head.timestamp };
        let ours = self.own_history()?;
        if ours.has_all_of(&state, self.replicas[&self.cx.me].timestamp()) {
            self.disk.retire(head.owner, shard);
            return Ok(());
        }
        if self.own.is_run_named(self.replicas, &self.cx.me) && theirs.names(self.own.run.current()) {
            self.gossip().begin_contest(head, true);
        }
        // On disk before it is shown, because it may be taken back and ended at once.
        self.own.write_bounds(self.disk);
        self.keep_divergent(shard, (*head, root, 0), ours.diverged_at(&theirs));
        Ok(())
    }

    fn own_history(&self) -> Result<RunHistory, StoreError> {
        match self.replicas[&self.cx.me].whole() {
            Some((shard, _)) => history_of(&self.disk.view(shard)),
            None => Ok(RunHistory::default()),
        }
    }

    /// Lists the branches of divergent copies of the own shard as ended: all of them, or those with these
    /// roots. Then every member frees those copies. A copy that arrived later is kept.
    pub(super) fn end_divergent(&mut self, roots: Option<&[Hash]>) -> Result<(), StoreError> {
        let mut ended = Vec::new();
        for shard in self.divergent.of(&self.cx.me) {
            let Some(head) = self.disk.head_of(*shard)? else { continue };
            if roots.is_some_and(|roots| !roots.contains(&head.root)) {
                continue;
            }
            let theirs = history_of(&self.disk.view(*shard))?;
            let diverged = self.own_history()?.diverged_at(&theirs);
            ended.extend(theirs.branches_since(diverged, head.timestamp, head.root));
        }
        self.rewrite_runs(|history| ended.into_iter().for_each(|branch| history.end(branch)))
    }

    /// Commits the run history of the own shard after applying `change`.
    pub(super) fn rewrite_runs(&mut self, change: impl FnOnce(&mut RunHistory)) -> Result<(), StoreError> {
        let mut history = self.own_history()?;
        if !self.own.is_run_named(self.replicas, &self.cx.me) {
            history.begin(self.own.run.current(), self.replicas[&self.cx.me].timestamp());
        }
        change(&mut history);
        let (key, value) = (Key::new(RUNS_KEY).expect("a key"), history.encode().into());
        self.commit_writes(self.cx.me, &[Write::Put { key, value, expiry: None }])
    }

    /// Frees the copies that their owners took back or gave up.
    pub(super) fn free_divergent(&mut self) -> Result<(), StoreError> {
        while let Some(owner) = self.divergent.pop_ended() {
            let Some((present, _)) = self.replicas.get(&owner).and_then(Owner::whole) else { continue };
            let (history, end) = (history_of(&self.disk.view(present))?, self.replicas[&owner].timestamp());
            let mut kept = Vec::new();
            for shard in self.divergent.take(&owner) {
                let run = history_of(&self.disk.view(shard))?.last().map(|run| run.id);
                let head = self.disk.head_of(shard)?;
                let state = head.map(|head| HeldState { run, timestamp: head.timestamp });
                match state.is_none_or(|state| history.has_all_of(&state, end)) {
                    true => self.disk.retire(owner, shard),
                    false => kept.push(shard),
                }
            }
            self.divergent.put_back(owner, kept);
        }
        Ok(())
    }
}

/// Whether a state lists a span of invalid timestamps that contains `at`.
fn is_voided<V: StoreSnapshot>(state: &View<'_, V>, at: Timestamp) -> Result<bool, StoreError> {
    let key = state.timestamp_of(RESTAMPED_KEY)?;
    let item = key.map(|key| state.item(key)).transpose()?.flatten();
    Ok(item.is_some_and(|item| names(&item.value, at)))
}

/// The limit in bytes for the copies of all owners together.
fn bytes_max(setting: Option<u64>, free: impl FnOnce() -> Option<u64>) -> u64 {
    setting.or_else(|| free().map(|free| free / DIVERGENT_SHARE)).unwrap_or(DIVERGENT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_take_a_tenth_of_the_free_disk_or_the_configured_limit() {
        assert_eq!(bytes_max(None, || Some(5 << 30)), (5 << 30) / 10);
        assert_eq!(bytes_max(None, || Some(0)), 0);
        assert_eq!(bytes_max(None, || None), 1 << 30);
        assert_eq!(bytes_max(Some(7), || Some(5 << 30)), 7);
    }
}
