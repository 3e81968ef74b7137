//! Reachability, derived from the links that members publish.
//!
//! A member is reachable if a path of links leads to it from here, or if its head changed here within the
//! last minute. A link counts if both ends list it; a single listing counts only from the lister to a member
//! that publishes no list. Lists of members that are not active or not reachable do not count; own links do.
//! After the loss of an own link, nothing that arrived from that peer before counts.
//!
//! This costs nothing while nothing changes, and otherwise at most one walk over the graph per
//! [`LOOK_MICROS`].

mod graph;
mod known;
#[cfg(test)]
mod tests;

use crate::{
    engine::members::Kind,
    id::MemberId,
    time::{SECOND, Time, Timestamp},
};
use alloc::{collections::BTreeMap, vec::Vec};
use graph::Graph;
use known::Known;

/// Published links and the reachability derived from them.
pub(in crate::engine) struct Reach {
    known: Known,
    /// Whether something changed since the last update.
    changed: bool,
    /// The earliest next update.
    next_look: Time,
    /// When the result expires, because it depends on recently changed heads.
    until: Time,
    /// Number of other members that were reachable at the last update.
    n_reachable: usize,
    /// Since when formerly reachable members are unreachable.
    gone: BTreeMap<MemberId, Timestamp>,
    /// The wall clock when this run began.
    began: Timestamp,
}

/// How much a link contributes to the connectivity of the mesh.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::engine) struct Use {
    /// Members that are unreachable without the link.
    pub(in crate::engine) n_parted: usize,
}

/// How long a changed head proves that its owner is reachable.
const MOVED_MICROS: u64 = 60 * SECOND;
/// Minimum time between two updates, so that changes are handled together.
const LOOK_MICROS: u64 = 5 * SECOND;

impl Reach {
    pub(in crate::engine) fn new(me: MemberId, began: Timestamp) -> Self {
        Self {
            known: Known::new(me),
            changed: true,
            next_look: Time(0),
            until: Time::NEVER,
            n_reachable: 0,
            gone: BTreeMap::new(),
            began,
        }
    }

    /// `lister` publishes these links.
    pub(in crate::engine) fn list(&mut self, lister: &MemberId, peers: &[MemberId]) {
        self.changed |= self.known.list(lister, peers);
    }

    /// `lister` publishes no links.
    pub(in crate::engine) fn unlist(&mut self, lister: &MemberId) {
        self.changed |= self.known.unlist(lister);
    }

    /// Number of links that a member publishes; `None` if it publishes none.
    pub(in crate::engine) fn n_listed(&self, lister: &MemberId) -> Option<usize> {
        self.known.n_listed(lister)
    }

    /// The head of `owner` changed here.
    pub(in crate::engine) fn on_moved(&mut self, owner: &MemberId, now: Time) {
        self.changed |= self.known.on_moved(owner, now.after(MOVED_MICROS));
    }

    /// A link came up.
    pub(in crate::engine) fn on_up(&mut self, peer: &MemberId) {
        self.known.believe(peer);
        self.changed = true;
    }

    /// A link that was up is gone.
    pub(in crate::engine) fn on_down(&mut self, peer: &MemberId) {
        self.known.doubt(peer);
        self.changed = true;
    }

    /// The link to `peer` was closed as surplus, after [`Reach::on_down`]: what `peer` publishes still
    /// counts.
    pub(in crate::engine) fn on_surplus(&mut self, peer: &MemberId) {
        self.changed |= self.known.believe(peer);
    }

    /// The roster changed.
    pub(in crate::engine) fn on_roster(&mut self) {
        self.changed = true;
        self.known.on_roster();
    }

    /// Forgets a member that is no longer active.
    pub(in crate::engine) fn forget(&mut self, member: &MemberId) {
        self.on_roster();
        self.known.forget(member);
        self.gone.remove(member);
    }

    /// When the next update is due.
    pub(in crate::engine) fn wakes_at(&self) -> Time {
        if self.changed { self.next_look.min(self.until) } else { self.until }
    }

    /// Updates who is reachable, if it is time.
    pub(in crate::engine) fn update_if_due(
        &mut self,
        now: Time,
        wall: Timestamp,
        links: &[MemberId],
        kind: impl Fn(&MemberId) -> Kind,
    ) {
        if self.wakes_at() > now {
            return;
        }
        self.known.prepare(links, &kind);
        self.known.forget_moved(now);
        let (graph, reached) = self.compute(now, links, kind);
        self.until = self.known.until(&graph.reached(&[]));
        self.n_reachable = count(&reached).saturating_sub(1);
        let gone = &mut self.gone;
        self.known.update_reached(&reached, &graph.behind_one(), |member, is_reached| match is_reached {
            true => drop(gone.remove(member)),
            false => drop(gone.insert(*member, wall)),
        });
        (self.changed, self.next_look) = (false, now.after(LOOK_MICROS));
    }

    /// The members that are reachable now, in ascending order, including this one. Peers that are known only
    /// by their link are missing.
    pub(in crate::engine) fn now(
        &self,
        now: Time,
        links: &[MemberId],
        kind: impl Fn(&MemberId) -> Kind,
    ) -> Vec<MemberId> {
        self.known.names(&self.compute(now, links, kind).1)
    }

    fn compute(&self, now: Time, links: &[MemberId], kind: impl Fn(&MemberId) -> Kind) -> (Graph, Vec<bool>) {
        let kinds = self.known.kinds(kind);
        let graph = self.known.graph(links, &kinds);
        let reached = graph.reached(&self.known.moved(now, &kinds));
        (graph, reached)
    }

    /// Whether a member was reachable at the last update.
    pub(in crate::engine) fn is_reachable(&self, member: &MemberId) -> bool {
        self.known.is_reachable(member)
    }

    /// Whether, at the last update, a member was reachable only through one other member.
    pub(in crate::engine) fn is_behind_one(&self, member: &MemberId) -> bool {
        self.known.is_behind_one(member)
    }

    /// Number of other members that were reachable at the last update.
    pub(in crate::engine) fn n_reachable(&self) -> usize {
        self.n_reachable
    }

    /// Whether a member was reachable at any update of this run.
    pub(in crate::engine) fn has_seen(&self, member: &MemberId) -> bool {
        self.is_reachable(member) || self.gone.contains_key(member)
    }

    /// Since when an unreachable member is unreachable; at the earliest since this run began.
    pub(in crate::engine) fn gone_since(&self, member: &MemberId, wall: Timestamp) -> Timestamp {
        match self.is_reachable(member) {
            true => wall,
            false => self.gone.get(member).copied().unwrap_or(self.began),
        }
    }

    /// The contribution of some own links, derived from the lists alone, because changed heads arrived over
    /// these same links.
    pub(in crate::engine) fn uses(
        &self,
        links: &[MemberId],
        candidates: &[MemberId],
        kind: impl Fn(&MemberId) -> Kind,
    ) -> Vec<(MemberId, Use)> {
        let graph = self.known.graph(links, &self.known.kinds(kind));
        let n_joined = count(&graph.reached(&[]));
        let used = candidates.iter().filter_map(|peer| {
            let without = graph.reached_without(self.known.number_of(peer)?);
            Some((*peer, Use { n_parted: n_joined - count(&without) }))
        });
        used.collect()
    }
}

fn count(reached: &[bool]) -> usize {
    reached.iter().filter(|reached| **reached).count()
}
