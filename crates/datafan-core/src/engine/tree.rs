//! Push trees: which links carry the pushes of an owner.
//!
//! This follows Plumtree (Leitão, Pereira, Rodrigues: Epidemic Broadcast Trees, 2007). At first, pushes go
//! over all links. A link that brings a push a second time is pruned, so that the remaining links form a
//! tree. When a tree loses a link or a member, the rounds find the missing data, and a member that had to
//! pull it gets the next pushes over that link. The rounds replace Plumtree's announcements, for all owners
//! at once.

use super::{
    handlers::Exchange,
    links::{Asked, LinkIndex, Tree},
    replicas::Owner,
};
use crate::{
    engine::rejection::Rejection,
    id::MemberId,
    limits::OWNERS_PER_MESSAGE_MAX,
    message::Message,
    time::{SECOND, Timestamp},
};
use alloc::vec::Vec;

/// Most links over which the pushes of a new owner are relayed.
const EAGER_MAX: usize = 6;
/// Number of other links that are grafted for an owner whose parent link is gone. One is not enough, since
/// that peer may get the pushes from us; all would bring many copies.
const GRAFTS_MAX: usize = 2;
/// An owner that wrote within this time is likely to write again soon, so its tree is repaired at once.
const BUSY_MICROS: u64 = 60 * SECOND;

