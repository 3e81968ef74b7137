//! Heads of an own shard that peers hold and this disk lost. A recovery waits for them. A peer that returns
//! with less has lost the head too. A peer that does not return is waited for at most [`GONE_MICROS`], unless
//! this member started without data of its own; a peer that returns later keeps the state as a divergent
//! copy.

use crate::{
    head::Head,
    id::MemberId,
    time::{SECOND, Time},
};
use alloc::collections::BTreeMap;

/// Most peers whose heads are remembered: those with the greatest heads.
const TELLERS_MAX: usize = 64;
/// How long to wait for a peer whose link went down.
const GONE_MICROS: u64 = 60 * SECOND;

/// The lost heads that peers announced.
#[derive(Default)]
pub(super) struct LostHeads {
    told: BTreeMap<MemberId, Told>,
    /// The greatest announced head, even if no peer has it any more.
    greatest: Option<Head>,
}

struct Told {
    head: Head,
    /// Since when its link is down.
    gone: Option<Time>,
}

impl Told {
    /// Until when to wait for the peer.
    fn ends_at(&self) -> Time {
        self.gone.map_or(Time::NEVER, |since| since.after(GONE_MICROS))
    }
}

impl LostHeads {
    /// Records that the linked `peer` holds `head`, whose signature was verified.
    pub(super) fn record(&mut self, peer: MemberId, head: &Head) {
        let told = self.told.entry(peer).or_insert(Told { head: *head, gone: None });
        if told.head.order() < head.order() {
            told.head = *head;
        }
        if self.told.len() > TELLERS_MAX {
            let least = self.told.iter().min_by_key(|(_, told)| told.head.order()).map(|(peer, _)| *peer);
            least.map(|peer| self.told.remove(&peer));
        }
        if self.greatest.is_none_or(|greatest| greatest.order() < head.order()) {
            self.greatest = Some(*head);
        }
    }

    /// `peer` has a new link and holds `head` now.
    pub(super) fn replace(&mut self, peer: &MemberId, head: Option<&Head>) {
        let Some(told) = self.told.get_mut(peer) else { return };
        told.gone = None;
        if head.is_none_or(|head| head.order() < told.head.order()) {
            self.told.remove(peer);
        }
    }

    /// The link to `peer` went down.
    pub(super) fn on_down(&mut self, peer: &MemberId, now: Time) {
        if let Some(told) = self.told.get_mut(peer) {
            told.gone.get_or_insert(now);
        }
    }

    /// Whether a peer announced exactly this head.
    pub(super) fn has(&self, head: &Head) -> bool {
        self.told.values().any(|told| told.head == *head)
    }

    /// The peer with the greatest head, among peers for which `count` is true.
    pub(super) fn held(&self, now: Time, count: impl Fn(&MemberId) -> bool) -> Option<(MemberId, Head)> {
        let told = self.told.iter().filter(|(peer, told)| told.ends_at() > now && count(peer));
        told.map(|(peer, told)| (*peer, told.head)).max_by_key(|(_, head)| head.order())
    }

    /// When the next wait for a peer ends.
    pub(super) fn wakes_at(&self, now: Time) -> Time {
        let ends = self.told.values().map(Told::ends_at).filter(|at| *at > now);
        ends.min().unwrap_or(Time::NEVER)
    }

    /// The greatest head that was announced.
    pub(super) fn greatest(&self) -> Option<Head> {
        self.greatest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hash::Hash, time::Timestamp};

    const NOW: Time = Time(7);

    fn head(at: u64) -> Head {
        let (owner, root) = (MemberId([9; 32]), Hash([0; 32]));
        Head { owner, timestamp: Timestamp(at), items: 1, bytes: 1, root, signature: [0; 64] }
    }

    fn peer(n: u8) -> MemberId {
        MemberId([n; 32])
    }

    fn held(lost: &LostHeads, now: Time) -> Option<(u8, u64)> {
        lost.held(now, |_| true).map(|(peer, head)| (peer.0[0], head.timestamp.0))
    }

    #[test]
    fn a_peer_that_returns_with_an_earlier_head_has_lost_it() {
        let mut lost = LostHeads::default();
        assert!(held(&lost, NOW).is_none() && lost.greatest().is_none());
        lost.record(peer(1), &head(5));
        lost.record(peer(1), &head(3));
        lost.record(peer(2), &head(4));
        assert_eq!(held(&lost, NOW), Some((1, 5)));
        assert!(lost.has(&head(4)) && !lost.has(&head(3)));
        lost.replace(&peer(1), Some(&head(5)));
        assert_eq!(held(&lost, NOW), Some((1, 5)), "the peer still has it");
        let without = lost.held(NOW, |id| *id != peer(1));
        assert_eq!(without, Some((peer(2), head(4))), "unless its head does not count any more");
        lost.replace(&peer(1), Some(&head(2)));
        assert_eq!(held(&lost, NOW), Some((2, 4)));
        lost.replace(&peer(2), None);
        lost.replace(&peer(3), None);
        assert!(held(&lost, NOW).is_none());
        assert_eq!(lost.greatest(), Some(head(5)), "own writes stay above it");
    }

    #[test]
    fn an_absent_peer_is_waited_for_a_minute() {
        let mut lost = LostHeads::default();
        lost.record(peer(1), &head(5));
        assert_eq!(lost.wakes_at(NOW), Time::NEVER);
        lost.on_down(&peer(1), NOW);
        lost.on_down(&peer(1), NOW.after(SECOND));
        let end = NOW.after(GONE_MICROS);
        assert_eq!(lost.wakes_at(NOW), end);
        assert_eq!(held(&lost, Time(end.0 - 1)), Some((1, 5)));
        assert!(held(&lost, end).is_none() && lost.wakes_at(end) == Time::NEVER);
        lost.replace(&peer(1), Some(&head(5)));
        assert_eq!(held(&lost, end), Some((1, 5)), "the peer is back");
    }

    #[test]
    fn of_many_peers_those_with_the_greatest_heads_are_remembered() {
        let mut lost = LostHeads::default();
        (0..=u8::MAX).for_each(|n| lost.record(peer(n), &head(u64::from(n))));
        assert_eq!(lost.told.len(), TELLERS_MAX);
        assert!(lost.has(&head(255)) && lost.has(&head(192)) && !lost.has(&head(191)));
    }
}
