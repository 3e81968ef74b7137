//! A page of a few owners with adjacent places.

use super::{
    digits::{Fresh, digit},
    owner::Owner,
};
use crate::{
    hash::Hash,
    store::{ShardNumber, ShardRecord},
    trie::Place,
};
use alloc::{boxed::Box, sync::Arc, vec::Vec};

/// A few owners, in ascending order of place. The places are stored apart from the owners, so that a search
/// touches only one or two cache lines.
#[derive(Default)]
pub(super) struct Page {
    places: Vec<u64>,
    /// The owner at each place.
    owners: Vec<Owner>,
    /// Which cached slots are valid.
    pub(super) fresh: Fresh,
    /// Cached slots; `None` while there are so few owners that hashing them again is cheap.
    pub(super) slots: Option<Box<Slots>>,
}

/// Cached values of the sixteen slots of a page. Whole branches would take twice the memory, and there are
/// many pages.
#[derive(Default)]
pub(super) struct Slots {
    /// Number of heads in each slot.
    pub(super) counts: [u8; 16],
    /// Hash of the topmost node or leaf, if there is one.
    pub(super) hashes: [Hash; 16],
}

/// A page with more owners is split.
const OWNERS_MAX: usize = 64;
/// A page with more owners caches the hashes of its slots.
const OWNERS_PLAIN: usize = 8;
/// Number of owners for which a page allocates at once.
const OWNERS_STEP: usize = 4;

impl Page {
    pub(super) const EMPTY: Self =
        Self { places: Vec::new(), owners: Vec::new(), fresh: Fresh::NONE, slots: None };

    pub(super) fn is_full(&self) -> bool {
        self.owners.len() >= OWNERS_MAX
    }

    /// The owner at `place`, for a page at `level`.
    pub(super) fn get(&self, place: u64, level: u8) -> Option<&Owner> {
        Some(&self.owners[self.index(place, level).ok()?])
    }

    pub(super) fn get_mut(&mut self, place: u64, level: u8) -> Option<&mut Owner> {
        let at = self.index(place, level).ok()?;
        Some(&mut self.owners[at])
    }

    /// Sets or removes the visible shard of the owner at `place`, which exists.
    pub(super) fn hold(&mut self, place: u64, level: u8, whole: Option<(ShardNumber, Arc<ShardRecord>)>) {
        self.fresh.forget(digit(place, level - 1));
        self.get_mut(place, level).expect("the owner is known").hold(whole);
    }

    pub(super) fn insert(&mut self, place: u64, owner: Owner, level: u8) {
        let Err(at) = self.index(place, level) else { unreachable!("the place is free") };
        if self.owners.len() == self.owners.capacity() {
            self.places.reserve_exact(OWNERS_STEP);
            self.owners.reserve_exact(OWNERS_STEP);
        }
        if self.owners.len() == OWNERS_PLAIN && level > 1 {
            self.slots = Some(Box::default());
        }
        self.places.insert(at, place);
        self.owners.insert(at, owner);
    }

    pub(super) fn owners(&self) -> impl Iterator<Item = &Owner> {
        self.owners.iter()
    }

    pub(super) fn owners_mut(&mut self) -> impl Iterator<Item = &mut Owner> {
        self.owners.iter_mut()
    }

    /// The owners in `slot`, with their places.
    pub(super) fn within(&self, slot: Place) -> impl Iterator<Item = (u64, &Owner)> {
        let from = self.places.partition_point(|place| *place < slot.first());
        let all = self.places[from..].iter().copied().zip(&self.owners[from..]);
        all.take_while(move |(place, _)| *place <= slot.last())
    }

    /// The owners, with their places.
    pub(super) fn into_owners(self) -> impl Iterator<Item = (u64, Owner)> {
        self.places.into_iter().zip(self.owners)
    }

    /// The index of `place`; as an error, the index where it would be.
    fn index(&self, place: u64, level: u8) -> Result<usize, usize> {
        // Places are hashes and evenly distributed, so interpolation gives nearly the right index.
        let share = place << (64 - 4 * u32::from(level));
        let mut at = ((u128::from(share) * self.places.len() as u128) >> 64) as usize;
        while at > 0 && self.places[at - 1] >= place {
            at -= 1;
        }
        while at < self.places.len() && self.places[at] < place {
            at += 1;
        }
        if self.places.get(at) == Some(&place) { Ok(at) } else { Err(at) }
    }
}

impl Slots {
    /// Digit, count and hash of the slots with heads.
    pub(super) fn filled(&self) -> impl Iterator<Item = (u8, u64, Hash)> + Clone {
        let slots = (0..16).zip(self.counts).zip(&self.hashes);
        slots
            .filter(|((_, count), _)| *count > 0)
            .map(|((digit, count), hash)| (digit, u64::from(count), *hash))
    }
}
