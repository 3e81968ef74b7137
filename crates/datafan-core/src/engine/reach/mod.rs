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
#[cfg(test)]
mod tests;

pub(super) use graph::Kind;

use crate::{
    id::MemberId,
    time::{SECOND, Time, Timestamp},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use graph::{Graph, Known};

/// What members have published, and what follows from it.
pub(super) struct Reach {
    me: MemberId,
    /// By lister, ascending.
    lists: BTreeMap<MemberId, Vec<MemberId>>,
    /// Whose head moved here lately.
    moved: BTreeMap<MemberId, Time>,
    /// Peers to which a link was lost, and of whom nothing came since.
    doubted: BTreeSet<MemberId>,
    /// Something changed since the last look.
    changed: bool,
    /// Not looked again before, unless somebody asks.
    next_look: Time,
    /// When what was seen is no longer so, because it rests on heads that moved.
    until: Time,
    /// Ascending, by the last look.
    reached: Vec<MemberId>,
    /// Ascending, by the last look: reachable, but through one certain member only.
    behind_one: Vec<MemberId>,
    /// Since when members that were reachable are not.
    gone: BTreeMap<MemberId, Timestamp>,
    /// The wall clock when this run began.
    began: Timestamp,
}

/// How well a link joins what would be apart without it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Use {
    /// Members that no path leads to without the link.
    pub(super) n_parted: usize,
}

/// A head that moved here proves for so long that its owner is reachable.
const MOVED_MICROS: u64 = 60 * SECOND;
/// Changes are looked at together.
const LOOK_MICROS: u64 = 5 * SECOND;

impl Reach {
    pub(super) fn new(me: MemberId, began: Timestamp) -> Self {
        Self {
            me,
            lists: BTreeMap::new(),
            moved: BTreeMap::new(),
            doubted: BTreeSet::new(),
            changed: true,
            next_look: Time(0),
            until: Time::NEVER,
            reached: Vec::new(),
            behind_one: Vec::new(),
            gone: BTreeMap::new(),
            began,
        }
    }

    /// `lister` publishes these links, ascending.
    pub(super) fn list(&mut self, lister: &MemberId, peers: Vec<MemberId>) {
        self.changed |= self.lists.get(lister) != Some(&peers);
        self.lists.insert(*lister, peers);
    }

    /// `lister` publishes no links.
    pub(super) fn unlist(&mut self, lister: &MemberId) {
        self.changed |= self.lists.remove(lister).is_some();
    }

    /// How many links a member publishes.
    pub(super) fn n_listed(&self, lister: &MemberId) -> Option<usize> {
        self.lists.get(lister).map(Vec::len)
    }

    /// The head of `owner` moved here.
    pub(super) fn on_moved(&mut self, owner: &MemberId, now: Time) {
        let is_news = self.doubted.remove(owner) | !self.is_reachable(owner);
        self.changed |= is_news;
        self.moved.insert(*owner, now);
    }

    /// A link came up.
    pub(super) fn on_up(&mut self, peer: &MemberId) {
        self.doubted.remove(peer);
        self.changed = true;
    }

    /// A link that was up is gone.
    pub(super) fn on_down(&mut self, peer: &MemberId) {
        self.doubted.insert(*peer);
        self.moved.remove(peer);
        self.changed = true;
    }

    /// The link to `peer` ended as one too many, after [`Reach::on_down`]: nothing was lost, and what `peer` publishes
    /// still counts.
    pub(super) fn on_surplus(&mut self, peer: &MemberId) {
        self.changed |= self.doubted.remove(peer);
    }

    /// The roster changed.
    pub(super) fn on_roster(&mut self) {
        self.changed = true;
    }

    /// A member does not belong any more.
    pub(super) fn forget(&mut self, member: &MemberId) {
        self.unlist(member);
        self.doubted.remove(member);
        self.moved.remove(member);
        self.gone.remove(member);
    }

    /// When it is worth a look.
    pub(super) fn wakes_at(&self) -> Time {
        if self.changed { self.next_look.min(self.until) } else { self.until }
    }

    /// Sees who is reachable by now, if it is time.
    pub(super) fn look(
        &mut self,
        now: Time,
        wall: Timestamp,
        links: &[MemberId],
        kind: impl Fn(&MemberId) -> Kind,
    ) {
        if self.wakes_at() > now {
            return;
        }
        self.moved.retain(|_, at| at.after(MOVED_MICROS) > now);
        let (graph, reached) = self.see(now, links, kind);
        let joined = graph.joined();
        let by_heads = self.moved.iter().filter(|(member, _)| joined.binary_search(member).is_err());
        self.until = by_heads.map(|(_, at)| at.after(MOVED_MICROS)).min().unwrap_or(Time::NEVER);
        self.behind_one = graph.behind_one();
        for member in self.reached.iter().filter(|member| reached.binary_search(member).is_err()) {
            self.gone.insert(*member, wall);
        }
        self.reached = reached;
        let reached = &self.reached;
        self.gone.retain(|member, _| reached.binary_search(member).is_err());
        (self.changed, self.next_look) = (false, now.after(LOOK_MICROS));
    }

    /// Who is reachable at this moment, ascending, this member among them.
    pub(super) fn now(
        &self,
        now: Time,
        links: &[MemberId],
        kind: impl Fn(&MemberId) -> Kind,
    ) -> Vec<MemberId> {
        self.see(now, links, kind).1
    }

    fn see(&self, now: Time, links: &[MemberId], kind: impl Fn(&MemberId) -> Kind) -> (Graph, Vec<MemberId>) {
        let moved = self.moved.iter().filter(|(_, at)| at.after(MOVED_MICROS) > now);
        let moved: Vec<MemberId> = moved.map(|(member, _)| *member).collect();
        let graph = self.graph(links, &moved, kind);
        let reached = graph.reached();
        (graph, reached)
    }

    fn graph(&self, links: &[MemberId], moved: &[MemberId], kind: impl Fn(&MemberId) -> Kind) -> Graph {
        let (lists, doubted) = (&self.lists, &self.doubted);
        Graph::new(&Known { me: self.me, links, lists, doubted, moved }, kind)
    }

    /// Whether a member was reachable by the last look.
    pub(super) fn is_reachable(&self, member: &MemberId) -> bool {
        self.reached.binary_search(member).is_ok()
    }

    /// Whether, by the last look, the loss of one other member would part this one from us.
    pub(super) fn is_behind_one(&self, member: &MemberId) -> bool {
        self.behind_one.binary_search(member).is_ok()
    }

    /// How many others were reachable by the last look.
    pub(super) fn n_reachable(&self) -> usize {
        self.reached.len().saturating_sub(1)
    }

    /// Since when a member that is not reachable is not: at the earliest since this run began.
    pub(super) fn gone_since(&self, member: &MemberId, wall: Timestamp) -> Timestamp {
        match self.is_reachable(member) {
            true => wall,
            false => self.gone.get(member).copied().unwrap_or(self.began),
        }
    }

    /// What each of some own links joins, by the lists alone: heads that moved came over these very links.
    pub(super) fn uses(
        &self,
        links: &[MemberId],
        candidates: &[MemberId],
        kind: impl Fn(&MemberId) -> Kind,
    ) -> Vec<(MemberId, Use)> {
        let graph = self.graph(links, &[], kind);
        let n_joined = graph.joined().len();
        let used = candidates.iter().map(|peer| {
            let n_parted = n_joined - graph.joined_without(peer).len();
            (*peer, Use { n_parted })
        });
        used.collect()
    }
}
