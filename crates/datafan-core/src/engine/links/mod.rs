//! All links, and whether any of them has work.
//!
//! Most calls change one link only. So late handshakes, ending pins and pending requests are checked only if
//! a link was touched since the last check, or if its time has come.

mod comparison;
mod fetch_window;
mod link;
mod penalties;
mod pins;
mod requests;
mod silence;
#[cfg(test)]
mod tests;
mod trees;

pub(super) use comparison::Comparing;
pub(super) use link::{Dialled, Link, PendingRequest};
pub(super) use pins::Term;
pub(super) use trees::{Asked, LinkIndex, SmallTree, Tree, Trees};

use super::{context::Context, rejection::Rejection};
use crate::{
    connector::Lane,
    id::MemberId,
    time::{Time, Timestamp},
};
use alloc::vec::Vec;
use core::{cmp::Ordering, ops::Index, slice};
use penalties::Penalties;
use silence::rounds_until_probe;

/// The links, by peer. There are few, and every message looks one up, so the ids are stored together.
pub(super) struct Links<V> {
    /// The first bytes of each peer's id, in ascending order. They nearly always identify the peer.
    tags: Vec<u64>,
    /// The ids of the peers, in ascending order.
    peers: Vec<MemberId>,
    /// The link to each peer.
    links: Vec<Link<V>>,
    /// Whether a link may have changed since [`Links::on_checked`], or has work left.
    dirty: bool,
    /// When the next link has work, if none is touched before.
    wakes_at: Time,
    /// The push trees.
    pub(super) trees: Trees,
    /// Misbehaving peers.
    penalties: Penalties,
    /// The peer whose requests were answered last.
    served_last: Option<MemberId>,
}

impl<V> Links<V> {
    pub(super) fn new() -> Self {
        Self {
            tags: Vec::new(),
            peers: Vec::new(),
            links: Vec::new(),
            dirty: false,
            wakes_at: Time::NEVER,
            trees: Trees::default(),
            penalties: Penalties::default(),
            served_last: None,
        }
    }

    /// Whether a link may have work, or a request waits for its answer.
    pub(super) fn have_work(&self, now: Time) -> bool {
        self.dirty || self.wakes_at <= now
    }

    /// All links were checked, and the possible work is done.
    pub(super) fn on_checked(&mut self) {
        self.dirty = self.values().any(|link| link.is_catching_up() || link.has_pending());
        self.wakes_at = self.values().map(Link::wakes_at).min().unwrap_or(Time::NEVER);
    }

    /// Marks that a link has work left.
    pub(super) fn mark_dirty(&mut self) {
        self.dirty = true;
    }

    /// When the next link has work, according to [`Links::on_checked`].
    pub(super) fn wakes_at(&self) -> Time {
        self.wakes_at
    }

    pub(super) fn insert(&mut self, peer: MemberId, link: Link<V>) {
        self.dirty = true;
        match self.find(&peer) {
            Ok(at) => self.links[at] = link,
            Err(at) => {
                self.tags.insert(at, tag(&peer));
                self.peers.insert(at, peer);
                self.links.insert(at, link);
            }
        }
    }

    pub(super) fn remove(&mut self, peer: &MemberId) -> Option<Link<V>> {
        self.dirty = true;
        let at = self.find(peer).ok()?;
        self.tags.remove(at);
        self.peers.remove(at);
        Some(self.links.remove(at))
    }

    /// A link, for any change.
    pub(super) fn get_mut(&mut self, peer: &MemberId) -> Option<&mut Link<V>> {
        self.dirty = true;
        self.get_mut_untracked(peer)
    }

