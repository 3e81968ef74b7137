//! Acts on the runs under which others list this member.

use super::{
    handlers::Conflicts, key_conflicts::SameKeyPlace, members::Kind, own::Confirmed, replicas::Owner,
    runs::history_of,
};
use crate::{
    id::MemberId,
    limits::SEEN_RUNS_MAX,
    runs::RunId,
    store::{Meta, Store, StoreError},
    time::{SECOND, Timestamp},
};
use alloc::{collections::BTreeSet, vec::Vec};

/// Two processes take each other's links within seconds. The list of a peer does not count once our link to
/// it has lasted this long.
const LASTED_MICROS: u64 = 10 * SECOND;

impl<S: Store> Conflicts<'_, S> {
    /// Decides whether this process starts as a newcomer, which may be the second with its key: it has no
    /// data of its own, or recovered it from the mesh and was not cleared yet.
    pub(super) fn load_newcomer(&mut self, is_marked: bool) {
        let is_empty = self.own.member().before() == Timestamp::ZERO;
        let asks = self.cx.config.publish_links && !self.cx.config.new_mesh && !self.cx.config.abandon;
        if asks && (is_empty || is_marked) {
            self.key_conflicts.listed.begin_as_newcomer(self.cx.now.time);
            self.disk.set_meta(Meta::Newcomer, Some(Vec::new()));
        } else if is_marked {
            self.end_newcomer();
        }
    }

    /// This process counts as the only one with its key.
    fn end_newcomer(&mut self) {
        self.key_conflicts.listed.end_newcomer();
        self.disk.set_meta(Meta::Newcomer, None);
        self.discovery.dialer.request_check();
    }

    /// Starts or ends holding own writes back.
    pub(super) fn update_newcomer(&mut self) {
        if !self.key_conflicts.listed.is_newcomer() || self.key_conflicts.same_key.found().is_some() {
            return;
        }
        if self.key_conflicts.listed.is_seen() {
            return self.on_same_key(SameKeyPlace::Linked);
        }
        if self.own[&self.cx.me].has_written() {
            // No peer held anything of its shard, so its first write was allowed.
            return self.end_newcomer();
        }
        let has_head = self.replicas.get(&self.cx.me).is_some_and(|owner| owner.head().is_some());
        let now = self.cx.now.time;
        if has_head && self.own[&self.cx.me].confirmed() == Confirmed::Yes {
            self.key_conflicts.listed.hold(now);
        }
        if self.key_conflicts.listed.is_check_due(now) {
            let (lister, all_arrived) = (self.lister_of_another(), !self.is_any_first_copy_due());
            if self.key_conflicts.listed.record_check(now, lister, all_arrived) {
                self.end_newcomer();
            }
        }
    }

    /// Whether a known shard is not held at all yet.
    fn is_any_first_copy_due(&self) -> bool {
        self.replicas.iter().any(|owner| owner.head().is_none() && owner.known().is_some())
    }

    /// A reachable member that lists another run of this member. A broken link stays listed for a while.
    fn lister_of_another(&self) -> Option<MemberId> {
        let lasted = |peer: &MemberId| {
            let link = self.links.get(peer).filter(|link| link.is_up());
            link.is_some_and(|link| link.up_since().after(LASTED_MICROS) <= self.cx.now.time)
        };
        let others = self.key_conflicts.listed.others(self.own.run.process()).map(|(lister, _)| *lister);
        let others: Vec<MemberId> = others.filter(|lister| !lasted(lister)).collect();
        if others.is_empty() {
            return None;
        }
        let reached = self
            .discovery
            .reach
            .now(self.cx.now.time, &self.links.up(), |id| self.members.kind_of(self.replicas, id));
        others.into_iter().find(|lister| reached.binary_search(lister).is_ok())
    }

    /// Learns the run under which `lister` publishes a link with this member.
    pub(super) fn learn_listed(&mut self, lister: &MemberId, run: Option<RunId>) {
        if self.key_conflicts.listed.on_list(lister, run)
            && run.is_some_and(|run| run != self.own.run.process())
        {
            self.discovery.own_links.on_changed();
            self.key_conflicts.listed.add_lister(lister);
            self.cx.more_to_do = true;
        }
    }

    /// Dials members that are linked with another process of this member, because they can compare both. A
    /// list may still contain an earlier run of this process's own history, which does not count.
    pub(super) fn dial_listers(&mut self) -> Result<(), StoreError> {
        while let Some((lister, run)) = self.key_conflicts.listed.pop_lister() {
            let seen = self.foreign_runs()?;
            let is_one = run.is_some_and(|run| seen.contains(&run));
            if is_one
                && !self.links.contains_key(&lister)
                && !self.key_conflicts.prevents_dial(
                    &lister,
                    self.links,
                    self.own.run.process(),
                    self.cx.now.time,
                )
            {
                self.discovery.redial(self.cx, self.members, self.replicas, &lister);
            }
        }
        Ok(())
    }

    /// Some runs of other processes with this member's key, and how long this process had run when it first
    /// saw each.
    pub(super) fn seen_runs(&mut self) -> Result<Vec<(RunId, u64)>, StoreError> {
        let age = self.own.run.age_micros(self.cx.now.time);
        let runs = self.foreign_runs()?.into_iter().take(SEEN_RUNS_MAX);
        Ok(self.key_conflicts.listed.update_seen(runs, age))
    }

    /// Runs under which members list this member and that are not in its own history.
    fn foreign_runs(&self) -> Result<BTreeSet<RunId>, StoreError> {
        let belongs = |lister: &MemberId| self.members.kind_of(self.replicas, lister) != Kind::Stranger;
        let others =
            self.key_conflicts.listed.others(self.own.run.process()).filter(|(lister, _)| belongs(lister));
        let mut runs: BTreeSet<RunId> = others.map(|(_, run)| run).collect();
        if let Some((shard, _)) = self.replicas.get(&self.cx.me).and_then(Owner::whole)
            && !runs.is_empty()
        {
            let history = history_of(&self.disk.view(shard))?;
            runs.retain(|run| !history.names(*run));
        }
        Ok(runs)
    }

    /// Learns from the own shard which runs its writer has seen, and how long the writer had run at each
    /// time. A writer that had run longer then than this process has now began before it.
    pub(super) fn on_seen(&mut self, runs: &[(RunId, u64)]) {
        let age = self.own.run.age_micros(self.cx.now.time);
        self.key_conflicts.listed.on_seen(runs, self.own.run.process(), age);
    }
}
