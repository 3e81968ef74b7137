//! Push trees: which links carry the pushes of an owner.
//!
//! As in Plumtree (Leitão, Pereira, Rodrigues: Epidemic Broadcast Trees, 2007): pushes go over all links at first, and over a
//! link no more that brought what another had brought already, so that those which are left form a tree. What a tree loses
//! with a link or a member is found by the rounds, and whoever had to pull it gets the next ones pushed. The rounds are what
//! Plumtree's announcements are, for all owners at once.

use super::{Engine, owners::Owner};
use crate::{
    id::MemberId,
    limits::{LINKS_MAX, OWNERS_PER_MESSAGE_MAX},
    message::Message,
    store::Store,
    time::SECOND,
};
use alloc::{collections::BTreeMap, vec::Vec};

/// A link's place among those of this member, below [`LINKS_MAX`]; free again when it is down.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Place(u8);

/// Which links carry the pushes of one owner.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Tree {
    /// Links that do not, a bit for each place.
    lazy: u64,
    /// What brought the last of what is held.
    parent: Option<Place>,
}

/// A tree without pushes over some of the first sixteen links at most, as nearly all are: there is one for each owner.
#[derive(Clone, Copy)]
pub(super) struct SmallTree {
    lazy: [u8; 2],
    /// A place, or [`NO_PARENT`].
    parent: u8,
}

const NO_PARENT: u8 = u8::MAX;

/// What all trees need.
#[derive(Default)]
pub(super) struct Trees {
    /// Places that trees may mention.
    used: u64,
    /// What peers are to be told after this call: owners of whom they are to push no more.
    prunes: Asked,
    /// As `prunes`, owners of whom they are to push again.
    grafts: Asked,
}

/// Owners, by peer.
type Asked = BTreeMap<MemberId, Vec<MemberId>>;

/// Over so many links a new owner's pushes go on at most.
const EAGER_MAX: usize = 6;
/// So many other links are asked for the pushes of an owner whose parent is gone. One may get them from
/// here itself; all would bring as many copies.
const GRAFTS_MAX: usize = 2;
/// Whoever wrote within this time is likely to write again soon: its tree is mended before it does.
const BUSY_MICROS: u64 = 60 * SECOND;

const _: () = assert!(LINKS_MAX <= u64::BITS as usize);

impl Place {
    /// The first that is not in `taken`.
    pub(super) fn free(taken: impl Iterator<Item = Self>) -> Self {
        let taken = taken.fold(0, |taken, place| taken | place.bit());
        Self(taken.trailing_ones() as u8)
    }

    fn bit(self) -> u64 {
        1 << self.0
    }
}

impl Tree {
    pub(super) const NEW: Self = Self { lazy: 0, parent: None };

    /// In three bytes, if it fits.
    pub(super) fn to_small(self) -> Option<SmallTree> {
        let lazy = u16::try_from(self.lazy).ok()?.to_le_bytes();
        Some(SmallTree { lazy, parent: self.parent.map_or(NO_PARENT, |parent| parent.0) })
    }

    /// Whether pushes go over the link at `place`.
    pub(super) fn is_eager(&self, place: Place) -> bool {
        self.lazy & place.bit() == 0
    }

    fn prune(&mut self, place: Place) {
        self.lazy |= place.bit();
        self.parent.take_if(|parent| *parent == place);
    }

    fn graft(&mut self, place: Place) {
        self.lazy &= !place.bit();
    }

    fn forget(&mut self, places: u64) {
        self.lazy &= !places;
        self.parent.take_if(|parent| parent.bit() & places != 0);
    }
}

impl SmallTree {
    pub(super) const NEW: Self = Self { lazy: [0; 2], parent: NO_PARENT };
}

impl From<SmallTree> for Tree {
    fn from(small: SmallTree) -> Self {
        let parent = (small.parent != NO_PARENT).then_some(Place(small.parent));
        Self { lazy: u16::from_le_bytes(small.lazy).into(), parent }
    }
}

