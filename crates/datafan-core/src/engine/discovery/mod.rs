//! Discovery: addresses, dials, and reachability through the links that members publish.

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

/// What is known about members' addresses and reachability.
pub(super) struct Discovery {
    pub(super) dialer: Dialer,
    pub(super) addresses: AddressBook,
    pub(super) own_links: OwnLinks,
    pub(super) reach: Reach,
    /// When the next surplus link may be dropped.
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

    /// A link to `peer` is up. `address` is the dialled address, if known.
    pub(super) fn on_ready(&mut self, peer: &MemberId, address: Option<&Address>) {
        self.own_links.on_changed();
        self.reach.on_up(peer);
        self.dialer.on_ready(peer);
        if let Some(address) = address {
            self.addresses.answered(peer, address);
        }
    }

    /// A link to `peer` is gone. `up_micros` is how long it was up, if it was.
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

    /// Records whether the shard of `owner` publishes addresses now.
    pub(super) fn on_published(&mut self, owner: &MemberId, publishes: bool) {
        self.addresses.set_publisher(owner, publishes);
        if publishes {
            self.dialer.on_moved(owner);
        }
    }

    /// Dials `peer` repeatedly, because its link was lost or a link is wanted for another reason.
    pub(super) fn redial(
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

    /// Forgets a member that is no longer active: it is not dialled, and its list does not count.
    pub(super) fn forget(&mut self, member: &MemberId) {
        self.addresses.forget(member);
        self.dialer.forget(member);
        self.reach.forget(member);
    }

    /// When this member's links may have to be published.
    pub(super) fn links_wake_at(&self, cx: &Context) -> Time {
        if cx.config.publish_links { self.own_links.wakes_at() } else { Time::NEVER }
    }

    /// When the next surplus link may be dropped.
    pub(super) fn next_surplus(&self) -> Time {
        self.next_surplus
    }

    /// Drops no surplus link before `until`.
    pub(super) fn postpone_surplus(&mut self, until: Time) {
        self.next_surplus = until;
    }

    /// The link to `peer` was closed as surplus by either end. `peer` is not dialled before `until` without
    /// need.
    pub(super) fn on_surplus_closed(&mut self, peer: &MemberId, until: Time) {
        self.reach.on_surplus(peer);
        self.dialer.postpone_slow_dial(peer, until);
    }
}
