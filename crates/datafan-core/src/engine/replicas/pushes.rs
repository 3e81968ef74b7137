//! Pending pushes, and the links that carry them.

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
    /// Sets which links carry the pushes of an owner. Returns whether that changed.
    pub(in crate::engine) fn set_tree(&mut self, owner: &MemberId, tree: Tree) -> bool {
        let Some(state) = self.owners.get_mut(owner).filter(|state| state.tree() != tree) else {
            return false;
        };
        state.set_tree(tree);
        true
    }

    /// Prunes the link at `place` for owners that another link brings, except `eager` ones. Returns whether
    /// there are such owners, and the pruned owners that no link brings.
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

    /// The link at `place` is gone. Returns owners that it brought and that wrote since `busy`.
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

/// Pending pushes.
impl Replicas {
    /// Records that the visible shard of an owner moved in this call, from `before` unless it already moved.
    /// The peers `told` have the new state already.
    pub(in crate::engine) fn on_moved(&mut self, owner: MemberId, before: Timestamp, told: Vec<MemberId>) {
        let moved = self.moved.entry(owner).or_insert_with(|| Moved { before, ..Moved::default() });
        // A peer that announced an earlier head in this call does not have the new state.
        moved.told = told;
        moved.message = None;
    }

    /// Records that `peer` brought the new state of an owner's shard. `message` has the base `base` and may
    /// be relayed unchanged.
    pub(in crate::engine) fn record_sender(
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

    /// Forgets the pending push of an owner.
    pub(in crate::engine) fn forget_moved(&mut self, owner: &MemberId) {
        self.moved.remove(owner);
    }

    /// Whether pushes are pending.
    pub(in crate::engine) fn has_moved(&self) -> bool {
        !self.moved.is_empty()
    }

    /// Takes the pending pushes.
    pub(in crate::engine) fn take_moved(&mut self) -> BTreeMap<MemberId, Moved> {
        core::mem::take(&mut self.moved)
    }
}
