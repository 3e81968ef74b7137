//! The trie of heads: one hash for everything that a member holds.
//!
//! It has the same form as a shard's trie, indexed by a keyed hash of the owner's id. A leaf is the hash of
//! owner, timestamp and root. The trie is advisory: its nodes prove nothing, while its leaves are heads,
//! which are signed. Nodes are not stored but built on demand from the hashes that the table caches; changes
//! are hashed only then.

use super::{
    Owners,
    digits::digit,
    page::Page,
    tree::{Fork, Tree},
};
use crate::{
    hash::{Hash, Hasher},
    head::Head,
    trie::{Branch, Leaf, Node, Place, node_hash, root_hash, top},
};
use alloc::vec::Vec;

impl Owners {
    /// The root of the trie of heads.
    pub(in crate::engine) fn root(&mut self) -> Hash {
        if let Some(hash) = self.root_hash {
            return hash;
        }
        let hash = root_hash(self.at_slot(Place::ALL).as_ref());
        self.root_hash = Some(hash);
        hash
    }

    /// The root, if nothing changed since it was computed.
    pub(in crate::engine) fn known_root(&self) -> Option<Hash> {
        self.root_hash
    }

    /// The topmost branch at or below `slot`.
    pub(in crate::engine) fn at_slot(&mut self, slot: Place) -> Option<Branch> {
        let (mut tree, mut here) = (&mut self.root, Place::ALL);
        loop {
            let fork = match tree {
                Tree::Page(page) => return page.at_slot(here, slot),
                Tree::Fork(fork) if slot.level >= here.level => return fork.top(here),
                Tree::Fork(fork) => fork,
            };
            let digit = here.digit_of(slot.first());
            if slot.level + 1 == here.level {
                return fork.slot(here, digit);
            }
            here = here.slot(digit);
            tree = &mut fork.trees[usize::from(digit)];
        }
    }

    /// The node of a branch; `None` for a leaf.
    pub(in crate::engine) fn node_of(&mut self, branch: &Branch) -> Option<Node> {
        if branch.place.level == 0 {
            return None;
        }
        let children = (0..16).filter_map(|digit| self.at_slot(branch.place.slot(digit))).collect();
        Some(Node { place: branch.place, children })
    }

    /// The head of a leaf; `None` for a node.
    pub(in crate::engine) fn head_at(&self, branch: &Branch) -> Option<&Head> {
        if branch.place.level > 0 {
            return None;
        }
        self.at(branch.place.prefix)?.head()
    }
}

impl Tree {
    /// The topmost branch of all heads in a tree at `here`.
    fn top(&mut self, here: Place) -> Option<Branch> {
        match self {
            Self::Page(page) => page.at_slot(here, here),
            Self::Fork(fork) => fork.top(here),
        }
    }
}

impl Fork {
    fn top(&mut self, here: Place) -> Option<Branch> {
        for digit in 0..16 {
            self.slot(here, digit);
        }
        let filled = (0..16).zip(&self.slots).filter_map(|(digit, slot)| Some((digit, slot.as_ref()?)));
        if filled.clone().nth(1).is_none() {
            return filled.map(|(_, only)| *only).next();
        }
        Some(node(here, filled.map(|(digit, branch)| (digit, branch.count, branch.hash))))
    }

    fn slot(&mut self, here: Place, digit: u8) -> Option<Branch> {
        let at = usize::from(digit);
        if !self.fresh.has(at) {
            self.slots[at] = self.trees[at].top(here.slot(digit));
            self.fresh.note(at);
        }
        self.slots[at]
    }
}

impl Page {
    /// The topmost branch in `slot`, for a page at `here`.
    fn at_slot(&mut self, here: Place, slot: Place) -> Option<Branch> {
        if self.slots.is_none() || slot.level + 1 < here.level {
            return self.top(slot);
        }
        if slot.level < here.level {
            return self.slot(slot, digit(slot.prefix, 0));
        }
        for digit in 0..16 {
            self.refresh(here.slot(digit), usize::from(digit));
        }
        let filled = self.slots.iter().flat_map(|slots| slots.filled());
        if filled.clone().nth(1).is_some() { Some(node(here, filled)) } else { self.top(slot) }
    }

    fn slot(&mut self, slot: Place, digit: usize) -> Option<Branch> {
        self.refresh(slot, digit);
        let hash = self.slots.as_ref().map(|slots| slots.hashes[digit])?;
        let (place, count) = shape(self.held(slot))?;
        Some(Branch { place, count, bytes: 0, hash })
    }

    /// Updates the cached values of a slot if they are not valid.
    fn refresh(&mut self, slot: Place, digit: usize) {
        if self.fresh.has(digit) {
            return;
        }
        let branch = self.top(slot);
        if let Some(slots) = &mut self.slots {
            slots.counts[digit] = branch.map_or(0, |branch| branch.count as u8);
            slots.hashes[digit] = branch.map_or(Hash([0; 32]), |branch| branch.hash);
            self.fresh.note(digit);
        }
    }

    /// The topmost branch in `slot`, computed from its leaves.
    fn top(&self, slot: Place) -> Option<Branch> {
        let leaf = |(place, head)| Branch::leaf(place, Leaf { bytes: 0, hash: leaf_hash(head) });
        let leaves: Vec<Branch> = self.heads(slot).map(leaf).collect();
        top(Hasher::HEAD_NODE, &leaves)
    }

    /// The heads in `slot`, with their places.
    fn heads(&self, slot: Place) -> impl Iterator<Item = (u64, &Head)> {
        self.within(slot).filter_map(|(place, owner)| Some((place, owner.head()?)))
    }

    /// The places in `slot` of owners that have a head.
    fn held(&self, slot: Place) -> impl Iterator<Item = u64> {
        self.within(slot).filter(|(_, owner)| owner.whole().is_some()).map(|(place, _)| place)
    }
}

/// The node at `place` with two or more children: digit, count and hash of each.
fn node(place: Place, children: impl Iterator<Item = (u8, u64, Hash)> + Clone) -> Branch {
    let count = children.clone().map(|(_, count, _)| count).sum();
    let children = children.map(|(digit, count, hash)| (digit, count, 0, hash));
    Branch { place, count, bytes: 0, hash: node_hash(Hasher::HEAD_NODE, place, children) }
}

/// The place of the topmost node or leaf over leaves at `places`, and their number.
fn shape(mut places: impl Iterator<Item = u64>) -> Option<(Place, u64)> {
    let first = places.next()?;
    let (last, count) = places.fold((first, 1), |(_, count), place| (place, count + 1));
    Some((Place::joining(first, last), count))
}

fn leaf_hash(head: &Head) -> Hash {
    let mut hasher = Hasher::new(Hasher::HEAD_LEAF);
    hasher.bytes(&head.owner.0).u64(head.timestamp.0).bytes(&head.root.0).finish()
}
