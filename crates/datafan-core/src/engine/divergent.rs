//! Divergent copies: states of shards that the present ones did not grow out of. Whoever would replace one
//! keeps it, and tells its owner; the owner fetches it, takes from it what it misses, and names it as ended,
//! which frees it everywhere.

use super::{
    Engine,
    descent::Descent,
    disk::Snapshot,
    effect::Alarm,
    input::Write,
    links::Link,
    own::Confirmed,
    replaced::Replaced,
    replicas::invalid_spans::{RESTAMPED_KEY, names},
    replicas::{Owner, Transfer},
    runs::history_of,
};
use crate::engine::rejection::Rejection;
use crate::{
    hash::Hash,
    head::Head,
    id::MemberId,
    item::Key,
    limits::DIVERGENT_COPIES_MAX,
    message::Message,
    runs::{EndedBranch, HeldState, RUNS_KEY, RunHistory},
    shard::View,
    store::{Meta, ShardChange, ShardNumber, ShardRecord, ShardState, Store, StoreError, StoreSnapshot},
    time::{Time, Timestamp},
    trie::Branch,
};
use alloc::{boxed::Box, sync::Arc, vec::Vec};

/// Copies of all owners take at most this part of what is free on the disk, or so many bytes where that is
/// not known.
const DIVERGENT_SHARE: u64 = 10;
const DIVERGENT_BYTES: u64 = 1 << 30;

impl<S: Store> Engine<S> {
    /// Does what is due with divergent copies.
    pub(super) fn turn_divergent(&mut self) -> Result<(), StoreError> {
        while let Some(peer) = self.divergent.pop_linked() {
            self.tell_divergent(peer)?;
        }
        self.free_divergent()?;
        self.age_divergent();
        self.fetch_divergent()
    }

    /// Frees copies whose owners could have heard of them, and fetched them, for long enough. Own ones stay.
    fn age_divergent(&mut self) {
        if !self.divergent.heard_mut().is_due(self.cx.now.time) {
            return;
        }
        let kept = self.divergent.owners().filter(|owner| **owner != self.cx.me);
        let is_up = |owner: &MemberId| self.links.get(owner).is_some_and(Link::is_up);
        let kept: Vec<_> =
            kept.map(|owner| (*owner, is_up(owner) || self.discovery.reach.is_reachable(owner))).collect();
        let over = self.divergent.heard_mut().count(self.cx.now.time, &kept);
        over.iter().for_each(|owner| self.drop_divergent(owner));
        if let Some(bytes) = self.divergent.heard_mut().due_bytes(self.cx.now.time) {
            self.disk.set_meta(Meta::HeardFor, Some(bytes));
        }
    }

