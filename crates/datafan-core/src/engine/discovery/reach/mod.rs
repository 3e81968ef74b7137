//! Who is reachable, by the links that members publish.
//!
//! A member is reachable if a path of links leads to it from here, or if its head moved here within the last
//! minute. An edge counts if both ends list it; a single listing leads only from its lister to a member that
//! lists nothing, never back. Lists of members that do not belong or are not reachable themselves count for
//! nothing; own links count. Of a peer to which an own link was lost, what came before the loss proves
//! nothing.
//!
//! It costs nothing while nothing changes, and after changes one walk over the graph in [`LOOK_MICROS`].

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

/// What members have published, and what follows from it.
pub(in crate::engine) struct Reach {
    known: Known,
    /// Something changed since the last look.
    changed: bool,
    /// Not looked again before, unless somebody asks.
    next_look: Time,
    /// When what was seen is no longer so, because it rests on heads that moved.
    until: Time,
    /// How many others were reachable by the last look.
    n_reachable: usize,
    /// Since when members that were reachable are not.
    gone: BTreeMap<MemberId, Timestamp>,
    /// The wall clock when this run began.
    began: Timestamp,
}

/// How well a link joins what would be apart without it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::engine) struct Use {
    /// Members that no path leads to without the link.
    pub(in crate::engine) n_parted: usize,
}

/// A head that moved here proves for so long that its owner is reachable.
const MOVED_MICROS: u64 = 60 * SECOND;
/// Changes are looked at together.
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

    /// How many links a member publishes.
    pub(in crate::engine) fn n_listed(&self, lister: &MemberId) -> Option<usize> {
        self.known.n_listed(lister)
    }

    /// The head of `owner` moved here.
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

    /// The link to `peer` ended as one too many, after [`Reach::on_down`]: nothing was lost, and what `peer`
    /// publishes still counts.
    pub(in crate::engine) fn on_surplus(&mut self, peer: &MemberId) {
        self.changed |= self.known.believe(peer);
    }

    /// The roster changed.
    pub(in crate::engine) fn on_roster(&mut self) {
        self.changed = true;
        self.known.on_roster();
    }

    /// A member does not belong any more.
    pub(in crate::engine) fn forget(&mut self, member: &MemberId) {
        self.on_roster();
        self.known.forget(member);
        self.gone.remove(member);
    }

    /// When it is worth a look.
    pub(in crate::engine) fn wakes_at(&self) -> Time {
        if self.changed { self.next_look.min(self.until) } else { self.until }
    }

    /// Sees who is reachable by now, if it is time.
    pub(in crate::engine) fn look(
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
        let (graph, reached) = self.see(now, links, kind);
        self.until = self.known.until(&graph.reached(&[]));
        self.n_reachable = count(&reached).saturating_sub(1);
        let gone = &mut self.gone;
        self.known.see(&reached, &graph.behind_one(), |member, is_reached| match is_reached {
            true => drop(gone.remove(member)),
            false => drop(gone.insert(*member, wall)),
        });
        (self.changed, self.next_look) = (false, now.after(LOOK_MICROS));
    }

    /// Who is reachable at this moment, ascending, this member among them; without peers of whom nothing but
    /// the link is known.
    pub(in crate::engine) fn now(
        &self,
        now: Time,
        links: &[MemberId],
        kind: impl Fn(&MemberId) -> Kind,
    ) -> Vec<MemberId> {
        self.known.names(&self.see(now, links, kind).1)
    }

    fn see(&self, now: Time, links: &[MemberId], kind: impl Fn(&MemberId) -> Kind) -> (Graph, Vec<bool>) {
        let kinds = self.known.kinds(kind);
        let graph = self.known.graph(links, &kinds);
        let reached = graph.reached(&self.known.moved(now, &kinds));
        (graph, reached)
    }

    /// Whether a member was reachable by the last look.
    pub(in crate::engine) fn is_reachable(&self, member: &MemberId) -> bool {
        self.known.is_reachable(member)
    }

    /// Whether, by the last look, the loss of one other member would part this one from us.
    pub(in crate::engine) fn is_behind_one(&self, member: &MemberId) -> bool {
        self.known.is_behind_one(member)
    }

    /// How many others were reachable by the last look.
    pub(in crate::engine) fn n_reachable(&self) -> usize {
        self.n_reachable
    }

    /// Whether a member was reachable by any look of this run.
    pub(in crate::engine) fn has_seen(&self, member: &MemberId) -> bool {
        self.is_reachable(member) || self.gone.contains_key(member)
    }

    /// Since when a member that is not reachable is not: at the earliest since this run began.
    pub(in crate::engine) fn gone_since(&self, member: &MemberId, wall: Timestamp) -> Timestamp {
        match self.is_reachable(member) {
            true => wall,
            false => self.gone.get(member).copied().unwrap_or(self.began),
        }
    }

    /// What each of some own links joins, by the lists alone: heads that moved came over these very links.
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
