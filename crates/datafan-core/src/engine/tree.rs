//! Push trees: which links carry the pushes of an owner.
//!
//! As in Plumtree (Leitão, Pereira, Rodrigues: Epidemic Broadcast Trees, 2007): pushes go over all links at
//! first, and over a link no more that brought what another had brought already, so that those which are left
//! form a tree. What a tree loses with a link or a member is found by the rounds, and whoever had to pull it
//! gets the next ones pushed. The rounds are what Plumtree's announcements are, for all owners at once.

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

/// Over so many links a new owner's pushes go on at most.
const EAGER_MAX: usize = 6;
/// So many other links are asked for the pushes of an owner whose parent is gone. One may get them from
/// here itself; all would bring as many copies.
const GRAFTS_MAX: usize = 2;
/// Whoever wrote within this time is likely to write again soon: its tree is mended before it does.
const BUSY_MICROS: u64 = 60 * SECOND;

impl<V> Exchange<'_, V> {
    /// `from` has brought the present state of `owner`: so will it the next ones.
    pub(super) fn graft_bringer(&mut self, from: MemberId, owner: &MemberId) {
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
            // It was on its way when the link was pruned, and does not follow the others any more.
            if tree.parent().is_some() {
                return;
            }
            self.links.trees.ask_to_graft(from, [*owner]);
        }
        grown.graft(place);
        grown.set_parent(place);
        self.set_tree(owner, grown);
    }

    /// `from` has pushed what is held already. Where another link that is up brought it, this one need not.
    pub(super) fn prune_redundant(&mut self, from: MemberId, owner: &MemberId, bytes: usize) {
        self.cx.stats.redundant += 1;
        self.cx.stats.redundant_bytes += bytes as u64;
        // The roster goes over all links: it is small, rare, and not to be late anywhere.
        if *owner == self.cx.config.mesh.authority() {
            return;
        }
        let Some(place) = self.links.get(&from).map(|link| link.place()) else { return };
        let mut tree = self.replicas.know_owner(owner).tree();
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

    /// Tells peers what this call has found.
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

    /// A peer gets the pushes of `owners` from elsewhere.
    pub(super) fn on_prune(&mut self, from: MemberId, owners: &[MemberId]) {
        for owner in owners {
            self.on_asked(from, owner, Tree::prune);
            // It is where we are, or hears of it from elsewhere.
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

    /// What `owner` wrote has to be pulled over this link, by one side or the other: from now on it is
    /// pushed.
    pub(super) fn graft_pulled(&mut self, peer: MemberId, owner: &MemberId) {
        self.change_tree(&peer, owner, Tree::graft);
    }

    fn change_tree(&mut self, peer: &MemberId, owner: &MemberId, change: fn(&mut Tree, LinkIndex)) {
        let Some(place) = self.links.get(peer).map(|link| link.place()) else { return };
        let Some(mut tree) = self.replicas.get(owner).map(Owner::tree) else { return };
        change(&mut tree, place);
        self.set_tree(owner, tree);
    }

    /// A link has come up. Of owners that another link brings, neither side needs a second copy: pushes
    /// begin once one side had to pull. Where the peer has few links, it needs them all.
    pub(super) fn prune_new_link(&mut self, peer: &MemberId) {
        let Some(link) = self.links.get(peer) else { return };
        let needs_all = link.is_needed_by_peer();
        if self.cx.config.links_min == 0 || needs_all {
            return;
        }
        let (place, me, roster) = (link.place(), self.cx.me, self.cx.config.mesh.authority());
        let (used, mut orphans) = self.replicas.prune_brought(place, &[me, roster]);
        if used {
            self.links.trees.mention(place);
        }
        orphans.truncate(OWNERS_PER_MESSAGE_MAX);
        if !orphans.is_empty() {
            self.links.trees.ask_to_graft(*peer, orphans);
        }
    }

    /// The link at `place` is no more. Who brought nothing over other links is asked to do so, for owners
    /// that are busy and have lost their parent.
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

    /// The places of all links but `first` and some random ones, together [`EAGER_MAX`].
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
    fn a_second_copy_prunes_the_link_that_brought_it() {
        let mut parts = parts();
        exchange(&mut parts).graft_bringer(owner(1), &owner(9));
        assert!(is_eager(&parts, 1) && is_eager(&parts, 2), "all are, at first");
        exchange(&mut parts).prune_redundant(owner(1), &owner(9), 7);
        assert!(is_eager(&parts, 1), "its parent stays");
        exchange(&mut parts).prune_redundant(owner(2), &owner(9), 7);
        assert!(is_eager(&parts, 1) && !is_eager(&parts, 2));
        assert_eq!((parts.cx.stats.redundant, parts.cx.stats.redundant_bytes), (2, 14));
        exchange(&mut parts).send_trees();
        assert_eq!(parts.sent(), [(owner(2), alloc::format!("Prune([{:?}])", owner(9)))]);
        exchange(&mut parts).send_trees();
        assert_eq!(parts.sent(), [], "it is told once");
    }

    #[test]
    fn a_peer_grafts_what_it_had_pruned_and_only_of_owners_that_are_known() {
        let mut parts = parts();
        exchange(&mut parts).on_prune(owner(1), &[owner(9)]);
        assert!(!is_eager(&parts, 1) && is_eager(&parts, 2));
        exchange(&mut parts).on_graft(owner(1), &[owner(9), owner(8)]);
        assert!(is_eager(&parts, 1));
        assert_eq!(parts.cx.stats.refusals.get("unknown_owner"), Some(&1));
    }
}
