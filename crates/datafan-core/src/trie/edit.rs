//! Changes the trie: many leaves at once, rewriting only the nodes above them.

use super::branch::{Branch, Leaf, Node, Nodes, Place};
use alloc::{collections::BTreeMap, vec::Vec};

/// Leaves by position: `Some` puts or replaces a leaf, `None` removes it.
pub type Changes = BTreeMap<u64, Option<Leaf>>;
/// Nodes that a change wrote (`Some`) or removed (`None`).
pub type NewNodes = BTreeMap<Place, Option<Node>>;

/// Applies `changes` to the trie under `root` and returns its new root.
///
/// Reads each touched node once from `nodes`, which holds the state before the change, and puts changed nodes
/// into `out`. Removing a position without a leaf has no effect.
pub fn update<N: Nodes>(
    nodes: &N,
    domain: u8,
    root: Option<Branch>,
    changes: &Changes,
    out: &mut NewNodes,
) -> Result<Option<Branch>, N::Error> {
    let changes: Vec<(u64, Option<Leaf>)> = changes.iter().map(|(at, leaf)| (*at, *leaf)).collect();
    Edit { nodes, domain, out }.branch(root, &changes)
}

/// Builds the smallest trie over `branches`, which must be in ascending order and not overlap. Puts new nodes
/// into `out`.
pub fn join(domain: u8, branches: &[Branch], out: &mut NewNodes) -> Option<Branch> {
    joined(domain, branches, &mut |node| drop(out.insert(node.place, Some(node))))
}

/// The top of the smallest trie over `branches`, without keeping its nodes.
pub fn top(domain: u8, branches: &[Branch]) -> Option<Branch> {
    joined(domain, branches, &mut drop)
}

fn joined(domain: u8, branches: &[Branch], keep: &mut impl FnMut(Node)) -> Option<Branch> {
    let (first, last) = (branches.first()?, branches.last()?);
    if branches.len() == 1 {
        return Some(*first);
    }
    let place = Place::joining(first.place.first(), last.place.first());
    let digit = |branch: &Branch| place.digit_of(branch.place.first());
    let mut children = Vec::with_capacity(branches.len().min(16));
    for group in branches.chunk_by(|a, b| digit(a) == digit(b)) {
        children.extend(joined(domain, group, keep));
    }
    let node = Node { place, children };
    let branch = branch_of(domain, &node);
    keep(node);
    Some(branch)
}

fn branch_of(domain: u8, node: &Node) -> Branch {
    debug_assert!(node.is_well_formed());
    node.branch(domain).expect("the counts and bytes that one machine can hold fit in 64 bits")
}

fn write(domain: u8, node: Node, out: &mut NewNodes) -> Branch {
    let branch = branch_of(domain, &node);
    out.insert(node.place, Some(node));
    branch
}

struct Edit<'a, N> {
    nodes: &'a N,
    domain: u8,
    out: &'a mut NewNodes,
}

impl<N: Nodes> Edit<'_, N> {
    /// The subtree `branch` with `changes`, some of which may lie outside its place.
    fn branch(
        &mut self,
        branch: Option<Branch>,
        changes: &[(u64, Option<Leaf>)],
    ) -> Result<Option<Branch>, N::Error> {
        let Some(old) = branch else { return Ok(self.joined(None, &[], changes)) };
        if changes.is_empty() {
            return Ok(branch);
        }
        let from = changes.partition_point(|(at, _)| *at < old.place.first());
        let to = changes.partition_point(|(at, _)| *at <= old.place.last());
        let inside = match &changes[from..to] {
            [] => Some(old),
            [(at, leaf)] if old.place.level == 0 => leaf.map(|leaf| Branch::leaf(*at, leaf)),
            inside => self.node(&old, inside)?,
        };
        Ok(self.joined(inside, &changes[..from], &changes[to..]))
    }

    /// The node `old` with `changes`, all of which lie inside.
    fn node(&mut self, old: &Branch, changes: &[(u64, Option<Leaf>)]) -> Result<Option<Branch>, N::Error> {
        let node = self.nodes.node(old.place)?;
        let place = node.place;
        let mut children = Vec::with_capacity(16);
        let mut rest = changes;
        let mut olds = node.children.iter().peekable();
        while let Some(digit) = [
            rest.first().map(|(at, _)| place.digit_of(*at)),
            olds.peek().map(|child| place.digit_of(child.place.first())),
        ]
        .into_iter()
        .flatten()
        .min()
        {
            let n = rest.partition_point(|(at, _)| place.digit_of(*at) <= digit);
            let (here, behind) = rest.split_at(n);
            let child = olds.next_if(|child| place.digit_of(child.place.first()) == digit);
            children.extend(self.branch(child.copied(), here)?);
            rest = behind;
        }
        Ok(match children.as_slice() {
            [] | [_] => {
                self.out.insert(place, None);
                children.first().copied()
            }
            _ => Some(write(self.domain, Node { place, children }, self.out)),
        })
    }

    /// `middle` with the leaves put before and after it.
    fn joined(
        &mut self,
        middle: Option<Branch>,
        before: &[(u64, Option<Leaf>)],
        after: &[(u64, Option<Leaf>)],
    ) -> Option<Branch> {
        let leaves = |changes: &[(u64, Option<Leaf>)]| -> Vec<Branch> {
            changes.iter().filter_map(|(at, leaf)| leaf.map(|leaf| Branch::leaf(*at, leaf))).collect()
        };
        let mut branches = leaves(before);
        branches.extend(middle);
        branches.extend(leaves(after));
        join(self.domain, &branches, self.out)
    }
}
