//! The tree of pages that holds the owners.

use super::{
    digits::{Fresh, digit},
    owner::Owner,
    page::Page,
};
use crate::trie::Branch;
use alloc::boxed::Box;

/// The owners below one place of the trie.
pub(super) enum Tree {
    Page(Page),
    Fork(Box<Fork>),
}

/// A fork with many owners, by the next digit of their place.
pub(super) struct Fork {
    pub(super) trees: [Tree; 16],
    /// Which cached slots are valid.
    pub(super) fresh: Fresh,
    /// The cached topmost branch of each slot; `None` for an empty slot.
    pub(super) slots: [Option<Branch>; 16],
}

impl Tree {
    /// Inserts an owner into a tree at `level`.
    pub(super) fn insert(&mut self, place: u64, owner: Owner, mut level: u8) {
        let mut tree = self;
        loop {
            // All places of a page at the last level differ, so it is never split.
            if let Tree::Page(page) = tree
                && page.is_full()
                && level > 1
            {
                *tree = Tree::Fork(Box::new(split(core::mem::take(page), level)));
            }
            match tree {
                Tree::Page(page) => return page.insert(place, owner, level),
                Tree::Fork(fork) => {
                    level -= 1;
                    tree = &mut fork.trees[digit(place, level)];
                }
            }
        }
    }
}

/// The owners of a page at `level`, by their digit.
fn split(page: Page, level: u8) -> Fork {
    let mut trees = [const { Tree::Page(Page::EMPTY) }; 16];
    for (place, owner) in page.into_owners() {
        trees[digit(place, level - 1)].insert(place, owner, level - 1);
    }
    Fork { trees, fresh: Fresh::NONE, slots: [None; 16] }
}