impl<V> Exchange<'_, V> {
    /// Grafts the link to `from`, which brought the current state of `owner`, so that it brings the next ones
    /// too.
    pub(super) fn graft_sender(&mut self, from: MemberId, owner: &MemberId) {
        if *owner == self.cx.config.mesh.authority() {
            return;
        }
        let Some(place) = self.links.get(&from).map(|link| link.place()) else { return };
        let Some(tree) = self.replicas.get(owner).map(Owner::tree) else { return };
        let mut grown = tree;
        if tree == Tree::NEW && self.links.len() > EAGER_MAX {
            grown.set_lazy(self.all_but_some(place));
        }
        if !tree.is_eager(place) {
            // The push was in flight when the link was pruned, so the link is not grafted again.
            if tree.parent().is_some() {
                return;
            }
            self.links.trees.ask_to_graft(from, [*owner]);
        }
        grown.graft(place);
        grown.set_parent(place);
        self.set_tree(owner, grown);
    }

    /// Handles a redundant push of `from`. If another link brought the state before, this one is pruned.
    pub(super) fn prune_redundant(&mut self, from: MemberId, owner: &MemberId, bytes: usize) {
        self.cx.stats.redundant += 1;
        self.cx.stats.redundant_bytes += bytes as u64;
        // The roster goes over all links: it is small and rare, and must not be late anywhere.
        if *owner == self.cx.config.mesh.authority() {
            return;
        }
        let Some(place) = self.links.get(&from).map(|link| link.place()) else { return };
        let mut tree = self.replicas.get_or_insert(owner).tree();
        let own = *owner == self.cx.me;
        match tree.parent() {
            None if !own => tree.set_parent(place),
            Some(parent) if parent == place => {}
            None | Some(_) => {
                if !own {
                    tree.prune(place);
                }
                self.links.trees.ask_to_prune(from, *owner);
            }
        }
        self.set_tree(owner, tree);
    }

    /// Sends the prunes and grafts of this call.
    pub(super) fn send_trees(&mut self) {
        if let Some(asked) = self.links.trees.take_prunes() {
            self.send_asked(asked, Message::Prune);
        }
        if let Some(asked) = self.links.trees.take_grafts() {
            self.send_asked(asked, Message::Graft);
        }
    }

    fn send_asked(&mut self, asked: Asked, message: fn(Vec<MemberId>) -> Message<'static>) {
        for (peer, owners) in asked {
            for owners in owners.chunks(OWNERS_PER_MESSAGE_MAX) {
                self.cx.send(peer, &message(owners.to_vec()));
            }
        }
    }

    /// A peer gets the pushes of `owners` from other peers.
    pub(super) fn on_prune(&mut self, from: MemberId, owners: &[MemberId]) {
        for owner in owners {
            self.on_asked(from, owner, Tree::prune);
            // The peer has our state, or gets it from another peer.
            self.links.set_position(&from, owner, None);
        }
    }

    /// A peer wants the pushes of `owners`.
    pub(super) fn on_graft(&mut self, from: MemberId, owners: &[MemberId]) {
        owners.iter().for_each(|owner| self.on_asked(from, owner, Tree::graft));
    }

    fn on_asked(&mut self, from: MemberId, owner: &MemberId, change: fn(&mut Tree, LinkIndex)) {
        if self.replicas.get(owner).is_none() {
            self.cx.stats.reject(Rejection::UnknownOwner);
        } else if *owner != self.cx.config.mesh.authority() {
            self.change_tree(&from, owner, change);
        }
    }

    /// One side had to pull from `owner`'s shard over this link, so pushes go over it from now on.
    pub(super) fn graft_pulled(&mut self, peer: MemberId, owner: &MemberId) {
        self.change_tree(&peer, owner, Tree::graft);
    }

    fn change_tree(&mut self, peer: &MemberId, owner: &MemberId, change: fn(&mut Tree, LinkIndex)) {
        let Some(place) = self.links.get(peer).map(|link| link.place()) else { return };
        let Some(mut tree) = self.replicas.get(owner).map(Owner::tree) else { return };
        change(&mut tree, place);
        self.set_tree(owner, tree);
    }

    /// A link came up. For owners whose pushes another link brings, this link is pruned on our side; a pull
    /// grafts it again. A peer with few links needs all pushes.
    pub(super) fn prune_new_link(&mut self, peer: &MemberId) {
        let Some(link) = self.links.get(peer) else { return };
        let needs_all = link.is_needed_by_peer();
        if self.cx.config.links_min == 0 || needs_all {
            return;
        }
        let (place, me, roster) = (link.place(), self.cx.me, self.cx.config.mesh.authority());
        let (used, mut orphans) = self.replicas.prune_brought(place, &[me, roster]);
        if used {
            self.links.trees.mark_used(place);
        }
        orphans.truncate(OWNERS_PER_MESSAGE_MAX);
        if !orphans.is_empty() {
            self.links.trees.ask_to_graft(*peer, orphans);
        }
    }

    /// The link at `place` is gone. Grafts other links for busy owners whose parent it was.
    pub(super) fn clear_place(&mut self, place: LinkIndex) {
        if !self.links.trees.clear(place) {
            return;
        }
        let busy = Timestamp(self.cx.now.wall.0.saturating_sub(BUSY_MICROS));
        let mut orphans = self.replicas.forget_place(place, busy);
        orphans.truncate(OWNERS_PER_MESSAGE_MAX);
        for owner in orphans {
            let mut tree = self.replicas[&owner].tree();
            let mut others: Vec<(MemberId, LinkIndex)> = self
                .links
                .iter()
                .filter(|(_, link)| link.is_up() && !tree.is_eager(link.place()))
                .map(|(peer, link)| (*peer, link.place()))
                .collect();
            for _ in 0..GRAFTS_MAX.min(others.len()) {
                let random = self.cx.rng.next() % others.len() as u64;
                let (peer, place) = others.swap_remove(random as usize);
                tree.graft(place);
                self.links.trees.ask_to_graft(peer, [owner]);
            }
            self.set_tree(&owner, tree);
        }
    }

    fn set_tree(&mut self, owner: &MemberId, tree: Tree) {
        if self.replicas.set_tree(owner, tree) {
            self.links.trees.on_changed(&tree);
        }
    }

    /// The places of all links except `first` and some random ones, [`EAGER_MAX`] in total.
    fn all_but_some(&mut self, first: LinkIndex) -> impl Iterator<Item = LinkIndex> + use<V> {
        let mut others: Vec<LinkIndex> =
            self.links.values().map(|link| link.place()).filter(|place| *place != first).collect();
        for _ in 1..EAGER_MAX {
            let random = self.cx.rng.next() % others.len() as u64;
            others.swap_remove(random as usize);
        }
        others.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::testing::{Parts, owner},
        grant::GrantState,
    };

    fn exchange(parts: &mut Parts) -> Exchange<'_, ()> {
        Exchange { cx: &mut parts.cx, replicas: &mut parts.replicas, links: &mut parts.links }
    }

    fn parts() -> Parts {
        let mut parts = Parts::new();
        parts.grant(9, GrantState::Active, 3);
        [1, 2].into_iter().for_each(|peer| parts.link(peer));
        parts
    }

    fn is_eager(parts: &Parts, peer: u8) -> bool {
        parts.replicas[&owner(9)].tree().is_eager(parts.links[&owner(peer)].place())
    }

    #[test]
    fn a_duplicate_delta_prunes_its_link() {
        let mut parts = parts();
        exchange(&mut parts).graft_sender(owner(1), &owner(9));
        assert!(is_eager(&parts, 1) && is_eager(&parts, 2), "all are, at first");
        exchange(&mut parts).prune_redundant(owner(1), &owner(9), 7);
        assert!(is_eager(&parts, 1), "the parent stays");
        exchange(&mut parts).prune_redundant(owner(2), &owner(9), 7);
        assert!(is_eager(&parts, 1) && !is_eager(&parts, 2));
        assert_eq!((parts.cx.stats.redundant, parts.cx.stats.redundant_bytes), (2, 14));
        exchange(&mut parts).send_trees();
        assert_eq!(parts.sent(), [(owner(2), alloc::format!("Prune([{:?}])", owner(9)))]);
        exchange(&mut parts).send_trees();
        assert_eq!(parts.sent(), [], "the prune is sent once");
    }

    #[test]
    fn a_peer_grafts_pruned_links_only_of_known_owners() {
        let mut parts = parts();
        exchange(&mut parts).on_prune(owner(1), &[owner(9)]);
        assert!(!is_eager(&parts, 1) && is_eager(&parts, 2));
        exchange(&mut parts).on_graft(owner(1), &[owner(9), owner(8)]);
        assert!(is_eager(&parts, 1));
        assert_eq!(parts.cx.stats.refusals.get("unknown_owner"), Some(&1));
    }
}