    /// All links, for any change.
    pub(super) fn values_mut(&mut self) -> slice::IterMut<'_, Link<V>> {
        self.dirty = true;
        self.links.iter_mut()
    }

    /// A link, for changes of its positions or comparison only, which need no check.
    pub(super) fn get_mut_untracked(&mut self, peer: &MemberId) -> Option<&mut Link<V>> {
        let at = self.find(peer).ok()?;
        Some(&mut self.links[at])
    }

    /// Like [`Links::get_mut_untracked`], for all links.
    pub(super) fn iter_mut_untracked(&mut self) -> impl Iterator<Item = (&MemberId, &mut Link<V>)> {
        self.peers.iter().zip(&mut self.links)
    }

    pub(super) fn get(&self, peer: &MemberId) -> Option<&Link<V>> {
        Some(&self.links[self.find(peer).ok()?])
    }

    pub(super) fn contains_key(&self, peer: &MemberId) -> bool {
        self.find(peer).is_ok()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&MemberId, &Link<V>)> {
        self.peers.iter().zip(&self.links)
    }

    pub(super) fn keys(&self) -> slice::Iter<'_, MemberId> {
        self.peers.iter()
    }

    pub(super) fn values(&self) -> slice::Iter<'_, Link<V>> {
        self.links.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    /// The peers to which links are up, by id.
    pub(super) fn up(&self) -> Vec<MemberId> {
        self.iter().filter(|(_, link)| link.is_up()).map(|(peer, _)| *peer).collect()
    }

    /// Whether there are fewer links than the minimum.
    pub(super) fn are_too_few(&self, cx: &Context) -> bool {
        self.len() < cx.config.links_min
    }

    /// The median of our peers' wall clocks. `None` without links.
    pub(super) fn median_wall(&self, now: Time) -> Option<Timestamp> {
        let up = self.values().filter(|link| link.is_up());
        let mut walls: Vec<Timestamp> = up.filter_map(|link| link.wall(now)).collect();
        walls.sort_unstable();
        walls.get(walls.len() / 2).copied()
    }

    /// Records a peer's position for an owner; `None` if it has our state.
    pub(super) fn set_position(&mut self, peer: &MemberId, owner: &MemberId, position: Option<Timestamp>) {
        if let Some(link) = self.get_mut_untracked(peer) {
            link.set_position(owner, position);
        }
    }

    /// Records that a lane of a link is full, or has room again.
    pub(super) fn set_full(&mut self, peer: &MemberId, lane: Lane, full: bool) {
        if let Some(link) = self.get_mut(peer) {
            link.set_full(lane, full);
        }
    }

    /// An answer arrived, for which `bytes` were expected.
    pub(super) fn on_answer(&mut self, peer: &MemberId, bytes: u64, sent: Time, now: Time) {
        if let Some(link) = self.get_mut(peer) {
            link.requests.on_answer(bytes, sent, now);
        }
    }

    /// Drops all pending requests of reconciliations of an owner.
    pub(super) fn drop_requests(&mut self, owner: &MemberId) {
        for link in self.values_mut() {
            link.requests.drop_about(owner, |_| false);
        }
    }

    /// Counts a violation and penalizes the peer: for a while, it is not asked and its data is ignored.
    pub(super) fn penalize(&mut self, cx: &mut Context, peer: MemberId, violation: Rejection) {
        cx.stats.reject(violation);
        self.penalties.add(peer, cx.time());
    }

    /// Whether a peer is penalized now.
    pub(super) fn is_penalized(&self, peer: &MemberId, now: Time) -> bool {
        self.penalties.is_backed_off(peer, now)
    }

    /// Peers with pending requests, starting after the one that was served last.
    pub(super) fn with_pending(&self) -> Vec<MemberId> {
        let mut peers: Vec<MemberId> =
            self.iter().filter(|(_, link)| link.has_pending()).map(|(peer, _)| *peer).collect();
        let turn = peers.partition_point(|peer| Some(*peer) <= self.served_last);
        peers.rotate_left(turn);
        peers
    }

    /// A peer was served.
    pub(super) fn on_served(&mut self, peer: MemberId) {
        self.served_last = Some(peer);
    }

    /// One of our rounds begins. Returns the peers that have been silent for too long, to be probed now.
    pub(super) fn probe(&mut self, now: Time) -> Vec<MemberId> {
        let (mut n_up, mut n_silent) = (0, 0);
        for (_, link) in self.iter_mut_untracked().filter(|(_, link)| link.is_up()) {
            link.silence.on_round();
            n_up += 1;
            n_silent += usize::from(link.silence.is_long());
        }
        let rounds = rounds_until_probe(n_up, n_silent);
        let up = self.iter_mut_untracked().filter(|(_, link)| link.is_up());
        let silent = up.filter_map(|(peer, link)| link.silence.probe(now, rounds).then_some(*peer));
        let silent: Vec<MemberId> = silent.collect();
        self.dirty |= !silent.is_empty();
        silent
    }

    /// Peers that did not answer a probe in time.
    pub(super) fn unanswered(&self, now: Time) -> Vec<MemberId> {
        let silent = self.iter().filter(|(_, link)| link.silence.ends_at() <= now);
        silent.map(|(peer, _)| *peer).collect()
    }

    /// Whether to answer a probe of `peer`.
    pub(super) fn on_probe(&mut self, peer: &MemberId, now: Time) -> bool {
        let link = self.get_mut_untracked(peer);
        link.is_some_and(|link| !link.is_full(Lane::Small) && link.silence.on_probe(now))
    }

    /// The index of a link; as an error, the index where it would be.
    fn find(&self, peer: &MemberId) -> Result<usize, usize> {
        let tag = tag(peer);
        let first = self.tags.partition_point(|other| *other < tag);
        for at in first..self.tags.len() {
            match self.peers[at].cmp(peer) {
                Ordering::Less => {}
                Ordering::Equal => return Ok(at),
                Ordering::Greater => return Err(at),
            }
        }
        Err(self.tags.len())
    }
}

fn tag(peer: &MemberId) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = peer.0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

impl<V> Index<&MemberId> for Links<V> {
    type Output = Link<V>;

    fn index(&self, peer: &MemberId) -> &Link<V> {
        self.get(peer).expect("the peer is linked")
    }
}
