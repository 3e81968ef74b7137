//! Own shards that the mesh knows better than our disk: a lost disk, an older copy of it, a second process with our key.

use super::{
    Alarm, Effect, Engine, Outbox,
    fetch::Learned,
    own::{Confirmed, encode_bounds},
};
use crate::{
    codec::{DecodeError, Reader, Writer},
    head::Head,
    id::MemberId,
    message::Hello,
    store::{Meta, Page, ShardChange, Store, StoreError, StoreSnapshot},
    time::{Time, Timestamp},
};
use alloc::{boxed::Box, vec::Vec};

/// What the mesh gave back of a member's own shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recovered {
    /// What the disk had: what came back has later timestamps.
    pub from: Timestamp,
    /// The head that came back.
    pub to: Timestamp,
    /// When: wall time.
    pub at: Timestamp,
}

impl Recovered {
    fn encode(self) -> Vec<u8> {
        let mut out = Writer::new();
        out.fixed(self.from.0).fixed(self.to.0).fixed(self.at.0);
        out.finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let mut timestamp = || Ok(Timestamp(input.fixed()?));
        let recovered = Self { from: timestamp()?, to: timestamp()?, at: timestamp()? };
        input.end()?;
        Ok(recovered)
    }
}

impl<S: Store> Engine<S> {
    /// Compares what the peer holds of our own shards: the condition of own commits.
    pub(super) fn compare_own(&mut self, peer: MemberId, hello: &Hello, out: &mut Outbox) {
        for head in hello.yours.iter().chain(&hello.roster) {
            if self.is_own(&head.owner) {
                self.learn(peer, head, self.now.time, out);
            }
        }
        // Who has lost its disk knows nothing: the peers that are just greeting may know more than this one.
        let others_greet = self.links.values().any(|link| !link.welcomed);
        if !self.past.proven && others_greet {
            self.confirm_at = self.confirm_at.min(self.now.time.after(self.config.settle_micros));
        } else {
            self.take_own_as_confirmed();
        }
    }

    /// A link is up: what its peer holds of our own shards can be asked for.
    pub(super) fn ask_for_own(&mut self, peer: MemberId, out: &mut Outbox) {
        if self.own.values().all(|own| own.lost.is_none()) {
            return;
        }
        let hello = self.links.get(&peer).and_then(|link| link.hello.clone());
        for head in hello.iter().flat_map(|hello| hello.yours.iter().chain(&hello.roster)) {
            if self.is_own(&head.owner) {
                self.learn(peer, head, self.now.time, out);
            }
        }
    }

    /// Own shards of which nothing else is known may be written from now on.
    pub(super) fn take_own_as_confirmed(&mut self) {
        self.confirm_at = Time::NEVER;
        for own in self.own.values_mut().filter(|own| own.confirmed == Confirmed::Not) {
            own.confirmed = Confirmed::Yes;
        }
        self.note_proven();
    }

    fn note_proven(&mut self) {
        let all = self.own.values().all(|own| own.confirmed == Confirmed::Yes);
        if all && !self.past.proven {
            self.past.proven = true;
            self.note_past();
        }
    }

    /// A head of an own shard, seen at a peer. A later one than ours is pulled back, if this run has written nothing: the
    /// disk is empty, or an older copy. If it has, somebody else writes with our key, and we must not.
    pub(super) fn judge_own_head(&mut self, peer: MemberId, head: &Head, out: &mut Outbox) -> Learned {
        let ours = self.owners.get(&head.owner).and_then(|owner| owner.head().copied());
        if ours.is_some_and(|ours| ours.order() >= head.order()) {
            return Learned::Known;
        }
        let own = &self.own[&head.owner];
        if own.confirmed == Confirmed::Foreign(head.timestamp) {
            return Learned::Known;
        }
        if own.lost != Some(*head) && !self.check_signature(head) {
            self.lie(peer, "signature");
            return Learned::Refused;
        }
        let until = self.now.time.after(self.config.settle_micros);
        let own = self.own.get_mut(&head.owner).expect("an own shard");
        if own.wrote {
            own.confirmed = Confirmed::Foreign(head.timestamp);
            self.stats.refuse("foreign_own_head");
            out.now.push(Effect::Alarm(Box::new(Alarm::ForeignHead { theirs: *head, ours })));
            return Learned::Known;
        }
        if !matches!(own.confirmed, Confirmed::Recovering { .. }) {
            own.confirmed = Confirmed::Recovering { until };
            out.now.push(Effect::Alarm(Box::new(Alarm::Recovering { theirs: *head, ours })));
        }
        if own.lost.is_none_or(|lost| lost.order() < head.order()) {
            own.lost = Some(*head);
        }
        Learned::Newer
    }

