//! Push trees: the links that carry the pushes of an owner, and prunes and grafts for peers.

use crate::{id::MemberId, limits::LINKS_MAX};
use alloc::{collections::BTreeMap, vec::Vec};

/// A link's index among those of this member, below [`LINKS_MAX`]. It is free again when the link is down.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(in crate::engine) struct LinkIndex(u8);

/// Which links carry the pushes of one owner.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(in crate::engine) struct Tree {
    /// Links that do not carry pushes, one bit per place.
    lazy: u64,
    /// The link that brought the held state.
    parent: Option<LinkIndex>,
}

/// A compact tree that prunes only links among the first sixteen. Nearly all trees fit, and there is one per
/// owner.
#[derive(Clone, Copy)]
pub(in crate::engine) struct SmallTree {
    lazy: [u8; 2],
    /// A place, or [`NO_PARENT`].
    parent: u8,
}

const NO_PARENT: u8 = u8::MAX;

/// State of all trees.
#[derive(Default)]
pub(in crate::engine) struct Trees {
    /// Places that trees may refer to.
    used: u64,
    /// Prunes to send after this call: owners whose pushes peers should stop.
    prunes: Asked,
    /// Grafts to send after this call: owners that peers should push again.
    grafts: Asked,
}

/// Owners, by peer.
pub(in crate::engine) type Asked = BTreeMap<MemberId, Vec<MemberId>>;

const _: () = assert!(LINKS_MAX <= u64::BITS as usize);

impl LinkIndex {
    /// The first index that is not in `taken`.
    pub(in crate::engine) fn free(taken: impl Iterator<Item = Self>) -> Self {
        let taken = taken.fold(0, |taken, place| taken | place.bit());
        Self(taken.trailing_ones() as u8)
    }

    pub(super) fn bit(self) -> u64 {
        1 << self.0
    }
}

impl Tree {
    pub(in crate::engine) const NEW: Self = Self { lazy: 0, parent: None };

    /// The compact form, if it fits.
    pub(in crate::engine) fn to_small(self) -> Option<SmallTree> {
        let lazy = u16::try_from(self.lazy).ok()?.to_le_bytes();
        Some(SmallTree { lazy, parent: self.parent.map_or(NO_PARENT, |parent| parent.0) })
    }

    /// Whether the link at `place` carries pushes.
    pub(in crate::engine) fn is_eager(&self, place: LinkIndex) -> bool {
        self.lazy & place.bit() == 0
    }

    /// The link that brought the held state.
    pub(in crate::engine) fn parent(&self) -> Option<LinkIndex> {
        self.parent
    }

    /// Whether any link is pruned.
    pub(in crate::engine) fn is_pruned(&self) -> bool {
        self.lazy != 0
    }

    /// The link at `place` brought the held state.
    pub(in crate::engine) fn set_parent(&mut self, place: LinkIndex) {
        self.parent = Some(place);
    }

    /// Prunes exactly the links at `places`.
    pub(in crate::engine) fn set_lazy(&mut self, places: impl Iterator<Item = LinkIndex>) {
        self.lazy = places.fold(0, |lazy, place| lazy | place.bit());
    }

    /// Prunes the link at `place`.
    pub(in crate::engine) fn prune(&mut self, place: LinkIndex) {
        self.lazy |= place.bit();
        self.parent.take_if(|parent| *parent == place);
    }

    /// Grafts the link at `place`.
    pub(in crate::engine) fn graft(&mut self, place: LinkIndex) {
        self.lazy &= !place.bit();
    }

    /// The link at `place` is gone.
    pub(in crate::engine) fn forget(&mut self, place: LinkIndex) {
        self.lazy &= !place.bit();
        self.parent.take_if(|parent| *parent == place);
    }
}

impl SmallTree {
    pub(in crate::engine) const NEW: Self = Self { lazy: [0; 2], parent: NO_PARENT };
}

