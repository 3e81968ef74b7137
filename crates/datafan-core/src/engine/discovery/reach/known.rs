//! The known links of each member. Members are numbered, so that the graph of a large mesh is built without
//! comparing ids.

use super::graph::{Graph, Number};
use crate::{engine::members::Kind, id::MemberId, time::Time};
use alloc::{collections::BTreeMap, vec::Vec};

/// Members that publish links, are listed, or whose head changed.
pub(super) struct Known {
    numbers: BTreeMap<MemberId, Number>,
    /// Members by number. The first one is this member.
    nodes: Vec<Node>,
    /// Number of nodes from which unused ones are removed.
    crowded: usize,
}

/// One member.
#[derive(Clone)]
struct Node {
    id: MemberId,
    /// The published links, in ascending order, if the member publishes a list.
    list: Option<Vec<Number>>,
    /// Its list does not count, because a link to it was lost and nothing arrived since.
    doubted: bool,
    /// Until when its changed head proves that it is reachable.
    moved: Option<Time>,
    /// Whether it was reachable at the last update.
    reached: bool,
    /// Whether it was reachable only through one other member at the last update.
    behind_one: bool,
    /// Its kind in the roster, if that did not change since it was looked up.
    kind: Option<Kind>,
}

const ME: Number = 0;
/// Most unused numbers.
const UNUSED_MAX: usize = 64;

impl Known {
    pub(super) fn new(me: MemberId) -> Self {
        let mut known = Self { numbers: BTreeMap::new(), nodes: Vec::new(), crowded: UNUSED_MAX };
        known.number(&me);
        known
    }

    /// The number of a member, a new one if it has none.
    fn number(&mut self, id: &MemberId) -> Number {
        let nodes = &mut self.nodes;
        *self.numbers.entry(*id).or_insert_with(|| {
            nodes.push(Node::new(*id));
            nodes.len() as Number - 1
        })
    }

    fn find(&self, id: &MemberId) -> Option<&Node> {
        self.numbers.get(id).map(|at| &self.nodes[*at as usize])
    }

    fn find_mut(&mut self, id: &MemberId) -> Option<&mut Node> {
        self.numbers.get(id).map(|at| &mut self.nodes[*at as usize])
    }

    fn node(&mut self, id: &MemberId) -> &mut Node {
        let at = self.number(id);
        &mut self.nodes[at as usize]
    }

    /// Sets the list of `lister`. Returns whether it changed.
    pub(super) fn list(&mut self, lister: &MemberId, peers: &[MemberId]) -> bool {
        let mut peers: Vec<Number> = peers.iter().map(|peer| self.number(peer)).collect();
        peers.sort_unstable();
        let list = &mut self.node(lister).list;
        let is_news = list.as_ref() != Some(&peers);
        *list = Some(peers);
        is_news
    }

    /// Removes the list of `lister`. Returns whether there was one.
    pub(super) fn unlist(&mut self, lister: &MemberId) -> bool {
        self.find_mut(lister).is_some_and(|node| node.list.take().is_some())
    }

    pub(super) fn n_listed(&self, lister: &MemberId) -> Option<usize> {
        self.find(lister)?.list.as_ref().map(Vec::len)
    }

    /// The head of `owner` changed here, which proves until `until` that it is reachable. Returns whether
    /// that is new, because it was doubted or unreachable.
    pub(super) fn on_moved(&mut self, owner: &MemberId, until: Time) -> bool {
        let node = self.node(owner);
        node.moved = Some(until);
        core::mem::take(&mut node.doubted) | !node.reached
    }

    /// Nothing that arrived from `peer` so far counts.
    pub(super) fn doubt(&mut self, peer: &MemberId) {
        let node = self.node(peer);
        (node.doubted, node.moved) = (true, None);
    }

    /// The list of `peer` counts again. Returns whether it did not before.
    pub(super) fn believe(&mut self, peer: &MemberId) -> bool {
        core::mem::take(&mut self.node(peer).doubted)
    }

    /// Forgets a member that is no longer active.
    pub(super) fn forget(&mut self, member: &MemberId) {
        if let Some(node) = self.find_mut(member) {
            (node.list, node.doubted, node.moved) = (None, false, None);
        }
    }

    pub(super) fn is_reachable(&self, member: &MemberId) -> bool {
        self.find(member).is_some_and(|node| node.reached)
    }

    pub(super) fn is_behind_one(&self, member: &MemberId) -> bool {
        self.find(member).is_some_and(|node| node.behind_one)
    }

