//! What is to be pushed of owners, and over which links.

use super::{Replicas, moved::Moved};
use crate::{
    connector::Frame,
    engine::links::{LinkIndex, Tree},
    id::MemberId,
    time::Timestamp,
};
use alloc::{collections::BTreeMap, vec::Vec};

/// Push trees.
impl Replicas {
    /// Sets over which links pushes of an owner go. Whether that is a change.
    pub(in crate::engine) fn set_tree(&mut self, owner: &MemberId, tree: Tree) -> bool {
        let Some(state) = self.owners.get_mut(owner).filter(|state| state.tree() != tree) else {
            return false;
        };
        state.set_tree(tree);
        true
    }

    /// Of owners that another link brings, none is pushed over the one at `place`, but for `eager` ones.
    /// Whether there are such, and who is brought by no link though some carry no pushes.
    pub(in crate::engine) fn prune_brought(
        &mut self,
        place: LinkIndex,
        eager: &[MemberId],
    ) -> (bool, Vec<MemberId>) {
        let (mut orphans, mut used) = (Vec::new(), false);
        self.owners.for_each_mut(|owner| {
            let mut tree = owner.tree();
            match tree.parent() {
                _ if eager.contains(owner.id()) => {}
                Some(_) => {
                    tree.prune(place);
                    owner.set_tree(tree);
                    used = true;
                }
                None if tree.is_pruned() => orphans.push(*owner.id()),
                None => {}
            }
        });
        (used, orphans)
    }

    /// The link at `place` is gone. Returns owners that it brought and that have written since `busy`.
    pub(in crate::engine) fn forget_place(&mut self, place: LinkIndex, busy: Timestamp) -> Vec<MemberId> {
        let mut orphans = Vec::new();
        self.owners.for_each_mut(|owner| {
            let mut tree = owner.tree();
            if tree.parent() == Some(place) && owner.timestamp() >= busy {
                orphans.push(*owner.id());
            }
            tree.forget(place);
            owner.set_tree(tree);
        });
        orphans
    }
}

/// What is to be pushed.
impl Replicas {
    /// The visible shard of an owner has moved in this call, from `before` or on from where it was moved to;
    /// `told` are already there.
    pub(in crate::engine) fn on_moved(&mut self, owner: MemberId, before: Timestamp, told: Vec<MemberId>) {
        let moved = self.moved.entry(owner).or_insert_with(|| Moved { before, ..Moved::default() });
        // Whoever told of an earlier head in this call is not there yet.
        moved.told = told;
        moved.message = None;
    }

    /// `peer` brought what an owner's shard has just moved to, with a message that begins at `base` and may
    /// go on as it is.
    pub(in crate::engine) fn on_brought(
        &mut self,
        owner: &MemberId,
        peer: MemberId,
        base: Timestamp,
        message: Option<Frame>,
    ) {
        if let Some(moved) = self.moved.get_mut(owner) {
            moved.told.push(peer);
            moved.message = message.filter(|_| moved.before == base);
        }
    }

    /// There is nothing of an owner to be pushed any more.
    pub(in crate::engine) fn forget_moved(&mut self, owner: &MemberId) {
        self.moved.remove(owner);
    }

    /// Whether something has moved since the last time.
    pub(in crate::engine) fn has_moved(&self) -> bool {
        !self.moved.is_empty()
    }

    /// What has moved since the last time.
    pub(in crate::engine) fn take_moved(&mut self) -> BTreeMap<MemberId, Moved> {
        core::mem::take(&mut self.moved)
    }
}
