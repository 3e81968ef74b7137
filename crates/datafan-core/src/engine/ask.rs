//! Fetches queued heads, with one transfer per owner at a time.

use super::{
    handlers::{Exchange, Replication},
    links::Link,
    reconcile::Reconciliation,
    replicas::{Owner, Transfer},
};
use crate::{
    connector::Lane,
    engine::rejection::Rejection,
    head::Head,
    id::MemberId,
    limits::{DELTA_BYTES_MAX, OWNERS_PER_MESSAGE_MAX},
    message::{Delta, Message, Want},
    store::{Store, StoreError},
    time::{Time, Timestamp},
};
use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};

/// Pulls to send, by peer.
type Pulls = BTreeMap<MemberId, Vec<Want>>;

/// Most owners that are skipped, because their links take no more pulls, to find one whose link does.
const PASSED_OVER_MAX: usize = 1_024;

impl<S: Store> Replication<'_, S> {
    /// Requests the data that is queued and due.
    pub(super) fn ask(&mut self) -> Result<(), StoreError> {
        if self.disk.full().is_some() {
            return Ok(());
        }
        for owner in self.replicas.compared() {
            self.advance(&owner)?;
        }
        while let Some(owner) = self.replicas.overdue(self.cx.now.time) {
            self.exchange().give_up_pull(&owner);
        }
        self.begin_known()
    }

    /// Begins transfers of known heads that are due, as many as the links take.
    fn begin_known(&mut self) -> Result<(), StoreError> {
        let mut pulls = Pulls::new();
        let (mut last, mut passed_over) = (None, 0);
        while let Some((at, owner)) = self.replicas.known_after(last, self.cx.now.time) {
            last = Some((at, owner));
            let Some(known) = self.replicas[&owner].known() else { unreachable!("listed as known") };
            if !self.rules().is_wanted(&known) {
                self.replicas.forget(&owner);
                continue;
            }
            self.exchange().begin(&owner, &known, &mut pulls);
            match self.replicas[&owner].transfer() {
                Some(Transfer::Reconciliation(_)) => self.advance(&owner)?,
                Some(Transfer::Pull { .. }) => {}
                // Owners that wait for their time do not count as skipped.
                None => {
                    let state = &self.replicas[&owner];
                    passed_over +=
                        usize::from(state.known().is_some() && state.fetch_at() <= self.cx.now.time);
                }
            }
            // Without this limit, every message would scan all of them.
            if passed_over == PASSED_OVER_MAX || passed_over > 0 && !self.exchange().has_pull_room() {
                break;
            }
        }
        for (peer, wants) in pulls {
            for wants in wants.chunks(OWNERS_PER_MESSAGE_MAX) {
                self.cx.send(peer, &Message::Pull(wants.to_vec()));
            }
        }
        Ok(())
    }
}

