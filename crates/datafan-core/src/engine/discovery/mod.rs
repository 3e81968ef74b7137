//! Finding other members and staying joined with them: addresses, dials, and who is reachable by the links
//! that members publish.

mod address_book;
mod addresses;
mod dialer;
mod own_links;
mod reach;

pub(super) use address_book::AddressBook;
pub use addresses::{ADDRESSES_KEY, decode_addresses};
pub(super) use addresses::{check_addresses, encode_addresses};
pub(super) use dialer::{Endpoint, Looking, Pool, Target, Why, pause_micros};
pub(super) use own_links::UpLink;
pub use own_links::{LINKS_KEY, PublishedLinks, decode_links};
pub(super) use reach::Reach;

use super::{context::Context, members::Members, replicas::Replicas};
use crate::{
    connector::Address,
    id::MemberId,
    rng::Rng,
    time::{Now, Time, Timestamp},
};
use dialer::Dialer;
use own_links::OwnLinks;

/// What is known of where members are and who reaches whom.
pub(super) struct Discovery {
    pub(super) dialer: Dialer,
    pub(super) addresses: AddressBook,
    pub(super) own_links: OwnLinks,
    pub(super) reach: Reach,
    /// When a link beyond the wanted number may be dropped next.
    next_surplus: Time,
}

impl Discovery {
    pub(super) fn new(me: MemberId, began: Timestamp) -> Self {
        Self {
            dialer: Dialer::default(),
            addresses: AddressBook::default(),
            own_links: OwnLinks::default(),
            reach: Reach::new(me, began),
            next_surplus: Time(0),
        }
    }

    /// A link to `peer` is up, which was dialled at `address` if that is known.
    pub(super) fn on_ready(&mut self, peer: &MemberId, address: Option<&Address>) {
        self.own_links.on_changed();
        self.reach.on_up(peer);
        self.dialer.on_ready(peer);
        if let Some(address) = address {
            self.addresses.answered(peer, address);
        }
    }

    /// A link to `peer` is gone; `up_micros` is for how long it was up, if it was.
    pub(super) fn on_down(
        &mut self,
        peer: &MemberId,
        up_micros: Option<u64>,
        reason: &str,
        now: Now,
        rng: &mut Rng,
    ) {
        if up_micros.is_some() {
            self.own_links.on_changed();
            self.reach.on_down(peer);
        }
        self.dialer.on_down(peer, up_micros, reason, now.time, rng);
    }

    /// The shard of `owner` publishes addresses by now, or none.
    pub(super) fn on_published(&mut self, owner: &MemberId, publishes: bool) {
        self.addresses.set_publisher(owner, publishes);
        if publishes {
            self.dialer.on_moved(owner);
        }
    }

    /// A link to `peer` was lost, or it is to be linked for another reason: it is dialled again and again.
    pub(super) fn seek_lost(
        &mut self,
        cx: &mut Context,
        members: &Members,
        replicas: &Replicas,
        peer: &MemberId,
    ) {
        if members.belongs(replicas, peer) {
            self.dialer.on_lost(peer, cx.now.time, &mut cx.rng);
        }
    }

    /// A member does not belong any more: it is not dialled, and what it lists counts no more.
    pub(super) fn forget(&mut self, member: &MemberId) {
        self.addresses.forget(member);
        self.dialer.forget(member);
        self.reach.forget(member);
    }

    /// When this member's links may have to be published.
    pub(super) fn links_wake_at(&self, cx: &Context) -> Time {
        if cx.config.publish_links { self.own_links.wakes_at() } else { Time::NEVER }
    }

    /// When a link beyond the wanted number may be dropped next.
    pub(super) fn next_surplus(&self) -> Time {
        self.next_surplus
    }

    /// No link beyond the wanted number is dropped before `until`.
    pub(super) fn put_off_surplus(&mut self, until: Time) {
        self.next_surplus = until;
    }

    /// The link to `peer` was closed as one too many, by either end: both are well, and `peer` is not dialled
    /// before `until` without need.
    pub(super) fn on_surplus_closed(&mut self, peer: &MemberId, until: Time) {
        self.reach.on_surplus(peer);
        self.dialer.rest(peer, until);
    }
}
