//! The published links as a graph of numbered members, seen from one of them.

use alloc::vec::Vec;

/// A member by its number.
pub(super) type Number = u32;

/// The links from each member.
pub(super) struct Graph {
    me: Number,
    edges: Edges,
}

/// Edges by their start, in one allocation, because a mesh of a thousand members is walked often.
struct Edges {
    /// Index of the first edge of each member, and finally the total number of edges.
    begins: Vec<u32>,
    ends: Vec<Number>,
}

/// No number.
const NONE: Number = Number::MAX;

impl Graph {
    /// Builds the graph of `n` members. `leads` appends the ends of the edges of a member.
    pub(super) fn new(me: Number, n: usize, mut leads: impl FnMut(Number, &mut Vec<Number>)) -> Self {
        let (mut begins, mut ends) = (Vec::with_capacity(n + 1), Vec::new());
        for from in 0..n as Number {
            begins.push(ends.len() as u32);
            leads(from, &mut ends);
        }
        begins.push(ends.len() as u32);
        Self { me, edges: Edges { begins, ends } }
    }

    /// The members that a walk from this member and from `also` reaches.
    pub(super) fn reached(&self, also: &[Number]) -> Vec<bool> {
        self.walk([self.me].iter().chain(also).copied().collect(), NONE)
    }

    /// The members that a walk from this member reaches without the own link to `without`.
    pub(super) fn reached_without(&self, without: Number) -> Vec<bool> {
        self.walk([self.me].into(), without)
    }

    fn walk(&self, mut waiting: Vec<Number>, without: Number) -> Vec<bool> {
        let mut reached = alloc::vec![false; self.edges.len()];
        waiting.iter().for_each(|at| reached[*at as usize] = true);
        while let Some(from) = waiting.pop() {
            for &to in self.edges.of(from) {
                let is_closed = from == self.me && to == without;
                if !is_closed && !core::mem::replace(&mut reached[to as usize], true) {
                    waiting.push(to);
                }
            }
        }
        reached
    }

    /// Members to which every path from here leads through one other member, whose loss would disconnect
    /// them.
    ///
    /// These are the members with a dominator other than this one (Cooper, Harvey, Kennedy: A Simple, Fast
    /// Dominance Algorithm, 2001).
    pub(super) fn behind_one(&self) -> Vec<bool> {
        let order = self.last_to_first();
        let mut rank = alloc::vec![NONE; self.edges.len()];
        order.iter().enumerate().for_each(|(n, at)| rank[*at as usize] = n as u32);
        let from = self.edges.reversed(&order);
        let mut above = alloc::vec![NONE; self.edges.len()];
        above[self.me as usize] = self.me;
        let mut changed = true;
        while changed {
            changed = false;
            for &at in order.iter().filter(|at| **at != self.me) {
                let known = from.of(at).iter().copied().filter(|from| above[*from as usize] != NONE);
                let joins = |a, b| common(a, b, &above, &rank);
                let new = known.reduce(joins).expect("a member in `order` is reached from an earlier one");
                changed |= core::mem::replace(&mut above[at as usize], new) != new;
            }
        }
        above.iter().map(|above| *above != NONE && *above != self.me).collect()
    }

    /// The reachable members, each before those that are reached only through it.
    fn last_to_first(&self) -> Vec<Number> {
        let mut seen = alloc::vec![false; self.edges.len()];
        seen[self.me as usize] = true;
        let (mut order, mut stack) = (Vec::new(), alloc::vec![(self.me, 0)]);
        while let Some((at, next)) = stack.last_mut() {
            match self.edges.of(*at).get(*next) {
                Some(&to) => {
                    *next += 1;
                    if !core::mem::replace(&mut seen[to as usize], true) {
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

impl Edges {
    /// Number of members.
    fn len(&self) -> usize {
        self.begins.len() - 1
    }

    fn of(&self, from: Number) -> &[Number] {
        let [begin, end] = [from, from + 1].map(|at| self.begins[at as usize] as usize);
        &self.ends[begin..end]
    }

    /// The edges that start at `sources`, reversed.
    fn reversed(&self, sources: &[Number]) -> Self {
        let mut begins = alloc::vec![0; self.len() + 1];
        let each = || sources.iter().flat_map(|from| self.of(*from).iter().map(move |to| (*from, *to)));
        each().for_each(|(_, to)| begins[to as usize + 1] += 1);
        for at in 1..begins.len() {
            begins[at] += begins[at - 1];
        }
        let mut next = begins.clone();
        let mut ends = alloc::vec![NONE; each().count()];
        for (from, to) in each() {
            ends[next[to as usize] as usize] = from;
            next[to as usize] += 1;
        }
        Self { begins, ends }
    }
}

/// The common dominator of two members.
fn common(mut a: Number, mut b: Number, above: &[Number], rank: &[u32]) -> Number {
    while a != b {
        if rank[a as usize] > rank[b as usize] { a = above[a as usize] } else { b = above[b as usize] }
    }
    a
}