impl<S: Store> Engine<S> {
    /// `from` has brought the present state of `owner`: so will it the next ones.
    pub(super) fn note_brought(&mut self, from: MemberId, owner: &MemberId) {
        if *owner == self.cx.config.mesh.authority() {
            return;
        }
        let Some(place) = self.links.get(&from).map(|link| link.place) else { return };
        let Some(tree) = self.owners.get(owner).map(Owner::tree) else { return };
        let mut grown = tree;
        if tree == Tree::NEW && self.links.len() > EAGER_MAX {
            grown.lazy = self.all_but_some(place);
        }
        if !tree.is_eager(place) {
            // It was on its way when the link was pruned, and does not follow the others any more.
            if tree.parent.is_some() {
                return;
            }
            self.trees.grafts.entry(from).or_default().push(*owner);
        }
        grown.graft(place);
        grown.parent = Some(place);
        self.set_tree(owner, grown);
    }

    /// `from` has pushed what is held already. Where another link that is up brought it, this one need not.
    pub(super) fn note_redundant(&mut self, from: MemberId, owner: &MemberId, bytes: usize) {
        self.cx.stats.redundant += 1;
        self.cx.stats.redundant_bytes += bytes as u64;
        // The roster goes over all links: it is small, rare, and not to be late anywhere.
        if *owner == self.cx.config.mesh.authority() {
            return;
        }
        let Some(place) = self.links.get(&from).map(|link| link.place) else { return };
        let mut tree = self.owners.entry(owner).tree();
        let own = *owner == self.cx.me;
        match tree.parent {
            None if !own => tree.parent = Some(place),
            Some(parent) if parent == place => {}
            None | Some(_) => {
                if !own {
                    tree.prune(place);
                }
                self.trees.prunes.entry(from).or_default().push(*owner);
            }
        }
        self.set_tree(owner, tree);
    }

