//! All owners that the engine knows, in the order of the trie of heads.
//!
//! One table is both: owners are found by their place in the trie, and its hashes are kept beside them. So an owner
//! that rests costs little more than its own 32 bytes.

mod heads;
mod owner;
mod recent;

pub(super) use owner::{Busy, Owner, Reason, Refused, Standing, Transfer};

use crate::{
    hash::{Hash, Hasher},
    head::Head,
    id::{MemberId, MeshId},
    store::{ShardNumber, ShardRecord},
    trie::{Branch, LEVELS},
};
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{cell::Cell, ops::Index};
use recent::Recent;

/// The owners, by place.
pub(super) struct Owners {
    mesh: MeshId,
    root: Tree,
    recent: Recent,
    /// Of the trie of heads; `None` until it is asked for after a change.
    root_hash: Option<Hash>,
    /// The place that was computed last: most of what happens at once is about one owner.
    last: Cell<(MemberId, u64)>,
}

/// The owners below one place of the trie.
enum Tree {
    Page(Page),
    Fork(Box<Fork>),
}

/// A few owners, ascending by place.
#[derive(Default)]
struct Page {
    owners: Vec<Owner>,
    /// Hashes of its slots; `None` while there are so few owners that they are soon hashed again.
    slots: Option<Box<Slots>>,
}

/// Many owners, by the next digit of their place.
struct Fork {
    trees: [Tree; 16],
    /// The topmost branch in each slot, or that there is none; outer `None` where that is not known.
    slots: [Option<Option<Branch>>; 16],
}

/// What is remembered of the sixteen slots of a page. Its branches would take twice the memory, and there are many pages.
#[derive(Default)]
struct Slots {
    /// Which hashes are valid: a bit per digit.
    fresh: u16,
    /// Of the topmost node or leaf in the slot.
    hashes: [Hash; 16],
}

/// A page with more owners is split.
const PAGE_OWNERS_MAX: usize = 64;
/// A page with more owners remembers the hashes of its slots.
const PAGE_OWNERS_PLAIN: usize = 8;
/// Owners for which a page makes room at once.
const PAGE_OWNERS_STEP: usize = 4;

impl Owners {
    pub(super) fn new(mesh: MeshId) -> Self {
        let owner = mesh.authority();
        let last = Cell::new((owner, hash_place(&mesh, &owner)));
        Self { mesh, root: Tree::Page(Page::default()), recent: Recent::new(), root_hash: None, last }
    }

    /// Whether it is clear at a glance that `head` is held, by timestamp and root. If it is not, it may still be.
    pub(super) fn holds_since_lately(&self, head: &Head) -> bool {
        self.recent.has(head)
    }

    pub(super) fn get(&self, id: &MemberId) -> Option<&Owner> {
        let mut place = self.place(id);
        loop {
            let owner = self.at(place)?;
            if owner.id() == id {
                return Some(owner);
            }
            place = place.wrapping_add(1);
        }
    }

    pub(super) fn get_mut(&mut self, id: &MemberId) -> Option<&mut Owner> {
        let place = self.find(id).ok()?;
        self.at_mut(place)
    }

    /// The owner `id`, known from now on.
    pub(super) fn entry(&mut self, id: &MemberId) -> &mut Owner {
        let place = match self.find(id) {
            Ok(place) => place,
            Err(place) => {
                self.root.insert(Owner::new(*id, place), LEVELS);
                place
            }
        };
        self.at_mut(place).expect("it is there, or was just inserted")
    }

    /// Sets or removes the visible shard of `id`.
    pub(super) fn hold(&mut self, id: &MemberId, whole: Option<(ShardNumber, Arc<ShardRecord>)>) {
        let place = self.entry(id).place;
        self.root_hash = None;
        self.recent.hold(id, whole.as_ref().and_then(|(_, record)| record.head.as_ref()));
        let (mut tree, mut level) = (&mut self.root, LEVELS);
        let page = loop {
            match tree {
                Tree::Page(page) => break page,
                Tree::Fork(fork) => {
                    level -= 1;
                    let digit = digit(place, level);
                    fork.slots[digit] = None;
                    tree = &mut fork.trees[digit];
                }
            }
        };
        if let Some(slots) = &mut page.slots {
            slots.forget(digit(place, level - 1));
        }
        page.get_mut(place).expect("known from above").hold(whole);
    }