    /// What becomes of the held state of `owner` where the state `new` replaces it.
    pub(super) fn judge_replacement(
        &self,
        owner: &MemberId,
        new: &View<'_, Snapshot<S>>,
    ) -> Result<Replaced, StoreError> {
        let Some((shard, _)) = self.replicas.get(owner).and_then(Owner::whole) else {
            return Ok(Replaced::Continued);
        };
        // The roster only grows, which is judged elsewhere; and of a revoked owner it says what stays.
        let ended = self.members.of(&self.replicas, owner).is_some_and(|terms| !terms.is_active());
        if *owner == self.cx.config.mesh.authority() || ended {
            return Ok(Replaced::Continued);
        }
        let history = history_of(new)?;
        let held = self.replicas.held_state(owner);
        if *owner == self.cx.me
            && self.own.is_run_named(&self.replicas, owner)
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

    /// Whether one more copy of `owner` fits. Of the own shard nothing is given up.
    pub(super) fn has_room_for_divergent(&self, owner: &MemberId) -> Result<bool, StoreError> {
        if self.cx.is_own(owner) {
            return Ok(true);
        }
        let copies = self.divergent.of(owner);
        if copies.len() >= DIVERGENT_COPIES_MAX {
            return Ok(false);
        }
        // One owner has a quarter of the room, so that it does not take that of all.
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

    /// Keeps the shard that was visible until now as a divergent copy, and tells its owner.
    pub(super) fn keep_divergent(&mut self, shard: ShardNumber, record: &ShardRecord, diverged: Timestamp) {
        let (owner, head) = (record.owner, record.head.expect("a state has a head"));
        let copy = ShardRecord { state: ShardState::Aside, graves_floor: diverged, ..record.clone() };
        self.disk.stage(shard, ShardChange { record: Some(Arc::new(copy)), ..ShardChange::default() });
        self.divergent.add(owner, shard);
        if self.divergent.may_alarm(&owner, self.cx.now.time) {
            self.cx.alarm(Alarm::Parted { head, parted: diverged });
        }
        if self.links.get(&owner).is_some_and(Link::is_up) {
            self.cx.send(owner, &Message::Diverged(alloc::vec![head]));
        }
    }

    /// Tells a peer what is kept of its shard.
    pub(super) fn tell_divergent(&mut self, peer: MemberId) -> Result<(), StoreError> {
        if peer == self.cx.me {
            return Ok(());
        }
        let mut heads = Vec::new();
        for shard in self.divergent.of(&peer) {
            heads.extend(self.disk.head_of(*shard)?);
        }
        if !heads.is_empty() {
            self.divergent.on_told(peer, self.cx.now.time);
            self.cx.send(peer, &Message::Diverged(heads));
        }
        Ok(())
    }

    /// Whether an owner of whom copies are kept is neither linked nor was told lately.
    fn is_to_be_told(&self, owner: &MemberId) -> bool {
        *owner != self.cx.me
            && !self.links.contains_key(owner)
            && !self.divergent.knows(owner, self.cx.now.time)
    }

    /// When the next owner is to be dialled, so that it hears of what is kept here.
    pub(super) fn tell_wakes_at(&self) -> Time {
        let is_any = self.divergent.owners().any(|owner| self.is_to_be_told(owner));
        if is_any { self.divergent.next_dial() } else { Time::NEVER }
    }

    /// The owner that is dialled now, if it is time: each in its turn.
    pub(super) fn next_to_tell(&mut self) -> Option<MemberId> {
        let now = self.cx.now.time;
        if self.divergent.next_dial() > now {
            return None;
        }
        let owners = self.divergent.owners().filter(|owner| self.is_to_be_told(owner));
        let owners: Vec<MemberId> = owners.copied().collect();
        self.divergent.dial_next(owners.into_iter(), now)
    }

    /// A peer keeps states of our shard that the present one did not grow out of.
    pub(super) fn on_diverged(&mut self, from: MemberId, heads: &[Head]) -> Result<(), StoreError> {
        for head in heads {
            if head.owner != self.cx.me {
                self.cx.stats.reject(Rejection::ForeignDivergentCopy);
                continue;
            }
            if self.divergent.has_heard_of(from, head) || self.knows_divergent(head)? {
                continue;
            }
            if !self.cx.check_signature(head) {
                self.links.penalize(&mut self.cx, from, Rejection::Signature);
                return Ok(());
            }
            self.divergent.hear_of(from, head);
        }
        Ok(())
    }

    /// Whether a divergent state of the own shard is held here, or was ended.
    fn knows_divergent(&self, head: &Head) -> Result<bool, StoreError> {
        for shard in self.divergent.of(&self.cx.me) {
            if self.disk.head_of(*shard)?.is_some_and(|held| held.order() == head.order()) {
                return Ok(true);
            }
        }
        let Some((shard, record)) = self.replicas[&self.cx.me].whole() else { return Ok(false) };
        let present = record.head.is_some_and(|present| present.order() == head.order());
        let ends = |branch: &EndedBranch| (branch.timestamp, branch.root) == head.order();
        Ok(present || history_of(&self.disk.view(shard))?.ended().iter().any(ends))
    }

    /// Begins to fetch the next copy of the own shard that a peer has told of.
    pub(super) fn fetch_divergent(&mut self) -> Result<(), StoreError> {
        let confirmed = self.own[&self.cx.me].confirmed() == Confirmed::Yes;
        if !self.divergent.has_told() || !confirmed || self.replicas[&self.cx.me].head().is_none() {
            return Ok(());
        }
        if self.replicas[&self.cx.me].transfer().is_some() {
            return Ok(());
        }
        while let Some((peer, head)) = self.divergent.pop_told() {
            let is_up = self.links.get(&peer).is_some_and(Link::is_up);
            if is_up && !self.knows_divergent(&head)? {
                self.fetch_aside(peer, &head);
                break;
            }
        }
        Ok(())
    }

    /// Begins to fetch a state of an own shard that is not to replace the visible one.
    pub(super) fn fetch_aside(&mut self, peer: MemberId, head: &Head) {
        let transfer = Transfer::Descent(Box::new(Descent::aside(peer, *head)));
        self.replicas.know_owner(&head.owner);
        self.replicas.begin_transfer(&head.owner, transfer);
        self.cx.stats.descents += 1;
        self.cx.more_to_do = true;
    }

    /// A state of an own shard has come that a peer keeps.
    pub(super) fn on_fetched_aside(
        &mut self,
        shard: ShardNumber,
        root: Option<Branch>,
        head: &Head,
    ) -> Result<(), StoreError> {
        self.cx.more_to_do = true;
        if head.owner == self.cx.config.mesh.authority() {
            return self.take_back_roster(shard);
        }
        let theirs = history_of(&self.disk.view(shard))?;
        let state = HeldState { run: theirs.last().map(|run| run.id), timestamp: head.timestamp };
        let ours = self.own_history()?;
        if ours.has_all_of(&state, self.replicas[&self.cx.me].timestamp()) {
            self.disk.retire(head.owner, shard);
            return Ok(());
        }
        if self.own.is_run_named(&self.replicas, &self.cx.me) && theirs.names(self.own.run.current()) {
            self.contest(head, true);
        }
        // On disk before it is shown: it may be taken and ended at once.
        self.own.write_bounds(&mut self.disk);
        let fetched =
            ShardRecord { head: Some(*head), root, ..ShardRecord::new(head.owner, ShardState::Aside) };
        self.keep_divergent(shard, &fetched, ours.diverged_at(&theirs));
        Ok(())
    }

    fn own_history(&self) -> Result<RunHistory, StoreError> {
        match self.replicas[&self.cx.me].whole() {
            Some((shard, _)) => history_of(&self.disk.view(shard)),
            None => Ok(RunHistory::default()),
        }
    }

    /// Names the branches of copies of the own shard that are held here as ended, all or those with these
    /// roots: everybody frees them. A copy that came since they were looked at stays.
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

    /// Commits the runs of the own shard anew, changed by `change`.
    pub(super) fn rewrite_runs(&mut self, change: impl FnOnce(&mut RunHistory)) -> Result<(), StoreError> {
        let mut history = self.own_history()?;
        if !self.own.is_run_named(&self.replicas, &self.cx.me) {
            history.begin(self.own.run.current(), self.replicas[&self.cx.me].timestamp());
        }
        change(&mut history);
        let (key, value) = (Key::new(RUNS_KEY).expect("a key"), history.encode().into());
        self.commit_writes(self.cx.me, &[Write::Put { key, value, expiry: None }])
    }

    /// Gives up copies of an owner that is to have no shard.
    pub(super) fn drop_divergent(&mut self, owner: &MemberId) {
        for shard in self.divergent.take(owner) {
            self.disk.retire(*owner, shard);
        }
    }

    /// Frees the copies that their owners have taken in or given up.
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

    /// The copy of `owner`'s shard with this root.
    pub(super) fn divergent_copy(
        &self,
        owner: &MemberId,
        root: &Hash,
    ) -> Result<Option<(ShardNumber, Arc<ShardRecord>)>, StoreError> {
        for shard in self.divergent.of(owner) {
            let record = self.disk.current().shard(*shard)?;
            if let Some(record) = record.filter(|record| record.head.is_some_and(|head| head.root == *root)) {
                return Ok(Some((*shard, record)));
            }
        }
        Ok(None)
    }

    /// Where the kept states of the member's own shard diverged from the visible one, and where the last of
    /// them ends.
    pub(super) fn divergent_span(&self) -> Option<(Timestamp, Timestamp)> {
        let mut span: Option<(Timestamp, Timestamp)> = None;
        for shard in self.divergent.of(&self.cx.me) {
            let record = self.disk.current().shard(*shard).ok().flatten()?;
            let (first, last) = (record.graves_floor, record.head?.timestamp);
            span = Some(span.map_or((first, last), |span| (span.0.min(first), span.1.max(last))));
        }
        span
    }
}

/// Whether a state names the span of invalid timestamps that `at` lies in.
fn is_voided<V: StoreSnapshot>(state: &View<'_, V>, at: Timestamp) -> Result<bool, StoreError> {
    let key = state.timestamp_of(RESTAMPED_KEY)?;
    let item = key.map(|key| state.item(key)).transpose()?.flatten();
    Ok(item.is_some_and(|item| names(&item.value, at)))
}

/// Bytes of copies that are kept for all owners together.
fn bytes_max(setting: Option<u64>, free: impl FnOnce() -> Option<u64>) -> u64 {
    setting.or_else(|| free().map(|free| free / DIVERGENT_SHARE)).unwrap_or(DIVERGENT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_take_a_tenth_of_the_free_disk_or_what_was_set() {
        assert_eq!(bytes_max(None, || Some(5 << 30)), (5 << 30) / 10);
        assert_eq!(bytes_max(None, || Some(0)), 0);
        assert_eq!(bytes_max(None, || None), 1 << 30);
        assert_eq!(bytes_max(Some(7), || Some(5 << 30)), 7);
    }
}
