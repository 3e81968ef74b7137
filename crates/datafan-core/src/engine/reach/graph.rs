//! The published links as a graph, seen from one member.

use crate::id::MemberId;
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

/// What the roster says of a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::engine) enum Kind {
    /// It does not belong.
    Stranger,
    /// It belongs, and owns no shard in which it could publish its links.
    Reader,
    /// It belongs and owns a shard.
    Owner,
}

/// What is known of links.
pub(super) struct Known<'a> {
    pub(super) me: MemberId,
    /// Own links that are up.
    pub(super) links: &'a [MemberId],
    /// Published links by lister, ascending.
    pub(super) lists: &'a BTreeMap<MemberId, Vec<MemberId>>,
    /// Listers whose list proves nothing at present.
    pub(super) doubted: &'a BTreeSet<MemberId>,
    /// Members that are reachable whatever the lists say.
    pub(super) moved: &'a [MemberId],
}

/// Members by number, and where each of them leads.
pub(super) struct Graph {
    /// Ascending.
    ids: Vec<MemberId>,
    me: usize,
    leads_to: Vec<Vec<usize>>,
    moved: Vec<usize>,
}

/// No number.
const NONE: usize = usize::MAX;

impl Graph {
    pub(super) fn new(known: &Known<'_>, kind: impl Fn(&MemberId) -> Kind) -> Self {
        let listed = known.lists.iter().flat_map(|(lister, peers)| [lister].into_iter().chain(peers));
        let own = known.links.iter().chain(known.moved).chain([&known.me]);
        let ids: BTreeSet<MemberId> = listed.chain(own).copied().collect();
        let kinds: Vec<(MemberId, Kind)> = ids.into_iter().map(|id| (id, kind(&id))).collect();
        let belongs = |(id, kind): &(MemberId, Kind)| *id == known.me || *kind != Kind::Stranger;
        let kinds: Vec<(MemberId, Kind)> = kinds.into_iter().filter(belongs).collect();
        let ids: Vec<MemberId> = kinds.iter().map(|(id, _)| *id).collect();
        let number = |id: &MemberId| ids.binary_search(id).ok();
        let list_of = |at: usize| match kinds[at] {
            (id, Kind::Owner) if id != known.me => {
                known.lists.get(&id).filter(|_| !known.doubted.contains(&id))
            }
            _ => None,
        };
        let leads = |from: usize, to: usize| match kinds[to] {
            // A single listing leads to who can list nothing, and never back.
            (_, Kind::Reader) => true,
            (id, _) if !known.lists.contains_key(&id) => true,
            _ => list_of(to).is_some_and(|peers| peers.binary_search(&ids[from]).is_ok()),
        };
        let numbers = |peers: &[MemberId]| peers.iter().filter_map(number).collect::<Vec<usize>>();
        let leads_to = (0..ids.len()).map(|from| match list_of(from) {
            _ if ids[from] == known.me => numbers(known.links),
            Some(peers) => numbers(peers).into_iter().filter(|to| *to != from && leads(from, *to)).collect(),
            None => Vec::new(),
        });
        let (leads_to, moved) = (leads_to.collect(), numbers(known.moved));
        let me = number(&known.me).expect("it is in the list");
        Self { ids, me, leads_to, moved }
    }

    /// Members to which a path leads from here, and those that moved and to which one leads from there.
    pub(super) fn reached(&self) -> Vec<MemberId> {
        let begins = [self.me].into_iter().chain(self.moved.iter().copied()).collect();
        self.names(&self.walk(begins, NONE))
    }

    /// Members to which a path leads from here.
    pub(super) fn joined(&self) -> Vec<MemberId> {
        self.names(&self.walk([self.me].into(), NONE))
    }

    /// As [`Graph::joined`], as if the own link to `peer` was not there.
    pub(super) fn joined_without(&self, peer: &MemberId) -> Vec<MemberId> {
        let without = self.ids.binary_search(peer).unwrap_or(NONE);
        self.names(&self.walk([self.me].into(), without))
    }

    fn names(&self, reached: &[bool]) -> Vec<MemberId> {
        let reached = self.ids.iter().zip(reached).filter(|(_, reached)| **reached);
        reached.map(|(id, _)| *id).collect()
    }

    /// What a walk reaches that begins at `waiting` and does not use the own link to `without`.
    fn walk(&self, mut waiting: Vec<usize>, without: usize) -> Vec<bool> {
        let mut reached = alloc::vec![false; self.ids.len()];
        waiting.iter().for_each(|at| reached[*at] = true);
        while let Some(from) = waiting.pop() {
            for &to in &self.leads_to[from] {
                let is_closed = from == self.me && to == without;
                if !is_closed && !core::mem::replace(&mut reached[to], true) {
                    waiting.push(to);
                }
            }
        }
        reached
    }

    /// Members to which every path from here leads through one other member: its loss would part them from
    /// us.
    ///
    /// These are the members with a dominator other than this one (Cooper, Harvey, Kennedy: A Simple, Fast
    /// Dominance Algorithm, 2001).
    pub(super) fn behind_one(&self) -> Vec<MemberId> {
        let order = self.last_to_first();
        let mut rank = alloc::vec![NONE; self.ids.len()];
        order.iter().enumerate().for_each(|(n, at)| rank[*at] = n);
        let mut from: Vec<Vec<usize>> = alloc::vec![Vec::new(); self.ids.len()];
        for at in &order {
            self.leads_to[*at].iter().for_each(|to| from[*to].push(*at));
        }
        let mut above = alloc::vec![NONE; self.ids.len()];
        above[self.me] = self.me;
        let mut changed = true;
        while changed {
            changed = false;
            for &at in order.iter().filter(|at| **at != self.me) {
                let known = from[at].iter().copied().filter(|from| above[*from] != NONE);
                let joins = |a, b| common(a, b, &above, &rank);
                let new = known.reduce(joins).expect("it was reached from somewhere before it");
                changed |= core::mem::replace(&mut above[at], new) != new;
            }
        }
        let behind: Vec<bool> = above.iter().map(|above| *above != NONE && *above != self.me).collect();
        self.names(&behind)
    }

    /// What is reached from here, each before what is only reached through it.
    fn last_to_first(&self) -> Vec<usize> {
        let mut seen = alloc::vec![false; self.ids.len()];
        seen[self.me] = true;
        let (mut order, mut stack) = (Vec::new(), alloc::vec![(self.me, 0)]);
        while let Some((at, next)) = stack.last_mut() {
            match self.leads_to[*at].get(*next) {
                Some(&to) => {
                    *next += 1;
                    if !core::mem::replace(&mut seen[to], true) {
                        stack.push((to, 0));
                    }
                }
                None => {
                    order.push(*at);
                    stack.pop();
                }
            }
        }
        order.reverse();
        order
    }
}

/// Where the ways up from two members meet.
fn common(mut a: usize, mut b: usize, above: &[usize], rank: &[usize]) -> usize {
    while a != b {
        if rank[a] > rank[b] { a = above[a] } else { b = above[b] }
    }
    a
}