    /// All owners, by place.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Owner> {
        let mut trees = alloc::vec![&self.root];
        let pages = core::iter::from_fn(move || {
            loop {
                match trees.pop()? {
                    Tree::Page(page) => return Some(page),
                    Tree::Fork(fork) => trees.extend(fork.trees.iter().rev()),
                }
            }
        });
        pages.flat_map(|page| &page.owners)
    }

    /// Changes each owner.
    pub(super) fn for_each_mut(&mut self, mut change: impl FnMut(&mut Owner)) {
        let mut trees = alloc::vec![&mut self.root];
        while let Some(tree) = trees.pop() {
            match tree {
                Tree::Page(page) => page.owners.iter_mut().for_each(&mut change),
                Tree::Fork(fork) => trees.extend(&mut fork.trees),
            }
        }
    }

    /// Where `id` is; as an error where it would be.
    fn find(&self, id: &MemberId) -> Result<u64, u64> {
        let mut place = self.place(id);
        // Two owners with one place have a chance of 2^-64: the second goes to the next one.
        while let Some(owner) = self.at(place) {
            if owner.id() == id {
                return Ok(place);
            }
            place = place.wrapping_add(1);
        }
        Err(place)
    }

    fn at(&self, place: u64) -> Option<&Owner> {
        let (mut tree, mut level) = (&self.root, LEVELS);
        loop {
            match tree {
                Tree::Page(page) => return page.get(place),
                Tree::Fork(fork) => {
                    level -= 1;
                    tree = &fork.trees[digit(place, level)];
                }
            }
        }
    }

    fn at_mut(&mut self, place: u64) -> Option<&mut Owner> {
        let (mut tree, mut level) = (&mut self.root, LEVELS);
        loop {
            match tree {
                Tree::Page(page) => return page.get_mut(place),
                Tree::Fork(fork) => {
                    level -= 1;
                    tree = &mut fork.trees[digit(place, level)];
                }
            }
        }
    }

    fn place(&self, id: &MemberId) -> u64 {
        let (last, place) = self.last.get();
        if last == *id {
            return place;
        }
        let place = hash_place(&self.mesh, id);
        self.last.set((*id, place));
        place
    }
}

impl Index<&MemberId> for Owners {
    type Output = Owner;

    fn index(&self, id: &MemberId) -> &Owner {
        self.get(id).expect("a known owner")
    }
}

/// The place of an owner in the trie of heads of `mesh`.
fn hash_place(mesh: &MeshId, owner: &MemberId) -> u64 {
    let hash = Hasher::new(Hasher::HEAD_PLACE).bytes(&mesh.0.0).bytes(&owner.0).finish();
    let [a, b, c, d, e, f, g, h, ..] = hash.0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// The digit of `place` at `level`, from 0 for the last one.
fn digit(place: u64, level: u8) -> usize {
    (place >> (4 * u32::from(level))) as usize & 15
}

impl Tree {
    /// Inserts an owner into a tree at `level`.
    fn insert(&mut self, owner: Owner, mut level: u8) {
        let mut tree = self;
        loop {
            // All places of a page at the last level differ, so it is never split.
            if let Tree::Page(page) = tree
                && page.owners.len() >= PAGE_OWNERS_MAX
                && level > 1
            {
                *tree = Tree::Fork(Box::new(core::mem::take(page).split(level)));
            }
            match tree {
                Tree::Page(page) => return page.insert(owner, level),
                Tree::Fork(fork) => {
                    level -= 1;
                    tree = &mut fork.trees[digit(owner.place, level)];
                }
            }
        }
    }
}

impl Page {
    fn index(&self, place: u64) -> Result<usize, usize> {
        self.owners.binary_search_by_key(&place, |owner| owner.place)
    }

    fn get(&self, place: u64) -> Option<&Owner> {
        Some(&self.owners[self.index(place).ok()?])
    }

    fn get_mut(&mut self, place: u64) -> Option<&mut Owner> {
        let at = self.index(place).ok()?;
        Some(&mut self.owners[at])
    }

    fn insert(&mut self, owner: Owner, level: u8) {
        let Err(at) = self.index(owner.place) else { unreachable!("the place is free") };
        if self.owners.len() == self.owners.capacity() {
            self.owners.reserve_exact(PAGE_OWNERS_STEP);
        }
        if self.owners.len() == PAGE_OWNERS_PLAIN && level > 1 {
            self.slots = Some(Box::default());
        }
        self.owners.insert(at, owner);
    }

    /// The owners of a page at `level`, by their digit.
    fn split(self, level: u8) -> Fork {
        let mut trees = [const { Tree::Page(Page { owners: Vec::new(), slots: None }) }; 16];
        for owner in self.owners {
            trees[digit(owner.place, level - 1)].insert(owner, level - 1);
        }
        Fork { trees, slots: [None; 16] }
    }
}

impl Slots {
    fn forget(&mut self, digit: usize) {
        self.fresh &= !(1 << digit);
    }

    fn get(&self, digit: usize) -> Option<Hash> {
        (self.fresh & (1 << digit) != 0).then(|| self.hashes[digit])
    }

    fn set(&mut self, digit: usize, hash: Hash) {
        self.fresh |= 1 << digit;
        self.hashes[digit] = hash;
    }
}

#[cfg(test)]
mod tests;
