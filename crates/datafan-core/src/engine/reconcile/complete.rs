//! Advances a reconciliation, and makes its result visible.

use super::{
    super::{
        handlers::Replication,
        replaced::Replaced,
        replicas::{
            Reason,
            invalid_spans::{RESTAMPED_KEY, names},
        },
        roster::keeps_members,
    },
    Build, Reconciliation,
    lending::{Going, end_lending},
    state::PASSES_MAX,
};
use crate::{
    engine::rejection::Rejection,
    head::Head,
    id::MemberId,
    store::{HeldTombstones, ShardChange, ShardRecord, Store, StoreError},
    trie::root_hash,
};
use alloc::vec::Vec;

impl<S: Store> Replication<'_, S> {
    /// Advances the reconciliation of `owner` as far as possible without an answer.
    pub(in crate::engine) fn advance(&mut self, owner: &MemberId) -> Result<(), StoreError> {
        let Some(mut reconciliation) = self.replicas.lend_reconciliation(owner) else { return Ok(()) };
        let going = self.advance_lent(&mut reconciliation)?;
        end_lending(self.replicas, self.links, owner, reconciliation, going);
        Ok(())
    }

    pub(super) fn advance_lent(&mut self, reconciliation: &mut Reconciliation) -> Result<Going, StoreError> {
        let wanted = reconciliation.is_of_divergent() || self.rules().is_wanted(&reconciliation.target);
        if !wanted || !self.reconciler().has_source(reconciliation) {
            self.reconciler().give_up_divergent(reconciliation);
            return Ok(Going::Over);
        }
        if reconciliation.build.is_none() {
            reconciliation.build = Some(self.reconciler().begin_build(reconciliation)?);
        }
        if self.reconciler().copy_page(reconciliation)? {
            return Ok(Going::On);
        }
        if reconciliation.target.items == 0 && self.reconciler().clear_build(reconciliation)? {
            self.cx.more_to_do = true;
            return Ok(Going::On);
        }
        if !reconciliation.has_much_absent() {
            self.reconciler().request(reconciliation)?;
        }
        if reconciliation.flight.is_empty() && self.reconciler().clear_absent(reconciliation)? {
            self.cx.more_to_do = true;
            return Ok(Going::On);
        }
        if reconciliation.work.is_empty() && reconciliation.flight.is_empty() {
            return self.conclude(reconciliation);
        }
        Ok(Going::On)
    }

    /// Everything was compared: the target is reached, or it is compared again, or it is invalid.
    pub(super) fn conclude(&mut self, reconciliation: &mut Reconciliation) -> Result<Going, StoreError> {
        let build = reconciliation.build.as_ref().expect("the build exists once a reconciliation has begun");
        let root = build.root();
        let sums = root.as_ref().map_or((0, 0), |root| (root.count, root.bytes));
        let target = &reconciliation.target;
        if root_hash(root.as_ref()) == target.root && sums == (target.items, target.bytes) {
            return self.complete(reconciliation);
        }
        reconciliation.passes += 1;
        if reconciliation.passes < PASSES_MAX {
            reconciliation.restart();
            self.cx.more_to_do = true;
            return Ok(Going::On);
        }
        if reconciliation.is_of_divergent() {
            self.cx.stats.reject(Rejection::DivergentCopy);
            self.reconciler().give_up_divergent(reconciliation);
        } else {
            self.replicas.refuse_invalid(self.cx, &reconciliation.target);
        }
        Ok(Going::Over)
    }

    /// Whether the target may replace the held state: it is later, or the owner was revoked, or it makes the
    /// held state invalid.
    pub(super) fn may_replace_held(&self, build: &Build, target: &Head) -> Result<bool, StoreError> {
        let Some(held) = self.replicas[&target.owner].head().filter(|held| held.order() > target.order())
        else {
            return Ok(true);
        };
        if self.members.of(self.replicas, &target.owner).is_some_and(|membership| !membership.is_active()) {
            return Ok(true);
        }
        let view = build.view(self.disk);
        let at = view.timestamp_of(RESTAMPED_KEY)?;
        let item = at.map(|at| view.item(at)).transpose()?.flatten();
        Ok(item.is_some_and(|item| names(&item.value, held.timestamp)))
    }

    /// Prepares the replacement of a state. `None` if it can proceed; else whether the reconciliation
    /// continues.
    pub(super) fn before_replacing(
        &mut self,
        reconciliation: &mut Reconciliation,
        replaced: Replaced,
    ) -> Result<Option<Going>, StoreError> {
        let target = reconciliation.target;
        match replaced {
            Replaced::Continued => Ok(None),
            Replaced::Taken { diverged, same_run } => {
                self.gossip().begin_contest(&target, diverged || same_run);
                Ok(Some(Going::Over))
            }
            Replaced::Diverged(_) if self.gossip().keeps_own(&target.owner) => {
                self.gossip().continue_from_own(&target, true);
                Ok(Some(Going::Over))
            }
            Replaced::Diverged(_) if !self.has_room_for_divergent(&target.owner)? => {
                self.replicas.refuse(self.cx, &target, Reason::Divergent);
                self.replicas.forget(&target.owner);
                Ok(Some(Going::Over))
            }
            Replaced::Diverged(_)
                if reconciliation.build.as_ref().is_some_and(|build| !build.is_hidden()) =>
            {
                self.reconciler().hide(reconciliation)?;
                Ok(Some(Going::On))
            }
            Replaced::Diverged(_) => {
                if target.owner == self.cx.me && self.own.is_run_named(self.replicas, &self.cx.me) {
                    // Writes of the current run are on the branch that is kept, so later writes need a new
                    // run.
                    self.own.run.renew(&mut self.cx.rng);
                }
                Ok(None)
            }
        }
    }

    /// Makes the state under construction the visible one.
    pub(super) fn complete(&mut self, reconciliation: &mut Reconciliation) -> Result<Going, StoreError> {
        let target = reconciliation.target;
        let owner = target.owner;
        let build = reconciliation.build.take().expect("the build exists once a reconciliation has begun");
        if reconciliation.is_of_divergent() {
            self.on_divergent_fetched(build.shard(), build.root(), &target)?;
            return Ok(Going::Over);
        }
        let change = match &build {
            Build::Layer { change, .. } => change.clone(),
            Build::Hidden { .. } => ShardChange::default(),
        };
        if owner == self.cx.config.mesh.authority()
            && !keeps_members(self.cx, self.disk, self.replicas, &build.view(self.disk), &change)?
        {
            self.refuse_roster(&target);
            return Ok(Going::Over);
        }
        if !self.may_replace_held(&build, &target)? {
            self.replicas.refuse(self.cx, &target, Reason::StepBack);
            self.replicas.forget(&owner);
            return Ok(Going::Over);
        }
        let replaced = self.judge_replacement(&owner, &build.view(self.disk))?;
        reconciliation.build = Some(build);
        if let Some(going) = self.before_replacing(reconciliation, replaced)? {
            return Ok(going);
        }
        let build = reconciliation.build.take().expect("the build was just put back");
        self.fork_judge().compare_states(&build, &target)?;
        self.show_built(&build, target, change, replaced)?;
        if let Some(from) = reconciliation.from {
            self.exchange().graft_sender(from, &owner);
        }
        if build.is_hidden() {
            self.flush()?;
            self.system_items().load_system(&owner, build.shard())?;
        }
        Ok(Going::Over)
    }

    /// Makes the build the visible state of its owner, replacing the old one.
    fn show_built(
        &mut self,
        build: &Build,
        target: Head,
        mut change: ShardChange,
        replaced: Replaced,
    ) -> Result<(), StoreError> {
        let owner = target.owner;
        let whole = self.replicas[&owner].whole().map(|(shard, record)| (shard, record.clone()));
        let held = self.replicas[&owner].tombstones();
        let mut tombstones = match &whole {
            Some(_) if !build.is_hidden() => held,
            _ => HeldTombstones { since: target.timestamp, rows: 0 },
        };
        // A key that only got a new timestamp needs no tombstone.
        let view = build.view(self.disk);
        let mut gone = Vec::new();
        for (at, key) in core::mem::take(&mut change.tombstones).into_keys() {
            if view.timestamp_of(key.as_str())?.is_none() {
                gone.push(((at, key), true));
            }
        }
        change.tombstones = gone.into_iter().collect();
        self.disk.trim_tombstones(
            build.shard(),
            &mut tombstones,
            &mut change,
            self.cx.config.tombstones_max,
        )?;
        if let (true, Some((old, record))) = (build.is_hidden(), &whole) {
            match replaced {
                Replaced::Diverged(diverged) => {
                    let head = *record.head().expect("a visible shard has a head");
                    self.keep_divergent(*old, (head, record.root, held.rows), diverged)
                }
                Replaced::Continued | Replaced::Taken { .. } => self.disk.retire(owner, *old),
            }
        }
        self.cx.stats.applied += 1;
        self.own.on_own_head(&target, self.disk);
        self.adopt(build.shard(), ShardRecord::whole(target, build.root(), tombstones), change);
        Ok(())
    }
}
