//! All owners that the engine knows, in the order of the trie of heads.
//!
//! One table serves as both: owners are found by their place in the trie, and its hashes are kept beside
//! them. So an idle owner costs little more than its 32 bytes.

mod digits;
mod heads;
mod owner;
mod page;
mod recent;
mod tree;

pub(in crate::engine) use owner::{Owner, Reason, Refused, Standing, Transfer};

use crate::{
    hash::{Hash, Hasher},
    head::Head,
    id::{MemberId, MeshId},
    store::{ShardNumber, ShardRecord},
    trie::LEVELS,
};
use alloc::sync::Arc;
use core::{cell::Cell, ops::Index};
use digits::digit;
use page::Page;
use recent::Recent;
use tree::Tree;

/// The owners, by place.
pub(super) struct Owners {
    mesh: MeshId,
    root: Tree,
    recent: Recent,
    /// The root of the trie of heads; `None` until it is computed after a change.
    root_hash: Option<Hash>,
    /// The last computed place, because consecutive lookups are mostly about one owner.
    last: Cell<(MemberId, u64)>,
}

impl Owners {
    pub(super) fn new(mesh: MeshId) -> Self {
        let owner = mesh.authority();
        let last = Cell::new((owner, hash_place(&mesh, &owner)));
        Self { mesh, root: Tree::Page(Page::default()), recent: Recent::new(), root_hash: None, last }
    }

    /// A fast check whether `head` is held, by timestamp and root. If it returns false, the head may still be
    /// held.
    pub(super) fn is_recent_head(&self, head: &Head) -> bool {
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
        let place = self.known(id);
        self.at_mut(place).expect("the owner is known")
    }

    /// The place of `id`, which is known from now on.
    fn known(&mut self, id: &MemberId) -> u64 {
        self.find(id).unwrap_or_else(|free| {
            self.root.insert(free, Owner::new(*id), LEVELS);
            free
        })
    }

    /// Sets or removes the visible shard of `id`.
    pub(super) fn hold(&mut self, id: &MemberId, whole: Option<(ShardNumber, Arc<ShardRecord>)>) {
        let place = self.known(id);
        self.root_hash = None;
        self.recent.hold(id, whole.as_ref().and_then(|(_, record)| record.head()));
        let (mut tree, mut level) = (&mut self.root, LEVELS);
        let page = loop {
            match tree {
                Tree::Page(page) => break page,
                Tree::Fork(fork) => {
                    level -= 1;
                    let digit = digit(place, level);
                    fork.fresh.forget(digit);
                    tree = &mut fork.trees[digit];
                }
            }
        };
        page.hold(place, level, whole);
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
        pages.flat_map(Page::owners)
    }

    /// Changes each owner.
    pub(super) fn for_each_mut(&mut self, mut change: impl FnMut(&mut Owner)) {
        let mut trees = alloc::vec![&mut self.root];
        while let Some(tree) = trees.pop() {
            match tree {
                Tree::Page(page) => page.owners_mut().for_each(&mut change),
                Tree::Fork(fork) => trees.extend(&mut fork.trees),
            }
        }
    }

    /// The place of `id`; as an error, the place where it would be.
    fn find(&self, id: &MemberId) -> Result<u64, u64> {
        let mut place = self.place(id);
        // Two owners have the same place with a chance of 2^-64. The second one takes the next place.
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
                Tree::Page(page) => return page.get(place, level),
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
                Tree::Page(page) => return page.get_mut(place, level),
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
        self.get(id).expect("the owner is known")
    }
}

/// The place of an owner in the trie of heads of `mesh`.
fn hash_place(mesh: &MeshId, owner: &MemberId) -> u64 {
    let hash = Hasher::new(Hasher::HEAD_PLACE).bytes(&mesh.0.0).bytes(&owner.0).finish();
    let [a, b, c, d, e, f, g, h, ..] = hash.0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests;
