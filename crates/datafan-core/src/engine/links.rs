//! All links, and whether any of them needs a look.
//!
//! Most calls concern one link and leave the others as they were. So what every call has to look for on all of them -
//! greetings that are late, pins that end, requests that are owed - is looked for only where a link was touched since,
//! or where its time has come.

use super::link::Link;
use crate::{id::MemberId, time::Time};
use alloc::collections::{BTreeMap, btree_map};
use core::ops::Index;

/// The links, by peer.
pub(super) struct Links<V> {
    links: BTreeMap<MemberId, Link<V>>,
    /// A link may have changed since [`Links::rest`], or something is left to be done for one.
    stirred: bool,
    /// When the first of them needs a look if none is touched.
    wakes_at: Time,
}

impl<V> Links<V> {
    pub(super) fn new() -> Self {
        Self { links: BTreeMap::new(), stirred: false, wakes_at: Time::NEVER }
    }

    /// Whether something may be due or owed on a link.
    pub(super) fn need_a_look(&self, now: Time) -> bool {
        self.stirred || self.wakes_at <= now
    }

    /// All were looked at, and what could be done for them is done.
    pub(super) fn rest(&mut self) {
        self.stirred = self.values().any(|link| link.catching_up || !link.owed.is_empty());
        self.wakes_at = self.values().map(Link::wakes_at).min().unwrap_or(Time::NEVER);
    }

    /// When the first of them needs a look, by what [`Links::rest`] saw.
    pub(super) fn wakes_at(&self) -> Time {
        self.wakes_at
    }

    pub(super) fn insert(&mut self, peer: MemberId, link: Link<V>) {
        self.stirred = true;
        self.links.insert(peer, link);
    }

    pub(super) fn remove(&mut self, peer: &MemberId) -> Option<Link<V>> {
        self.stirred = true;
        self.links.remove(peer)
    }

    /// A link, to be changed in any way.
    pub(super) fn get_mut(&mut self, peer: &MemberId) -> Option<&mut Link<V>> {
        self.stirred = true;
        self.links.get_mut(peer)
    }

    /// All links, to be changed in any way.
    pub(super) fn values_mut(&mut self) -> btree_map::ValuesMut<'_, MemberId, Link<V>> {
        self.stirred = true;
        self.links.values_mut()
    }

    /// A link whose positions or comparison may be changed, and nothing else: no call looks for these.
    pub(super) fn quietly(&mut self, peer: &MemberId) -> Option<&mut Link<V>> {
        self.links.get_mut(peer)
    }

    /// As [`Links::quietly`], all of them.
    pub(super) fn all_quietly(&mut self) -> btree_map::IterMut<'_, MemberId, Link<V>> {
        self.links.iter_mut()
    }

    pub(super) fn get(&self, peer: &MemberId) -> Option<&Link<V>> {
        self.links.get(peer)
    }

    pub(super) fn contains_key(&self, peer: &MemberId) -> bool {
        self.links.contains_key(peer)
    }

    pub(super) fn iter(&self) -> btree_map::Iter<'_, MemberId, Link<V>> {
        self.links.iter()
    }

    pub(super) fn keys(&self) -> btree_map::Keys<'_, MemberId, Link<V>> {
        self.links.keys()
    }

    pub(super) fn values(&self) -> btree_map::Values<'_, MemberId, Link<V>> {
        self.links.values()
    }

    pub(super) fn len(&self) -> usize {
        self.links.len()
    }
}

impl<V> Index<&MemberId> for Links<V> {
    type Output = Link<V>;

    fn index(&self, peer: &MemberId) -> &Link<V> {
        &self.links[peer]
    }
}
