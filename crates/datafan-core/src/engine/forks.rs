//! Owners that have forked: the evidence is kept and can be shown to anyone. Their commits are fetched only
//! with the rounds, until their forks are closed.

use super::{
    command_error::ForkError,
    effect::Alarm,
    handlers::{Commits, ForkJudge, Replication},
    input::Write,
    publish::system_item,
    reconcile::Build,
    replicas::Owner,
    runs::history_of,
};
use crate::{
    engine::rejection::Rejection,
    fork::{CLOSING_PREFIX, Closing, Evidence, ForkRuns, KeptFork, Lost, first_lost, way},
    head::Head,
    id::MemberId,
    item::Key,
    limits::EVIDENCE_VALUE_BYTES_MAX,
    roster::MemberError,
    runs::{RUNS_KEY, RunHistory},
    store::{Meta, Page, ShardChange, ShardNumber, Store, StoreError, StoreSnapshot},
    time::Timestamp,
};
use alloc::{string::String, vec::Vec};
use core::ops::Bound;

impl<S: Store> ForkJudge<'_, S> {
    /// Compares two heads of one owner. If they have the same timestamp and the new one is signed too, the
    /// owner has forked.
    pub(super) fn compare_heads(&mut self, held: &Head, head: &Head) {
        let forked = held.timestamp == head.timestamp && held.root != head.root;
        if forked && self.replicas.forks.wants(held, head) && self.cx.check_signature(head) {
            let (mesh, first, second) = (self.cx.config.mesh, *held, *head);
            let runs = ForkRuns { first: self.replicas.held_state(&held.owner).run, second: None };
            self.keep_fork(KeptFork { evidence: Evidence { mesh, first, second, item: None }, runs });
        }
    }

    /// Compares a built state with the held one that it replaces. If it has an item that the held state
    /// should have but lacks, the owner has forked.
    pub(super) fn compare_states(&mut self, build: &Build, target: &Head) -> Result<(), StoreError> {
        let Some((shard, record)) = self.replicas.get(&target.owner).and_then(Owner::whole) else {
            return Ok(());
        };
        let (Some(held), root) = (record.head().copied(), record.root) else { return Ok(()) };
        if held.timestamp >= target.timestamp || !self.replicas.forks.wants(&held, target) {
            return Ok(());
        }
        let (before, after) = (self.disk.view(shard), build.view(self.disk));
        let Some(at) = first_lost((&after, build.root()), (&before, root), held.timestamp)? else {
            return Ok(());
        };
        let Some(item) = after.item(at)?.filter(|item| item.value.len() <= EVIDENCE_VALUE_BYTES_MAX) else {
            return Ok(());
        };
        let (absent, present) = (way(&before, root, at)?, way(&after, build.root(), at)?);
        let lost = Lost { item: (*item).clone(), absent, present };
        let mesh = self.cx.config.mesh;
        let second = history_of(&after)?.last().map(|run| run.id);
        let runs = ForkRuns { first: self.replicas.held_state(&target.owner).run, second };
        let evidence = Evidence { mesh, first: held, second: *target, item: Some(lost) };
        self.keep_fork(KeptFork { evidence, runs });
        Ok(())
    }

    fn keep_fork(&mut self, fork: KeptFork) {
        let (first, second) = (fork.evidence.first, fork.evidence.second);
        self.cx.stats.reject(Rejection::Fork);
        // If the owner has the maximum number of pieces, all of them are closed.
        self.replicas.forks.add(fork);
        // This is judged again once the new state is held.
        self.judge_forks(&first.owner);
        self.disk.set_meta(Meta::Forks, Some(self.replicas.forks.encode()));
        self.cx.alarm(Alarm::Fork { first, second });
    }

    /// Judges an owner's forks again, after its runs changed or the authority closed some.
    pub(super) fn judge_forks(&mut self, owner: &MemberId) {
        if !self.replicas.forks.knows(owner) {
            return;
        }
        // If this read fails, the next one reports it. Until then the fork is unchanged.
        let Ok(item) = system_item(self.disk, self.replicas, owner, RUNS_KEY) else { return };
        let history = item.and_then(|item| RunHistory::decode(&item.value).ok()).unwrap_or_default();
        self.replicas.forks.judge(owner, &history);
    }

    /// Like [`ForkJudge::judge_forks`], with the runs that the shard is about to have.
    pub(super) fn judge_forks_by(&mut self, owner: &MemberId, runs: &[u8]) {
        if self.replicas.forks.knows(owner) {
            self.replicas.forks.judge(owner, &RunHistory::decode(runs).unwrap_or_default());
        }
    }

    /// Judges all forks, after everything is loaded.
    pub(super) fn judge_all_forks(&mut self) {
        let owners: Vec<MemberId> = self.replicas.forks.owners();
        owners.iter().for_each(|owner| self.judge_forks(owner));
    }

    /// Learns which forks a change of the authority's shard closes.
    pub(super) fn learn_closings(&mut self, change: &ShardChange) {
        let from = (Bound::Included(CLOSING_PREFIX), Bound::Unbounded);
        for (key, at) in change.keys.range::<str, _>(from) {
            let Some(owner) = Closing::owner_of(key.as_str()) else { return };
            if let Some(Some(item)) = at.and_then(|at| change.log.get(&at)) {
                self.learn_closing(&owner, &item.value.clone());
            }
        }
    }

    /// Loads which forks the authority's shard closes.
    pub(super) fn load_closings(&mut self, shard: ShardNumber) -> Result<(), StoreError> {
        let mut from = Bound::Included(String::from(CLOSING_PREFIX));
        loop {
            let rows =
                self.disk.current().keys(shard, from.as_ref().map(|key| key.as_str()), Page::rows(1_024))?;
            for (key, at) in &rows {
                let Some(owner) = Closing::owner_of(key.as_str()) else { return Ok(()) };
                if let Some(item) = self.disk.current().item(shard, *at)? {
                    self.learn_closing(&owner, &item.value);
                }
            }
            let Some((last, _)) = rows.last() else { return Ok(()) };
            from = Bound::Excluded(last.as_str().into());
        }
    }

    fn learn_closing(&mut self, owner: &MemberId, value: &[u8]) {
        match Closing::decode(value) {
            Ok(closing) => self.replicas.forks.close(owner, closing),
            Err(_) => self.cx.stats.reject(Rejection::Closing),
        }
        self.judge_forks(owner);
    }
}

impl<S: Store> Commits<'_, S> {
    /// Checks whether the forks of an owner can be closed here.
    pub(super) fn check_closing(&self, owner: &MemberId) -> Result<(), ForkError> {
        match self.members.of(self.replicas, owner) {
            _ if self.cx.config.authority.is_none() => Err(ForkError::CannotClose),
            None if *owner != self.cx.config.mesh.authority() => {
                Err(MemberError::Unknown { id: *owner }.into())
            }
            _ if self.replicas.forks.knows(owner) => Ok(()),
            None => Err(MemberError::Authority { id: *owner }.into()),
            Some(_) => Err(ForkError::NoFork { id: *owner }),
        }
    }
}

impl<S: Store> Replication<'_, S> {
    /// The writes with which the authority closes the known forks of an owner.
    pub(super) fn closing_writes(&self, owner: &MemberId) -> Vec<Write> {
        let held = self.replicas.get(owner).map_or(Timestamp::ZERO, Owner::timestamp);
        let until = self.replicas.forks.last(owner).unwrap_or_default().max(held);
        let key: Key = Closing::key(owner);
        alloc::vec![Write::Put { key, value: Closing { until }.encode().into(), expiry: None }]
    }
}