impl<V> Exchange<'_, V> {
    fn has_pull_room(&self) -> bool {
        self.links.values().any(|link| !link.is_full(Lane::Small) && link.requests.has_pull_room(0))
    }

    /// Begins the transfer of `known`: a pull if a delta may suffice, else a reconciliation.
    fn begin(&mut self, owner: &MemberId, known: &Head, pulls: &mut Pulls) {
        if let Some(until) = self.replicas.pause(self.cx, owner) {
            self.replicas.delay_fetch(owner, until);
            return;
        }
        let Some(from) = self.source(owner, known) else {
            // No linked peer has it. The rounds will announce it again.
            self.replicas.forget(owner);
            return;
        };
        let slow = self.links[&from].requests.window().is_too_slow_for(known.bytes);
        let state = &self.replicas[owner];
        let since = state.timestamp();
        let back = since >= known.timestamp;
        let large = since == Timestamp::ZERO && known.bytes > DELTA_BYTES_MAX as u64;
        let resumed = state.whole().is_none() && state.building().is_some();
        if back || large || resumed || slow {
            self.reconcile(from, known);
            return;
        }
        let bytes = known.bytes.min(DELTA_BYTES_MAX as u64);
        let link = self.links.get_mut(&from).expect("a source is linked");
        if link.is_full(Lane::Small) || !link.requests.has_pull_room(bytes) {
            return;
        }
        link.requests.begin_pull(*owner, bytes);
        self.graft_pulled(from, owner);
        pulls.entry(from).or_default().push(Want { owner: *owner, since });
        let deadline = self.cx.now.time.after(self.cx.config.request_micros);
        self.replicas.begin_transfer(owner, Transfer::Pull { from, since, deadline });
    }

    /// A linked peer that holds `head` or a later one of `owner`. The peer with the fewest expected bytes is
    /// preferred, so that a member that lacks much fetches from all its peers at once; then the peer that
    /// announced the head; then a random one.
    pub(super) fn source(&mut self, owner: &MemberId, head: &Head) -> Option<MemberId> {
        let roster = *owner == self.cx.config.mesh.authority();
        let state = self.replicas.get(owner);
        let (told, doubted) = (state.and_then(Owner::fetch_from), state.and_then(Owner::doubted));
        let has = |(peer, link): &(&MemberId, &Link<V>)| {
            let speaks = link.is_up() || roster && link.hello().is_some();
            let there = link.position(owner).is_some_and(|position| position >= head.timestamp);
            speaks && there && !self.links.is_penalized(peer, self.cx.time())
        };
        let rank = |(peer, link): (&MemberId, &Link<V>)| {
            (doubted == Some(*peer), link.requests.bytes_expected(), told != Some(*peer))
        };
        let best = self.links.iter().filter(has).map(rank).min()?;
        let best = self.links.iter().filter(has).filter(|link| rank(*link) == best).map(|(peer, _)| *peer);
        let best: Vec<MemberId> = best.collect();
        let random = if best.len() > 1 { self.cx.rng.next() % best.len() as u64 } else { 0 };
        Some(best[random as usize])
    }

    /// Gives up a pull whose deadline has passed.
    fn give_up_pull(&mut self, owner: &MemberId) {
        let Some(&Transfer::Pull { from, since, .. }) = self.replicas[owner].transfer() else {
            unreachable!("listed as pulled")
        };
        self.cx.stats.reject(Rejection::LateAnswer);
        self.cancel_transfer(owner);
        let now = self.cx.now.time;
        if let Some(link) = self.links.get_mut(&from) {
            link.requests.give_up_pull(*owner, since, now);
        }
        // A peer that did not answer is asked again only after it announces the head again.
        self.links.set_position(&from, owner, None);
    }

    /// Cancels the transfer of an owner. A hidden copy keeps its data.
    pub(super) fn cancel_transfer(&mut self, owner: &MemberId) {
        match self.replicas.end_transfer(owner) {
            Some(Transfer::Pull { from, .. }) => {
                self.links.get_mut(&from).map(|link| link.requests.end_pull(owner));
            }
            Some(Transfer::Reconciliation(_)) => self.links.drop_requests(owner),
            None => {}
        }
    }

    /// Begins a reconciliation with `from`, which holds `target`.
    pub(super) fn reconcile(&mut self, from: MemberId, target: &Head) {
        let Some(state) = self.replicas.get(&target.owner) else { return };
        if matches!(state.transfer(), Some(Transfer::Reconciliation(_))) {
            return;
        }
        let reconciliation = Reconciliation::new(from, *target, state.timestamp());
        self.replicas.begin_transfer(&target.owner, Transfer::Reconciliation(Box::new(reconciliation)));
        self.cx.stats.reconciliations += 1;
    }

    pub(super) fn on_up_to_date(&mut self, from: MemberId, owner: &MemberId) {
        if self.end_pull(from, owner) {
            self.cx.stats.reject(Rejection::StateChanged);
            self.links.set_position(&from, owner, None);
        } else {
            self.cx.stats.reject(Rejection::Unasked);
        }
    }

    /// Ends the pull of `owner` from `from`; false if there was none.
    pub(super) fn end_pull(&mut self, from: MemberId, owner: &MemberId) -> bool {
        let expected = self.links.get_mut(&from).and_then(|link| link.requests.end_pull(owner));
        let Some(Transfer::Pull { from: asked, deadline, .. }) =
            self.replicas.get(owner).and_then(|state| state.transfer())
        else {
            return false;
        };
        let sent = Time(deadline.0.saturating_sub(self.cx.config.request_micros));
        let ours = *asked == from;
        if ours {
            self.replicas.end_transfer(owner);
            self.links.on_answer(&from, expected.unwrap_or(0), sent, self.cx.now.time);
        }
        ours
    }

    /// Whether a delta answers a pull that was given up, and still applies to the held state.
    pub(super) fn is_late(&mut self, from: MemberId, delta: &Delta<'_>) -> bool {
        let owner = delta.head.owner;
        let held = self.replicas.get(&owner).map_or(Timestamp::ZERO, Owner::timestamp);
        let Some(link) = self.links.get_mut(&from) else { return false };
        delta.base == held && link.requests.end_late_pull(&owner, delta.base)
    }

    /// Whether a delta answers an earlier pull that was given up rather than the current one. Its base is
    /// before the current pull's. It may lack tombstones for the state held now, as all deltas with base 0
    /// do.
    pub(super) fn is_of_earlier_pull(&self, from: MemberId, delta: &Delta<'_>) -> bool {
        let transfer = self.replicas.get(&delta.head.owner).and_then(|state| state.transfer());
        let Some(Transfer::Pull { from: asked, since, .. }) = transfer else { return false };
        *asked == from && delta.base < *since
    }

    /// Begins to fetch a state of an own shard that must not replace the visible one.
    pub(super) fn begin_divergent(&mut self, peer: MemberId, head: &Head) {
        let transfer = Transfer::Reconciliation(Box::new(Reconciliation::of_divergent(peer, *head)));
        self.replicas.get_or_insert(&head.owner);
        self.replicas.begin_transfer(&head.owner, transfer);
        self.cx.stats.reconciliations += 1;
        self.cx.more_to_do = true;
    }
}