impl From<SmallTree> for Tree {
    fn from(small: SmallTree) -> Self {
        let parent = (small.parent != NO_PARENT).then_some(LinkIndex(small.parent));
        Self { lazy: u16::from_le_bytes(small.lazy).into(), parent }
    }
}

impl Trees {
    /// An owner's tree has changed.
    pub(in crate::engine) fn on_changed(&mut self, tree: &Tree) {
        self.used |= tree.lazy | tree.parent.map_or(0, LinkIndex::bit);
    }

    /// Records that trees may refer to `place`.
    pub(in crate::engine) fn mark_used(&mut self, place: LinkIndex) {
        self.used |= place.bit();
    }

    /// No tree refers to `place` from now on. Returns whether any did.
    pub(in crate::engine) fn clear(&mut self, place: LinkIndex) -> bool {
        let is_used = self.used & place.bit() != 0;
        self.used &= !place.bit();
        is_used
    }

    /// Sends a prune for `owner` to `peer` after this call.
    pub(in crate::engine) fn ask_to_prune(&mut self, peer: MemberId, owner: MemberId) {
        self.prunes.entry(peer).or_default().push(owner);
    }

    /// Sends grafts for these owners to `peer` after this call.
    pub(in crate::engine) fn ask_to_graft(
        &mut self,
        peer: MemberId,
        owners: impl IntoIterator<Item = MemberId>,
    ) {
        self.grafts.entry(peer).or_default().extend(owners);
    }

    /// Whether prunes or grafts have to be sent.
    pub(in crate::engine) fn has_asked(&self) -> bool {
        !self.prunes.is_empty() || !self.grafts.is_empty()
    }

    /// Takes the prunes, each owner once; `None` if there are none.
    pub(in crate::engine) fn take_prunes(&mut self) -> Option<Asked> {
        take_each_once(&mut self.prunes)
    }

    /// Takes the grafts, each owner once; `None` if there are none.
    pub(in crate::engine) fn take_grafts(&mut self) -> Option<Asked> {
        take_each_once(&mut self.grafts)
    }
}

fn take_each_once(asked: &mut Asked) -> Option<Asked> {
    if asked.is_empty() {
        return None;
    }
    let mut asked = core::mem::take(asked);
    for owners in asked.values_mut() {
        owners.sort_unstable();
        owners.dedup();
    }
    Some(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_free_again_after_its_link_closed() {
        let taken = [LinkIndex(0), LinkIndex(1), LinkIndex(3)];
        assert_eq!(LinkIndex::free(taken.into_iter()), LinkIndex(2));
        assert_eq!(LinkIndex::free([].into_iter()), LinkIndex(0));
        assert_eq!(LinkIndex::free((0..63).map(LinkIndex)), LinkIndex(63));
    }

    #[test]
    fn a_tree_of_the_first_sixteen_links_is_small() {
        for tree in [
            Tree::NEW,
            Tree { lazy: 0b1001, parent: Some(LinkIndex(1)) },
            Tree { lazy: 0xffff, parent: None },
            Tree { lazy: 0, parent: Some(LinkIndex(63)) },
        ] {
            assert_eq!(tree.to_small().map(Tree::from), Some(tree));
        }
        assert!(Tree { lazy: 1 << 16, parent: None }.to_small().is_none());
    }

    #[test]
    fn a_pruned_link_is_not_the_parent() {
        let mut tree = Tree { parent: Some(LinkIndex(4)), ..Tree::NEW };
        tree.prune(LinkIndex(2));
        assert_eq!(
            (tree.is_eager(LinkIndex(2)), tree.is_eager(LinkIndex(4)), tree.parent),
            (false, true, Some(LinkIndex(4)))
        );
        tree.prune(LinkIndex(4));
        assert_eq!((tree.is_eager(LinkIndex(4)), tree.parent), (false, None));
        tree.graft(LinkIndex(4));
        tree.forget(LinkIndex(2));
        assert_eq!(tree, Tree::NEW);
    }
}
