//! Links coming up and going down: Hello, the decision about the peer, Welcome or refusal.

use super::{
    effect::Effect,
    handlers::{Gossip, Greeting},
    links::{Dialled, Link, LinkIndex},
    replicas::Owner,
    status::Pending,
};
use crate::{
    connector::{Address, Direction},
    engine::rejection::Rejection,
    grant::GrantState,
    head::Head,
    id::MemberId,
    limits::{HELLO_HEADS_MAX, LINKS_MAX, NEEDY_PLACES, STRANGERS_MAX},
    message::{Hello, Message, Refusal},
    roster::{IdRole, role_of},
    store::{Store, StoreError},
    time::{SECOND, Time, Timestamp},
};
use alloc::{boxed::Box, string::String, vec::Vec};

/// How long a handshake may take.
const GREETING_MICROS: u64 = 15 * SECOND;
/// How long a stranger's link cannot be dropped for another: long enough for its Hello to arrive.
const STRANGER_MICROS: u64 = SECOND;

impl<S: Store> Greeting<'_, S> {
    /// Whether an invited peer tries to join after its invitation expired. A peer with a shard has already
    /// joined.
    pub(super) fn has_expired_invitation(&self, peer: &MemberId, until: Timestamp) -> bool {
        self.cx.now.wall > until && self.replicas.get(peer).and_then(Owner::head).is_none()
    }

    pub(super) fn on_link_up(&mut self, peer: MemberId, address: Option<Address>, direction: Direction) {
        if !self.make_room(&peer, direction) {
            self.refuse_link(peer, Refusal::Busy);
            return;
        }
        let dialled = address.as_ref().filter(|_| direction == Direction::Out);
        self.discovery.dialer.on_up(&peer, dialled, self.cx.now.time);
        let (since, deadline) = (self.cx.now.time, self.cx.now.time.after(GREETING_MICROS));
        if let Some(old) = self.links.remove(&peer) {
            self.exchange().clear_place(old.place());
        }
        let place = LinkIndex::free(self.links.values().map(Link::place));
        let is_spare = direction == Direction::Out && !self.links.are_too_few(self.cx);
        let dialled = Dialled { address, direction, is_spare };
        self.links.insert(peer, Link::new(dialled, place, since, deadline));
        let yours = self.replicas.get(&peer).and_then(|owner| owner.head().copied());
        let hello = Hello {
            mesh: self.cx.config.mesh,
            name: self.members.own_name(self.cx),
            roster: self.replicas.roster_head().copied(),
            yours: yours.into_iter().take(HELLO_HEADS_MAX).collect(),
            wall: self.cx.now.wall,
            run: self.own.run.process(),
            age_micros: self.own.run.age_micros(self.cx.now.time),
            addresses: self.own.addresses().to_vec(),
            below_minimum: self.links.are_too_few(self.cx),
        };
        self.cx.send(peer, &Message::Hello(hello.into()));
    }

    /// Whether there is room for a link. Strangers share a few links, which they lose to others that wait
    /// unless they complete the handshake at once. They never take links from members.
    fn make_room(&mut self, peer: &MemberId, direction: Direction) -> bool {
        if self.links.contains_key(peer) {
            return true;
        }
        let links_max = self.cx.config.links_max.min(LINKS_MAX);
        let known = !self.is_stranger(peer, direction);
        let strangers = self.links.iter().filter(|(peer, link)| self.is_stranger(peer, link.direction()));
        let strangers: Vec<(Time, MemberId)> = strangers.map(|(peer, link)| (link.since(), *peer)).collect();
        let crowded = self.links.len() >= links_max || !known && strangers.len() >= STRANGERS_MAX;
        if !crowded {
            return true;
        }
        let Some((since, oldest)) = strangers.into_iter().min() else { return false };
        if !known && since.after(STRANGER_MICROS) > self.cx.now.time {
            return false;
        }
        self.cx.stats.reject(Rejection::Crowded);
        self.close_link(oldest, "others wait for its place".into());
        true
    }

    /// Whether an incoming link takes one of the links that are reserved for peers below their minimum.
    fn is_kept_for_others(&self, peer: &MemberId) -> bool {
        let links_max = self.cx.config.links_max.min(LINKS_MAX);
        // With few links in total, none are reserved.
        let kept = if links_max < 2 * NEEDY_PLACES { 0 } else { NEEDY_PLACES };
        let came_in = self.links.get(peer).is_some_and(|link| link.direction() == Direction::In);
        came_in && self.links.len() > links_max - kept
    }

    /// Whether a peer is a stranger: it dialled us and is not in our roster.
    fn is_stranger(&self, peer: &MemberId, direction: Direction) -> bool {
        direction == Direction::In && !self.members.belongs(self.replicas, peer)
    }

    /// A link broke that this member did not close. The peer is dialled again.
    pub(super) fn on_link_lost(&mut self, peer: MemberId, reason: &str) {
        let was_up = self.links.get(&peer).is_some_and(Link::is_up);
        self.on_link_down(peer, reason);
        if was_up {
            self.key_conflicts.listed.on_lost(self.cx.now.time);
            self.discovery.redial(self.cx, self.members, self.replicas, &peer);
        }
    }

    fn on_link_down(&mut self, peer: MemberId, reason: &str) {
        let now = self.cx.now.time;
        self.own.on_link_down(&peer, now);
        let Some(link) = self.links.remove(&peer) else { return };
        let was_up = link.is_up();
        if was_up {
            self.conflicts().on_process_down(&peer);
        }
        self.exchange().clear_place(link.place());
        if self.members.belongs(self.replicas, &peer) {
            self.discovery.dialer.remember(&peer);
        }
        let up_micros = was_up.then(|| now.0 - link.up_since().0);
        self.discovery.on_down(&peer, up_micros, reason, self.cx.now, &mut self.cx.rng);
        self.replicas.release_peer(&peer);
        if was_up {
            // Messages in flight may be lost, so find out now what is missing.
            self.cx.next_round = self.cx.now.time;
        }
    }

    /// Whether a peer that is not accepted yet may send this message: the handshake, and messages about the
    /// roster.
    pub(super) fn is_before_welcome(&self, message: &Message<'_>) -> bool {
        let authority = self.cx.config.mesh.authority();
        match message {
            Message::Hello(_) | Message::Welcome | Message::Refuse(_) => true,
            Message::Pull(wants) => wants.iter().all(|want| want.owner == authority),
            Message::AskNodes(request) | Message::AskRanges(request) => request.owner == authority,
            Message::Push(delta) | Message::Delta(delta) => delta.head.owner == authority,
            Message::Announce(heads) => heads.iter().all(|head| head.owner == authority),
            Message::DeltaUnavailable(head) => head.owner == authority,
            Message::UpToDate(owner) => *owner == authority,
            // These are matched with a request of ours, or rejected.
            Message::Nodes(..) | Message::Ranges(..) | Message::StateChanged(..) => true,
            Message::Round(_) | Message::AskHeads(_) | Message::Heads(_) => false,
            Message::Prune(_) | Message::Graft(_) | Message::Diverged(_) => false,
            Message::Probe | Message::Alive | Message::OtherRun { .. } | Message::Claim(_) => false,
        }
    }

    pub(super) fn on_hello(&mut self, from: MemberId, hello: Box<Hello>) -> Result<(), StoreError> {
        if hello.mesh != self.cx.config.mesh {
            self.report_refused(from, hello.name, Refusal::OtherMesh);
            self.refuse_link(from, Refusal::OtherMesh);
            return Ok(());
        }
        if !hello.below_minimum && self.is_kept_for_others(&from) {
            self.refuse_link(from, Refusal::Busy);
            return Ok(());
        }
        let Some(link) = self.links.get_mut(&from) else { return Ok(()) };
        if link.hello().is_some() {
            self.cx.stats.reject(Rejection::SecondHello);
            return Ok(());
        }
        let roster = hello.roster;
        link.greet(hello, self.cx.now.time);
        if let Some(head) = roster {
            self.gossip().learn_roster(from, &head);
        }
        self.accept_or_refuse(from);
        Ok(())
    }

    /// Accepts or refuses a peer according to our roster. Called again after each change of the roster.
    pub(super) fn accept_or_refuse(&mut self, peer: MemberId) {
        let Some(link) = self.links.get(&peer) else { return };
        let Some(hello) = link.hello() else { return };
        let newest = self.replicas.roster_head().map(|head| head.order());
        if newest.is_none() {
            return;
        }
        let waits = hello.roster.is_some_and(|theirs| Some(theirs.order()) > newest);
        if (waits || self.replicas.examines_roster()) && link.waits_for_roster(self.cx.now.time) {
            return;
        }
        match self.members.of(self.replicas, &peer).map(|membership| membership.state) {
            Some(GrantState::Active | GrantState::Invited { .. }) if link.peer_accepted() => {}
            Some(GrantState::Invited { until }) if self.has_expired_invitation(&peer, until) => {
                self.refuse_member(peer, Refusal::InvitationExpired);
            }
            Some(GrantState::Active | GrantState::Invited { .. }) => self.welcome(peer),
            Some(GrantState::Keep { .. } | GrantState::Drop) => self.refuse_member(peer, Refusal::Revoked),
            None if role_of(&self.cx.config.mesh, &peer) == IdRole::Authority => {
                // The authority is no candidate for admission, so it is not listed as pending.
                self.refuse_link(peer, Refusal::NotAdmitted);
            }
            None => {
                self.add_pending(peer);
                self.refuse_member(peer, Refusal::NotAdmitted);
            }
        }
    }

    fn refuse_member(&mut self, peer: MemberId, refusal: Refusal) {
        let hello = self.links.get(&peer).and_then(Link::hello);
        let name = hello.expect("a peer is judged after its Hello").name.clone();
        self.report_refused(peer, name, refusal);
        self.refuse_link(peer, refusal);
    }

    fn welcome(&mut self, peer: MemberId) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        link.accept_peer();
        let hello = link.hello().cloned().expect("a peer is judged after its Hello");
        self.members.forget_pending(&peer);
        if !self.discovery.addresses.is_publisher(&peer) {
            let seen = self.links[&peer].address().into_iter();
            let told: Vec<Address> = hello.addresses.iter().chain(seen).cloned().collect();
            self.discovery.addresses.set_announced(&peer, &told);
        }
        self.cx.send(peer, &Message::Welcome);
        self.gossip().compare_own(peer, &hello);
        self.bring_up_if_accepted(peer);
    }

    pub(super) fn on_welcome(&mut self, from: MemberId) {
        let Some(link) = self.links.get_mut(&from) else { return };
        if !link.on_accepted() {
            self.cx.stats.reject(Rejection::SecondWelcome);
            return;
        }
        self.bring_up_if_accepted(from);
    }

    fn bring_up_if_accepted(&mut self, peer: MemberId) {
        if !self.links.get(&peer).is_some_and(Link::is_up) {
            return;
        }
        if let Some(link) = self.links.get_mut(&peer) {
            link.bring_up(self.cx.now.time);
        }
        self.members.on_link_up(&peer);
        let link = &self.links[&peer];
        let dialled = link.address().filter(|_| link.direction() == Direction::Out);
        self.discovery.on_ready(&peer, dialled);
        self.members.on_seen(self.cx, self.replicas, &peer);
        self.exchange().prune_new_link(&peer);
        if self.own.on_first_link(self.disk) {
            // This must be on disk before the peer can learn of any head.
            self.cx.want_sync();
        }
        self.cx.emit(Effect::Ready { peer });
        self.gossip().ask_for_own(peer);
        self.divergent.on_linked(peer);
        self.exchange().send_round(peer);
        self.conflicts().on_process_up(peer);
    }

    pub(super) fn on_refuse(&mut self, from: MemberId, refusal: Refusal) {
        self.cx.stats.reject(Rejection::RefusedByPeer);
        match refusal {
            Refusal::OtherMesh | Refusal::NotAdmitted | Refusal::Revoked | Refusal::InvitationExpired => {
                self.report_refused_by(from, refusal);
                self.members.on_refused(refusal);
            }
            Refusal::Busy | Refusal::Malformed | Refusal::Surplus => {}
        }
        self.close_link(from, refusal.advice().into());
        if refusal == Refusal::Surplus && self.members.belongs(self.replicas, &from) {
            self.on_surplus_closed(&from);
        }
        if refusal == Refusal::NotAdmitted {
            self.discovery.dialer.on_pending(&from, self.cx.now.time, &mut self.cx.rng);
        }
    }

    /// Sends a refusal to a peer, counts it and closes the link.
    pub(super) fn refuse_link(&mut self, peer: MemberId, refusal: Refusal) {
        // A malformed message was counted as a violation already.
        if refusal != Refusal::Malformed {
            self.cx.stats.reject(refusal.into());
        }
        self.cx.send(peer, &Message::Refuse(refusal));
        self.close_link(peer, alloc::format!("refused here: {}", refusal.name()));
    }

    pub(super) fn close_link(&mut self, peer: MemberId, reason: String) {
        self.on_link_down(peer, &reason);
        self.cx.emit_in_order(Effect::Close { peer, reason });
    }

    /// Closes links whose handshake takes too long, and decides about peers whose newer roster did not
    /// arrive.
    pub(super) fn on_greetings(&mut self) {
        let now = self.cx.now.time;
        let late = |link: &Link<_>| link.is_greeting_late(now);
        let waited = |link: &Link<_>| link.is_roster_late(now);
        let peers: Vec<(MemberId, bool)> = self
            .links
            .iter()
            .filter(|(_, link)| late(link) || waited(link))
            .map(|(peer, link)| (*peer, late(link)))
            .collect();
        for (peer, late) in peers {
            if late {
                self.cx.stats.reject(Rejection::LateHello);
                self.close_link(peer, "hello was not answered in time".into());
            } else {
                if let Some(link) = self.links.get_mut(&peer) {
                    link.end_roster_wait();
                }
                self.accept_or_refuse(peer);
            }
        }
    }

    fn add_pending(&mut self, peer: MemberId) {
        let Some(link) = self.links.get(&peer) else { return };
        let Some(hello) = link.hello() else { return };
        let (name, address) = (hello.name.clone(), link.address().cloned());
        self.members.add_pending(Pending { id: peer, name, address, since: self.cx.now.wall });
    }
}

impl<S: Store> Gossip<'_, S> {
    /// Fetches a newer roster before the decision about the peer that announced it.
    fn learn_roster(&mut self, from: MemberId, head: &Head) {
        if head.owner != self.cx.config.mesh.authority() {
            self.links.penalize(self.cx, from, Rejection::Malformed);
            return;
        }
        let learned = self.learn(from, head, self.cx.now.time);
        if (learned == super::learned::Learned::Newer || self.replicas.examines_roster())
            && let Some(link) = self.links.get_mut(&from)
        {
            link.wait_for_roster(self.cx.now.time.after(GREETING_MICROS / 3));
        }
    }
}