    /// The roster changed.
    pub(super) fn on_roster(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.kind = None);
    }

    /// Gives numbers to own links, looks up kinds, and removes unused numbers.
    pub(super) fn prepare(&mut self, links: &[MemberId], kind: impl Fn(&MemberId) -> Kind) {
        if self.nodes.len() >= self.crowded {
            self.drop_unused();
            self.crowded = 2 * self.nodes.len() + UNUSED_MAX;
        }
        for link in links {
            self.number(link);
        }
        for node in &mut self.nodes {
            node.kind.get_or_insert_with(|| kind(&node.id));
        }
    }

    fn drop_unused(&mut self) {
        let mut used = alloc::vec![false; self.nodes.len()];
        used[ME as usize] = true;
        for (at, node) in self.nodes.iter().enumerate() {
            used[at] |= node.list.is_some() || node.doubted || node.reached || node.moved.is_some();
            node.list.iter().flatten().for_each(|peer| used[*peer as usize] = true);
        }
        let mut old = core::mem::replace(self, Self::new(self.nodes[ME as usize].id)).nodes;
        let ids: Vec<MemberId> = old.iter().map(|node| node.id).collect();
        for (at, node) in old.iter_mut().enumerate().filter(|(at, _)| used[*at]) {
            let number = self.number(&ids[at]);
            let list = node.list.take();
            let list = list.map(|list| list.iter().map(|peer| self.number(&ids[*peer as usize])).collect());
            let list = list.map(|mut list: Vec<Number>| {
                list.sort_unstable();
                list
            });
            self.nodes[number as usize] = Node { list, ..node.clone() };
        }
    }

    /// Forgets changed heads that no longer count.
    pub(super) fn forget_moved(&mut self, now: Time) {
        self.nodes.iter_mut().for_each(|node| node.moved = node.moved.filter(|until| *until > now));
    }

    /// When the first member that is not in `joined` stops being reachable.
    pub(super) fn until(&self, joined: &[bool]) -> Time {
        let others = self.nodes.iter().zip(joined).filter(|(_, is_joined)| !**is_joined);
        others.filter_map(|(node, _)| node.moved).min().unwrap_or(Time::NEVER)
    }

    /// Records the result of an update, and reports each change of reachability.
    pub(super) fn update_reached(
        &mut self,
        reached: &[bool],
        behind_one: &[bool],
        mut on_change: impl FnMut(&MemberId, bool),
    ) {
        for ((node, reached), behind_one) in self.nodes.iter_mut().zip(reached).zip(behind_one) {
            if node.reached != *reached {
                on_change(&node.id, *reached);
            }
            (node.reached, node.behind_one) = (*reached, *behind_one);
        }
    }

    /// The graph of links from here. An own link to a peer without a number leads nowhere else and is left
    /// out.
    pub(super) fn graph(&self, links: &[MemberId], kinds: &[Kind]) -> Graph {
        let links = links.iter().filter_map(|link| self.number_of(link));
        let links: Vec<Number> = links.filter(|at| kinds[*at as usize] != Kind::Stranger).collect();
        let list_of = |at: Number| {
            let node = &self.nodes[at as usize];
            node.list.as_deref().filter(|_| kinds[at as usize] == Kind::Owner && !node.doubted)
        };
        // A single listing counts only towards a member that publishes no list.
        let leads = |from: Number, to: Number| match kinds[to as usize] {
            _ if to == ME => false,
            Kind::Stranger => false,
            Kind::Reader => true,
            Kind::Owner if self.nodes[to as usize].list.is_none() => true,
            Kind::Owner => list_of(to).is_some_and(|peers| peers.binary_search(&from).is_ok()),
        };
        Graph::new(ME, self.nodes.len(), |from, ends| match list_of(from) {
            _ if from == ME => ends.extend(&links),
            Some(peers) => ends.extend(peers.iter().filter(|to| **to != from && leads(from, **to))),
            None => {}
        })
    }

    /// The kind of each member.
    pub(super) fn kinds(&self, kind: impl Fn(&MemberId) -> Kind) -> Vec<Kind> {
        self.nodes.iter().map(|node| node.kind.unwrap_or_else(|| kind(&node.id))).collect()
    }

    /// Active members whose head changed here recently.
    pub(super) fn moved(&self, now: Time, kinds: &[Kind]) -> Vec<Number> {
        let nodes = self.nodes.iter().zip(kinds).zip(0..);
        let moved = nodes.filter(|((node, kind), _)| {
            **kind != Kind::Stranger && node.moved.is_some_and(|until| until > now)
        });
        moved.map(|(_, at)| at).collect()
    }

    /// The ids of members for which `is_meant` is true, in ascending order.
    pub(super) fn names(&self, is_meant: &[bool]) -> Vec<MemberId> {
        let meant = self.numbers.iter().filter(|(_, at)| is_meant[**at as usize]);
        meant.map(|(id, _)| *id).collect()
    }

    /// The number of a member that has one.
    pub(super) fn number_of(&self, id: &MemberId) -> Option<Number> {
        self.numbers.get(id).copied()
    }

    /// Which members were reachable at the last update.
    #[cfg(test)]
    pub(super) fn reached(&self) -> Vec<bool> {
        self.nodes.iter().map(|node| node.reached).collect()
    }
}

impl Node {
    fn new(id: MemberId) -> Self {
        Self { id, list: None, doubted: false, moved: None, reached: false, behind_one: false, kind: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> MemberId {
        MemberId([n; 32])
    }

    #[test]
    fn unused_numbers_are_dropped() {
        let mut known = Known::new(id(0));
        known.list(&id(9), &[id(0), id(8)]);
        known.list(&id(8), &[id(9)]);
        let joined = |known: &Known| {
            let graph = known.graph(&[id(9)], &known.kinds(|_| Kind::Owner));
            known.names(&graph.reached(&[]))
        };
        let before = joined(&known);
        assert_eq!(before, [id(0), id(8), id(9)]);
        for n in 10..250 {
            known.list(&id(7), &[id(n)]);
            known.prepare(&[id(9)], |_| Kind::Owner);
            assert_eq!(joined(&known), before, "with {n}");
        }
        assert!(known.nodes.len() < UNUSED_MAX + 16, "{}", known.nodes.len());
        assert_eq!((known.n_listed(&id(9)), known.n_listed(&id(7))), (Some(2), Some(1)));
    }
}