    /// When an own head is fetched that a peer tells of: not before all had time to tell of a later one.
    pub(super) fn own_fetch_at(&self, owner: &MemberId) -> Time {
        match self.own.get(owner).map(|own| own.confirmed) {
            Some(Confirmed::Recovering { until }) => until,
            _ => Time(0),
        }
    }

    /// An own head came back: its timestamps count as used.
    pub(super) fn note_own_head(&mut self, head: &Head) {
        let Some(own) = self.own.get_mut(&head.owner) else { return };
        if head.timestamp > own.last && own.used(head.timestamp) {
            self.write_bounds();
        }
    }

    /// Moves the bounds of own timestamps on disk, before anything else of this call is visible.
    pub(super) fn write_bounds(&mut self) {
        let bounds = encode_bounds(self.own.iter().map(|(id, own)| (*id, own.bound)));
        self.batch.meta.insert(Meta::Bound, Some(bounds));
        self.bound_moves = true;
    }

    /// Ends the recoveries that have what was lost.
    pub(super) fn end_recoveries(&mut self, out: &mut Outbox) -> Result<(), StoreError> {
        let now = self.now.time;
        let ended: Vec<MemberId> =
            self.recovered_own().filter(|(_, until)| *until <= now).map(|(id, _)| id).collect();
        for owner in ended {
            self.flush(out)?;
            self.list_expiries(&owner)?;
            let to = self.owners[&owner].timestamp();
            let own = self.own.get_mut(&owner).expect("an own shard");
            (own.confirmed, own.lost) = (Confirmed::Yes, None);
            let recovered = Recovered { from: own.before, to, at: self.now.wall };
            if owner == self.me {
                self.recovered = Some(recovered);
                self.batch.meta.insert(Meta::Recovered, Some(recovered.encode()));
            }
            self.note_proven();
            out.now.push(Effect::Alarm(Box::new(Alarm::Recovered { owner, recovered })));
        }
        Ok(())
    }

    /// Own shards that have what was lost, and until when they wait for more.
    fn recovered_own(&self) -> impl Iterator<Item = (MemberId, Time)> {
        self.own.iter().filter_map(|(owner, own)| {
            let (Confirmed::Recovering { until }, Some(lost)) = (own.confirmed, own.lost) else {
                return None;
            };
            let held = self.owners.get(owner).and_then(|state| state.head())?;
            (held.order() >= lost.order()).then_some((*owner, until))
        })
    }

    /// When a recovery ends, if nothing happens.
    pub(super) fn recovery_ends_at(&self) -> Time {
        self.recovered_own().map(|(_, until)| until).min().unwrap_or(Time::NEVER)
    }

    /// Lists the expiries of an own shard anew: those who hold it for us keep no such list.
    fn list_expiries(&mut self, owner: &MemberId) -> Result<(), StoreError> {
        let Some((shard, _)) = self.owners[owner].whole() else { return Ok(()) };
        let mut change = ShardChange::default();
        let all = Page { rows: usize::MAX, bytes: usize::MAX };
        for listed in self.snapshot.expiries(shard, Timestamp::MAX, all)? {
            change.expiries.insert(listed, false);
        }
        let mut next = Some(Timestamp::ZERO);
        while let Some(first) = next {
            let (items, rest) = self.view(shard).log(first..=Timestamp::MAX, Page::rows(PAGE_ROWS))?;
            let expiring = items.iter().filter_map(|item| Some((item.expiry?, item.timestamp)));
            change.expiries.extend(expiring.map(|listed| (listed, true)));
            next = rest;
        }
        if !change.expiries.is_empty() {
            self.write(shard, change);
        }
        Ok(())
    }
}

/// Items that are looked through at once.
const PAGE_ROWS: usize = 4_096;
