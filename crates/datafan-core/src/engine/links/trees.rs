//! Over which links the pushes of an owner go: its tree, and what peers are told of theirs.

use crate::{id::MemberId, limits::LINKS_MAX};
use alloc::{collections::BTreeMap, vec::Vec};

/// A link's place among those of this member, below [`LINKS_MAX`]; free again when it is down.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(in crate::engine) struct LinkIndex(u8);

/// Which links carry the pushes of one owner.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(in crate::engine) struct Tree {
    /// Links that do not, a bit for each place.
    lazy: u64,
    /// What brought the last of what is held.
    parent: Option<LinkIndex>,
}

/// A tree without pushes over some of the first sixteen links at most, as nearly all are: there is one for
/// each owner.
#[derive(Clone, Copy)]
pub(in crate::engine) struct SmallTree {
    lazy: [u8; 2],
    /// A place, or [`NO_PARENT`].
    parent: u8,
}

const NO_PARENT: u8 = u8::MAX;

/// What all trees need.
#[derive(Default)]
pub(in crate::engine) struct Trees {
    /// Places that trees may mention.
    used: u64,
    /// What peers are to be told after this call: owners of whom they are to push no more.
    prunes: Asked,
    /// As `prunes`, owners of whom they are to push again.
    grafts: Asked,
}

/// Owners, by peer.
pub(in crate::engine) type Asked = BTreeMap<MemberId, Vec<MemberId>>;

const _: () = assert!(LINKS_MAX <= u64::BITS as usize);

impl LinkIndex {
    /// The first that is not in `taken`.
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

    /// In three bytes, if it fits.
    pub(in crate::engine) fn to_small(self) -> Option<SmallTree> {
        let lazy = u16::try_from(self.lazy).ok()?.to_le_bytes();
        Some(SmallTree { lazy, parent: self.parent.map_or(NO_PARENT, |parent| parent.0) })
    }

    /// Whether pushes go over the link at `place`.
    pub(in crate::engine) fn is_eager(&self, place: LinkIndex) -> bool {
        self.lazy & place.bit() == 0
    }

    /// What brought the last of what is held.
    pub(in crate::engine) fn parent(&self) -> Option<LinkIndex> {
        self.parent
    }

    /// Whether some links do not carry pushes.
    pub(in crate::engine) fn is_pruned(&self) -> bool {
        self.lazy != 0
    }

    /// What came last came over the link at `place`.
    pub(in crate::engine) fn set_parent(&mut self, place: LinkIndex) {
        self.parent = Some(place);
    }

    /// Pushes go over no link of `places`.
    pub(in crate::engine) fn set_lazy(&mut self, places: impl Iterator<Item = LinkIndex>) {
        self.lazy = places.fold(0, |lazy, place| lazy | place.bit());
    }

    /// Pushes do not go over the link at `place`.
    pub(in crate::engine) fn prune(&mut self, place: LinkIndex) {
        self.lazy |= place.bit();
        self.parent.take_if(|parent| *parent == place);
    }

    /// Pushes go over the link at `place`.
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

    /// Trees mention `place`.
    pub(in crate::engine) fn mention(&mut self, place: LinkIndex) {
        self.used |= place.bit();
    }

    /// No tree mentions `place` from now on. Whether any did.
    pub(in crate::engine) fn clear(&mut self, place: LinkIndex) -> bool {
        let is_used = self.used & place.bit() != 0;
        self.used &= !place.bit();
        is_used
    }

    /// After this call `peer` is told to push no more of `owner`.
    pub(in crate::engine) fn ask_to_prune(&mut self, peer: MemberId, owner: MemberId) {
        self.prunes.entry(peer).or_default().push(owner);
    }

    /// After this call `peer` is told to push what these owners write.
    pub(in crate::engine) fn ask_to_graft(
        &mut self,
        peer: MemberId,
        owners: impl IntoIterator<Item = MemberId>,
    ) {
        self.grafts.entry(peer).or_default().extend(owners);
    }

    /// Whether a peer is to be told of what it shall push.
    pub(in crate::engine) fn has_asked(&self) -> bool {
        !self.prunes.is_empty() || !self.grafts.is_empty()
    }

    /// What peers are to push no more, each owner once; `None` for nothing.
    pub(in crate::engine) fn take_prunes(&mut self) -> Option<Asked> {
        take_each_once(&mut self.prunes)
    }

    /// What peers are to push again, each owner once; `None` for nothing.
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
    fn a_place_is_free_again_when_its_link_is_gone() {
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
    fn who_is_pruned_is_no_parent() {
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
