//! Surplus links: decides which links beyond the wanted number are dropped.
//!
//! A few stay because their ends seem not connected otherwise; so does a link that the peer needs. Only the
//! member with the smaller id drops a link, one in ten seconds, and decides from the published links alone,
//! as if that link did not exist. Thus two members never drop the last links between two parts of the mesh at
//! the same time.

use super::{
    context::Context,
    discovery::Discovery,
    handlers::Greeting,
    links::{Link, Links},
};
use crate::{
    id::MemberId,
    message::Refusal,
    store::Store,
    time::{SECOND, Time},
};
use alloc::vec::Vec;
use core::cmp::Reverse;

/// Most surplus links that stay because they connect parts of the mesh.
const JOINING_MAX: usize = 4;
/// Pause between two dropped links.
const DROP_MICROS: u64 = 10 * SECOND;
/// Minimum age of a link to be dropped: both ends have had time to publish it, and to publish that other
/// links are gone.
const SETTLED_MICROS: u64 = 40 * SECOND;
/// Most links that are considered at once.
const JUDGED_MAX: usize = 8;
/// How long a peer whose link was dropped is not dialled without need.
const REST_MICROS: u64 = 600 * SECOND;

impl<S: Store> Greeting<'_, S> {
    /// Drops a link that is not needed, if there is one and it is time.
    pub(super) fn drop_surplus(&mut self) {
        if wakes_at(self.cx, self.links, self.discovery) > self.cx.now.time {
            return;
        }
        self.discovery.postpone_surplus(self.cx.now.time.after(DROP_MICROS));
        let linked = self.links.up();
        // A spare link, dialled only to check reachability, that cannot be dropped now does not make another
        // link surplus.
        let stays = |peer: &&MemberId| self.links[*peer].is_spare() && !self.may_drop(peer);
        let n_spare = linked.iter().filter(stays).count();
        let n_surplus = linked.len().saturating_sub(self.cx.config.links_wanted_max + n_spare);
        if n_surplus == 0 {
            return;
        }
        let mut candidates: Vec<MemberId> =
            linked.iter().filter(|peer| self.may_drop(peer)).copied().collect();
        while candidates.len() > JUDGED_MAX {
            let random = self.cx.rng.next() % candidates.len() as u64;
            candidates.swap_remove(random as usize);
        }
        let mut uses =
            self.discovery.reach.uses(&linked, &candidates, |id| self.members.kind_of(self.replicas, id));
        // Among equal candidates take a random one, because other members decide at the same time.
        let random = self.cx.rng.next() % uses.len().max(1) as u64;
        uses.rotate_left(random as usize);
        // Drop the newest spare link first, so that lasting links stay.
        let spare = |peer: &MemberId| Some(&self.links[peer]).filter(|link| link.is_spare());
        let least = uses
            .into_iter()
            .min_by_key(|(peer, used)| (*used, Reverse(spare(peer).map(|link| link.up_since()))));
        if let Some((peer, used)) = least
            && (used.n_parted == 0 || n_surplus > JOINING_MAX)
        {
            self.refuse_link(peer, Refusal::Surplus);
            self.on_surplus_closed(&peer);
        }
    }

    /// The link to `peer` was closed as surplus by either end. The peer is not dialled for a while.
    pub(super) fn on_surplus_closed(&mut self, peer: &MemberId) {
        self.discovery.on_surplus_closed(peer, self.cx.now.time.after(REST_MICROS));
    }

    /// Whether this member may drop the link to `peer`: it has the smaller id, and the peer has enough other
    /// links.
    fn may_drop(&self, peer: &MemberId) -> bool {
        let link = &self.links[peer];
        self.cx.me < *peer
            && Link::is_up(link)
            && link.up_since().after(SETTLED_MICROS) <= self.cx.now.time
            && match self.discovery.reach.n_listed(peer) {
                Some(n_links) => n_links > self.cx.config.links_min,
                None => !link.is_needed_by_peer(),
            }
    }
}

/// When a surplus link may be dropped.
#[inline]
pub(super) fn wakes_at<V>(cx: &Context, links: &Links<V>, discovery: &Discovery) -> Time {
    let is_beyond = cx.config.links_min > 0 && links.len() > cx.config.links_wanted_max;
    if !is_beyond {
        return Time::NEVER;
    }
    let settled = links.iter().filter(|(peer, link)| link.is_up() && cx.me < **peer);
    let settled = settled.map(|(_, link)| link.up_since().after(SETTLED_MICROS));
    settled.min().unwrap_or(Time::NEVER).max(discovery.next_surplus())
}
