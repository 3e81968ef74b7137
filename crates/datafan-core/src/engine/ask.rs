//! Asking for what is wanted, one transfer per owner at a time.

use super::{
    Engine, Snapshot,
    descent::Descent,
    links::Link,
    owners::{Owner, Transfer},
    wanted::Stage,
};
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
        for owner in self.wanted.compared() {
            self.go_on(&owner)?;
        }
        while let Some(owner) = self.wanted.overdue(self.cx.now.time) {
            self.give_up_pull(&owner);
        }
        self.begin_known()
    }

    /// Begins the transfers of what is known and due, as many as the links take.
    fn begin_known(&mut self) -> Result<(), StoreError> {
        let mut pulls = Pulls::new();
        let (mut last, mut passed_over) = (None, 0);
        while let Some((at, owner)) = self.wanted.known_after(last, self.cx.now.time) {
            last = Some((at, owner));
            let Some(known) = self.owners[&owner].busy().known else { unreachable!("listed as known") };
            if !self.is_wanted(&known) {
                self.forget(&owner);
                continue;
            }
            self.begin(&owner, &known, &mut pulls);
            match &self.owners[&owner].busy().transfer {
                Some(Transfer::Descent(_)) => self.go_on(&owner)?,
                Some(Transfer::Pull { .. }) => {}
                // Those that wait for their time are not in the way of anybody.
                None => {
                    let busy = self.owners[&owner].busy();
                    passed_over += usize::from(busy.known.is_some() && busy.fetch_at <= self.cx.now.time);
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

    /// Lists an owner by what it waits for; after each change of what it is busy with.
    pub(super) fn note_due(&mut self, owner: &MemberId) {
        let Some(state) = self.owners.get_mut(owner) else { return };
        let (listed, due) = (state.busy().listed, Stage::of(state.busy()));
        if listed != due {
            self.wanted.list(owner, listed, due);
            state.busy_mut().listed = due;
        }
        state.tidy();
    }

    /// Forgets what is known of an owner and not held.
    pub(super) fn forget(&mut self, owner: &MemberId) {
        self.owners.get_mut(owner).map(Owner::forget);
        self.note_due(owner);
    }

    /// Begins the transfer of `known`: a pull where a delta may do, else a descent.
    fn begin(&mut self, owner: &MemberId, known: &Head, pulls: &mut Pulls) {
        if let Some(until) = self.pause(owner) {
            self.owners.entry(owner).busy_mut().fetch_at = until;
            self.note_due(owner);
            return;
        }
        let Some(from) = self.source(owner, known) else {
            // Nobody who is linked has it: the rounds will tell of it again.
            self.forget(owner);
            return;
        };
        let slow = self.links[&from].requests.credit().is_too_slow_for(known.bytes);
        let state = &self.owners[owner];
        let since = state.timestamp();
        let back = since >= known.timestamp;
        let large = since == Timestamp::ZERO && known.bytes > DELTA_BYTES_MAX as u64;
        let resumed = state.whole().is_none() && state.busy().building.is_some();
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
        if let Some(state) = self.owners.get_mut(owner) {
            state.busy_mut().transfer = Some(Transfer::Pull { from, since, deadline });
        }
        self.note_due(owner);
    }

    /// A linked peer that holds `head` or a later one of `owner`: the one that has least to answer, so that a member that lacks
    /// much gets it from all its neighbours at once; among equals the one that told of it, else one by lot.
    pub(super) fn source(&mut self, owner: &MemberId, head: &Head) -> Option<MemberId> {
        let roster = *owner == self.cx.config.mesh.authority();
        let busy = self.owners.get(owner).map(Owner::busy);
        let (told, doubted) = busy.map_or((None, None), |busy| (busy.fetch_from, busy.doubted));
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
        let Some(Transfer::Pull { from, since, .. }) = self.owners[owner].busy().transfer else {
            unreachable!("listed as pulled")
        };
        self.cx.stats.refuse("late_answer");
        self.cancel_transfer(owner);
        let now = self.cx.now.time;
        if let Some(link) = self.links.get_mut(&from) {
            link.requests.give_up_pull(*owner, since, now);
        }
        // Whoever did not answer is asked again only when it tells of the head again.
        self.set_position(from, owner, None);
    }

    /// Forgets the transfer of an owner; what a hidden copy has stays.
    pub(super) fn cancel_transfer(&mut self, owner: &MemberId) {
        let Some(state) = self.owners.get_mut(owner).filter(|state| state.busy().transfer.is_some()) else {
            return;
        };
        match state.busy_mut().transfer.take() {
            Some(Transfer::Pull { from, .. }) => {
                self.links.get_mut(&from).map(|link| link.requests.end_pull(owner));
            }
            Some(Transfer::Descent(_)) => self.drop_requests(owner),
            None => {}
        }
        self.note_due(owner);
    }

    /// Waits for no answer about an owner any more.
    pub(super) fn drop_requests(&mut self, owner: &MemberId) {
        for link in self.links.values_mut() {
            link.requests.drop_about(owner, |_| false);
        }
    }

    /// What was under way with a peer that is gone is asked of others.
    pub(super) fn release_transfers(&mut self, peer: &MemberId) {
        for owner in self.wanted.under_way() {
            let Some(state) = self.owners.get_mut(&owner) else { continue };
            let transfer = &mut state.busy_mut().transfer;
            match transfer {
                Some(Transfer::Pull { from, .. }) if from == peer => *transfer = None,
                Some(Transfer::Descent(descent)) => descent.leave(peer),
                Some(Transfer::Pull { .. }) | None => {}
            }
            self.note_due(&owner);
        }
    }

    /// Begins to compare the index with `from`, which holds `target`.
    pub(super) fn descend(&mut self, from: MemberId, target: &Head) {
        let Some(state) = self.owners.get_mut(&target.owner) else { return };
        if matches!(state.busy().transfer, Some(Transfer::Descent(_))) {
            return;
        }
        let held = state.timestamp();
        state.busy_mut().transfer = Some(Transfer::Descent(Box::new(Descent::new(from, *target, held))));
        self.note_due(&target.owner);
        self.cx.stats.descents += 1;
    }
}
