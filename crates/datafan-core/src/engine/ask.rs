//! Asking for what is wanted, one transfer per owner at a time.

use super::{
    Engine,
    descent::Descent,
    disk::Snapshot,
    links::Link,
    replicas::{Owner, Transfer},
};
use crate::engine::rejection::Rejection;
use crate::{
    connector::Lane,
    head::Head,
    id::MemberId,
    limits::{DELTA_BYTES_MAX, OWNERS_PER_MESSAGE_MAX},
    message::{Message, Want},
    store::{Store, StoreError},
    time::Timestamp,
};
use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};

/// Pulls to be sent, by whom they ask.
type Pulls = BTreeMap<MemberId, Vec<Want>>;

/// So many owners whose links take no more pulls are passed over to find one whose link does.
const PASSED_OVER_MAX: usize = 1_024;

impl<S: Store> Engine<S> {
    /// Asks for what is wanted and due.
    pub(super) fn ask(&mut self) -> Result<(), StoreError> {
        if self.disk.full().is_some() {
            return Ok(());
        }
        for owner in self.replicas.compared() {
            self.go_on(&owner)?;
        }
        while let Some(owner) = self.replicas.overdue(self.cx.now.time) {
            self.give_up_pull(&owner);
        }
        self.begin_known()
    }

    /// Begins the transfers of what is known and due, as many as the links take.
    fn begin_known(&mut self) -> Result<(), StoreError> {
        let mut pulls = Pulls::new();
        let (mut last, mut passed_over) = (None, 0);
        while let Some((at, owner)) = self.replicas.known_after(last, self.cx.now.time) {
            last = Some((at, owner));
            let Some(known) = self.replicas[&owner].known() else { unreachable!("listed as known") };
            if !self.is_wanted(&known) {
                self.replicas.forget(&owner);
                continue;
            }
            self.begin(&owner, &known, &mut pulls);
            match self.replicas[&owner].transfer() {
                Some(Transfer::Descent(_)) => self.go_on(&owner)?,
                Some(Transfer::Pull { .. }) => {}
                // Those that wait for their time are not in the way of anybody.
                None => {
                    let state = &self.replicas[&owner];
                    passed_over +=
                        usize::from(state.known().is_some() && state.fetch_at() <= self.cx.now.time);
                }
            }
            // All of them would be passed over, with every message that comes.
            if passed_over == PASSED_OVER_MAX || passed_over > 0 && !self.has_pull_room() {
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

    fn has_pull_room(&self) -> bool {
        self.links.values().any(|link| !link.is_full(Lane::Small) && link.requests.has_pull_room(0))
    }

    /// Begins the transfer of `known`: a pull where a delta may do, else a descent.
    fn begin(&mut self, owner: &MemberId, known: &Head, pulls: &mut Pulls) {
        if let Some(until) = self.replicas.pause(&self.cx, owner) {
            self.replicas.put_off(owner, until);
            return;
        }
        let Some(from) = self.source(owner, known) else {
            // Nobody who is linked has it: the rounds will tell of it again.
            self.replicas.forget(owner);
            return;
        };
        let slow = self.links[&from].requests.credit().is_too_slow_for(known.bytes);
        let state = &self.replicas[owner];
        let since = state.timestamp();
        let back = since >= known.timestamp;
        let large = since == Timestamp::ZERO && known.bytes > DELTA_BYTES_MAX as u64;
        let resumed = state.whole().is_none() && state.building().is_some();
        if back || large || resumed || slow {
            self.descend(from, known);
            return;
        }
        let bytes = known.bytes.min(DELTA_BYTES_MAX as u64);
        let link = self.links.get_mut(&from).expect("a source is linked");
        if link.is_full(Lane::Small) || !link.requests.has_pull_room(bytes) {
            return;
        }
        link.requests.begin_pull(*owner, bytes);
        self.note_pulled(from, owner);
        pulls.entry(from).or_default().push(Want { owner: *owner, since });
        let deadline = self.cx.now.time.after(self.cx.config.request_micros);
        self.replicas.begin_transfer(owner, Transfer::Pull { from, since, deadline });
    }

    /// A linked peer that holds `head` or a later one of `owner`: the one that has least to answer, so that a
    /// member that lacks much gets it from all its neighbours at once; among equals the one that told of it,
    /// else one by lot.
    pub(super) fn source(&mut self, owner: &MemberId, head: &Head) -> Option<MemberId> {
        let roster = *owner == self.cx.config.mesh.authority();
        let state = self.replicas.get(owner);
        let (told, doubted) = (state.and_then(Owner::fetch_from), state.and_then(Owner::doubted));
        let has = |(peer, link): &(&MemberId, &Link<Snapshot<S>>)| {
            let speaks = link.is_up() || roster && link.hello().is_some();
            let there = link.position(owner).is_some_and(|position| position >= head.timestamp);
            speaks && there && !self.links.is_penalized(peer, self.cx.time())
        };
        let rank = |(peer, link): (&MemberId, &Link<Snapshot<S>>)| {
            (doubted == Some(*peer), link.requests.bytes_expected(), told != Some(*peer))
        };
        let best = self.links.iter().filter(has).map(rank).min()?;
        let best = self.links.iter().filter(has).filter(|link| rank(*link) == best).map(|(peer, _)| *peer);
        let best: Vec<MemberId> = best.collect();
        let lot = if best.len() > 1 { self.cx.rng.next() % best.len() as u64 } else { 0 };
        Some(best[lot as usize])
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
        // Whoever did not answer is asked again only when it tells of the head again.
        self.links.set_position(&from, owner, None);
    }

    /// Forgets the transfer of an owner; what a hidden copy has stays.
    pub(super) fn cancel_transfer(&mut self, owner: &MemberId) {
        match self.replicas.end_transfer(owner) {
            Some(Transfer::Pull { from, .. }) => {
                self.links.get_mut(&from).map(|link| link.requests.end_pull(owner));
            }
            Some(Transfer::Descent(_)) => self.links.drop_requests(owner),
            None => {}
        }
    }

    /// Begins to compare the index with `from`, which holds `target`.
    pub(super) fn descend(&mut self, from: MemberId, target: &Head) {
        let Some(state) = self.replicas.get(&target.owner) else { return };
        if matches!(state.transfer(), Some(Transfer::Descent(_))) {
            return;
        }
        let descent = Descent::new(from, *target, state.timestamp());
        self.replicas.begin_transfer(&target.owner, Transfer::Descent(Box::new(descent)));
        self.cx.stats.descents += 1;
    }
}