    /// Tells peers what this call has found.
    pub(super) fn send_trees(&mut self) {
        for (asked, message) in [
            (core::mem::take(&mut self.trees.prunes), Message::Prune as fn(_) -> Message<'static>),
            (core::mem::take(&mut self.trees.grafts), Message::Graft),
        ] {
            for (peer, mut owners) in asked {
                owners.sort_unstable();
                owners.dedup();
                for owners in owners.chunks(OWNERS_PER_MESSAGE_MAX) {
                    self.cx.send(peer, &message(owners.to_vec()));
                }
            }
        }
    }

    /// A peer gets the pushes of `owners` from elsewhere.
    pub(super) fn on_prune(&mut self, from: MemberId, owners: &[MemberId]) {
        for owner in owners {
            self.on_asked(from, owner, Tree::prune);
            // It is where we are, or hears of it from elsewhere.
            self.set_position(from, owner, None);
        }
    }

    /// A peer wants the pushes of `owners`.
    pub(super) fn on_graft(&mut self, from: MemberId, owners: &[MemberId]) {
        owners.iter().for_each(|owner| self.on_asked(from, owner, Tree::graft));
    }

    fn on_asked(&mut self, from: MemberId, owner: &MemberId, change: fn(&mut Tree, Place)) {
        if self.owners.get(owner).is_none() {
            self.cx.stats.refuse("unknown_owner");
        } else if *owner != self.cx.config.mesh.authority() {
            self.change_tree(&from, owner, change);
        }
    }

    /// What `owner` wrote has to be pulled over this link, by one side or the other: from now on it is pushed.
    pub(super) fn note_pulled(&mut self, peer: MemberId, owner: &MemberId) {
        self.change_tree(&peer, owner, Tree::graft);
    }

    fn change_tree(&mut self, peer: &MemberId, owner: &MemberId, change: fn(&mut Tree, Place)) {
        let Some(place) = self.links.get(peer).map(|link| link.place) else { return };
        let Some(mut tree) = self.owners.get(owner).map(Owner::tree) else { return };
        change(&mut tree, place);
        self.set_tree(owner, tree);
    }

    /// A link has come up. Of owners that another link brings, neither side needs a second copy: pushes
    /// begin once one side had to pull. Where the peer has few links, it needs them all.
    pub(super) fn begin_quietly(&mut self, peer: &MemberId) {
        let Some(link) = self.links.get(peer) else { return };
        let needs_all = link.hello.as_ref().is_none_or(|hello| hello.below_minimum);
        if self.cx.config.links_min == 0 || needs_all {
            return;
        }
        let (place, me, roster) = (link.place, self.cx.me, self.cx.config.mesh.authority());
        let (mut orphans, mut used) = (Vec::new(), false);
        self.owners.for_each_mut(|owner| {
            let mut tree = owner.tree();
            match tree.parent {
                // These begin eager on every link.
                _ if [me, roster].contains(owner.id()) => {}
                Some(_) => {
                    tree.prune(place);
                    owner.set_tree(tree);
                    used = true;
                }
                None if tree.lazy != 0 => orphans.push(*owner.id()),
                None => {}
            }
        });
        if used {
            self.trees.used |= place.bit();
        }
        orphans.truncate(OWNERS_PER_MESSAGE_MAX);
        if !orphans.is_empty() {
            self.trees.grafts.entry(*peer).or_default().append(&mut orphans);
        }
    }

    /// The link at `place` is no more. Who brought nothing over other links is asked to do so, for owners that are busy and
    /// have lost their parent.
    pub(super) fn clear_place(&mut self, place: Place) {
        if self.trees.used & place.bit() == 0 {
            return;
        }
        self.trees.used &= !place.bit();
        let (mut orphans, busy) = (Vec::new(), self.cx.now.wall.0.saturating_sub(BUSY_MICROS));
        self.owners.for_each_mut(|owner| {
            let mut tree = owner.tree();
            if tree.parent == Some(place) && owner.timestamp().0 >= busy {
                orphans.push(*owner.id());
            }
            tree.forget(place.bit());
            owner.set_tree(tree);
        });
        orphans.truncate(OWNERS_PER_MESSAGE_MAX);
        for owner in orphans {
            let mut tree = self.owners[&owner].tree();
            let mut others: Vec<(MemberId, Place)> = self
                .links
                .iter()
                .filter(|(_, link)| link.is_up() && !tree.is_eager(link.place))
                .map(|(peer, link)| (*peer, link.place))
                .collect();
            for _ in 0..GRAFTS_MAX.min(others.len()) {
                let random = self.cx.rng.next() % others.len() as u64;
                let (peer, place) = others.swap_remove(random as usize);
                tree.graft(place);
                self.trees.grafts.entry(peer).or_default().push(owner);
            }
            self.set_tree(&owner, tree);
        }
    }

    fn set_tree(&mut self, owner: &MemberId, tree: Tree) {
        let Some(state) = self.owners.get_mut(owner) else { return };
        if state.tree() != tree {
            state.set_tree(tree);
            self.trees.used |= tree.lazy | tree.parent.map_or(0, Place::bit);
        }
    }

    /// The places of all links but `first` and some by lot, together [`EAGER_MAX`].
    fn all_but_some(&mut self, first: Place) -> u64 {
        let mut others: Vec<Place> =
            self.links.values().map(|link| link.place).filter(|place| *place != first).collect();
        for _ in 1..EAGER_MAX {
            let lot = self.cx.rng.next() % others.len() as u64;
            others.swap_remove(lot as usize);
        }
        others.into_iter().fold(0, |places, place| places | place.bit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_link_is_gone() {
        let taken = [Place(0), Place(1), Place(3)];
        assert_eq!(Place::free(taken.into_iter()), Place(2));
        assert_eq!(Place::free([].into_iter()), Place(0));
        assert_eq!(Place::free((0..63).map(Place)), Place(63));
    }

    #[test]
    fn a_tree_of_the_first_sixteen_links_is_small() {
        for tree in [
            Tree::NEW,
            Tree { lazy: 0b1001, parent: Some(Place(1)) },
            Tree { lazy: 0xffff, parent: None },
            Tree { lazy: 0, parent: Some(Place(63)) },
        ] {
            assert_eq!(tree.to_small().map(Tree::from), Some(tree));
        }
        assert!(Tree { lazy: 1 << 16, parent: None }.to_small().is_none());
    }

    #[test]
    fn who_is_pruned_is_no_parent() {
        let mut tree = Tree { parent: Some(Place(4)), ..Tree::NEW };
        tree.prune(Place(2));
        assert_eq!(
            (tree.is_eager(Place(2)), tree.is_eager(Place(4)), tree.parent),
            (false, true, Some(Place(4)))
        );
        tree.prune(Place(4));
        assert_eq!((tree.is_eager(Place(4)), tree.parent), (false, None));
        tree.graft(Place(4));
        tree.forget(Place(2).bit());
        assert_eq!(tree, Tree::NEW);
    }
}
