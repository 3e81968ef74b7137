//! Heads of an own shard that peers hold and this disk does not: what a recovery waits for. A peer that comes
//! back with less has lost it too; where nobody is left that has a later head, there is nothing to wait for.

use crate::{head::Head, id::MemberId};
use alloc::collections::BTreeMap;

/// Peers whose heads are remembered; of more, those with the greatest.
const TELLERS_MAX: usize = 64;

/// Who told of which lost head.
#[derive(Default)]
pub(super) struct LostHeads {
    told: BTreeMap<MemberId, Head>,
    /// The greatest of all, whether or not anybody still has it.
    greatest: Option<Head>,
}

impl LostHeads {
    /// `peer` holds `head`, whose signature was checked.
    pub(super) fn tell(&mut self, peer: MemberId, head: &Head) {
        let told = self.told.entry(peer).or_insert(*head);
        if told.order() < head.order() {
            *told = *head;
        }
        if self.told.len() > TELLERS_MAX {
            let least = self.told.iter().min_by_key(|(_, head)| head.order()).map(|(peer, _)| *peer);
            least.map(|peer| self.told.remove(&peer));
        }
        if self.greatest.is_none_or(|greatest| greatest.order() < head.order()) {
            self.greatest = Some(*head);
        }
    }

    /// `peer` is linked anew and holds `head` by now.
    pub(super) fn replace(&mut self, peer: &MemberId, head: Option<&Head>) {
        let has_less = |told: &Head| head.is_none_or(|head| head.order() < told.order());
        if self.told.get(peer).is_some_and(has_less) {
            self.told.remove(peer);
        }
    }

    /// Whether somebody told of this very head.
    pub(super) fn has(&self, head: &Head) -> bool {
        self.told.values().any(|told| told == head)
    }

    /// The greatest that one of those who `count` has, as far as is known.
    pub(super) fn held(&self, count: impl Fn(&MemberId) -> bool) -> Option<&Head> {
        let told = self.told.iter().filter(|(peer, _)| count(peer));
        told.map(|(_, head)| head).max_by_key(|head| head.order())
    }

    /// The greatest that anybody told of.
    pub(super) fn greatest(&self) -> Option<Head> {
        self.greatest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hash::Hash, time::Timestamp};

    fn head(at: u64) -> Head {
        let (owner, root) = (MemberId([9; 32]), Hash([0; 32]));
        Head { owner, timestamp: Timestamp(at), items: 1, bytes: 1, root, signature: [0; 64] }
    }

    fn peer(n: u8) -> MemberId {
        MemberId([n; 32])
    }

    #[test]
    fn who_comes_back_with_less_has_lost_it() {
        let mut lost = LostHeads::default();
        assert!(lost.held(|_| true).is_none() && lost.greatest().is_none());
        lost.tell(peer(1), &head(5));
        lost.tell(peer(1), &head(3));
        lost.tell(peer(2), &head(4));
        assert_eq!(lost.held(|_| true), Some(&head(5)));
        assert!(lost.has(&head(4)) && !lost.has(&head(3)));
        lost.replace(&peer(1), Some(&head(5)));
        assert_eq!(lost.held(|_| true), Some(&head(5)), "it still has it");
        assert_eq!(lost.held(|id| *id != peer(1)), Some(&head(4)), "unless it counts no more");
        lost.replace(&peer(1), Some(&head(2)));
        assert_eq!(lost.held(|_| true), Some(&head(4)));
        lost.replace(&peer(2), None);
        lost.replace(&peer(3), None);
        assert!(lost.held(|_| true).is_none());
        assert_eq!(lost.greatest(), Some(head(5)), "nothing is written before it");
    }

    #[test]
    fn of_many_those_with_the_greatest_are_remembered() {
        let mut lost = LostHeads::default();
        (0..=u8::MAX).for_each(|n| lost.tell(peer(n), &head(u64::from(n))));
        assert_eq!(lost.told.len(), TELLERS_MAX);
        assert!(lost.has(&head(255)) && lost.has(&head(192)) && !lost.has(&head(191)));
    }
}
