//! The shards that this member owns: used timestamps, whether they may be written, the run of this process,
//! and waiting changes.

mod bounds;
mod contest;
mod contested;
mod lost_heads;
mod pauses;
mod recent_heads;
mod run;
mod shard;
#[cfg(test)]
mod tests;

pub(super) use contest::{Claims, Contest, Verdict};
pub(super) use run::OwnRun;
pub(super) use shard::{Confirmed, OwnShard};

use super::{context::Context, disk::Disk, effect::Ticket, input::OwnChange, replicas::Replicas};
use crate::{
    connector::Address,
    head::Head,
    history::History,
    id::MemberId,
    recovered::Recovered,
    store::{Meta, Store, StoreError},
    time::{Time, Timestamp},
};
use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};
use core::ops::Index;

/// The own shards: the member's, and the roster if this member has the authority's key.
pub(super) struct OwnShards {
    me: MemberId,
    shards: BTreeMap<MemberId, OwnShard>,
    history: History,
    /// When own shards count as confirmed without a peer. Never after they are confirmed, and never for a
    /// store that was not confirmed before.
    confirm_at: Time,
    /// The runs of this process.
    pub(super) run: OwnRun,
    /// The claims that this process signed.
    pub(super) claims: Claims,
    /// The last recovery from the mesh.
    recovered: Option<Recovered>,
    /// A new head must replace what others hold of the own shard, even if nothing changes in it.
    outranks: bool,
    /// States of the own shard up to this timestamp were given up.
    abandoned: Timestamp,
    /// Changes that wait for their commit.
    waiting: VecDeque<(Ticket, OwnChange)>,
    /// Our addresses; `publishes` is whether they still have to be written.
    addresses: Vec<Address>,
    publishes: bool,
    /// Own items may have expired: a round began since the last check.
    looks_for_expired: bool,
}

impl OwnShards {
    pub(super) fn new(me: MemberId, run: OwnRun) -> Self {
        Self {
            me,
            shards: BTreeMap::new(),
            history: History::default(),
            confirm_at: Time::NEVER,
            run,
            claims: Claims::default(),
            recovered: None,
            outranks: false,
            abandoned: Timestamp::ZERO,
            waiting: VecDeque::new(),
            addresses: Vec::new(),
            publishes: false,
            looks_for_expired: true,
        }
    }

    /// Loads the history and the last recovery.
    pub(super) fn load<S: Store>(&mut self, cx: &Context, disk: &mut Disk<S>) -> Result<(), StoreError> {
        self.history = disk.meta(Meta::History, "history", History::decode)?.unwrap_or_default();
        self.recovered = disk.meta(Meta::Recovered, "recovery", Recovered::decode)?;
        self.history.confirmed |= cx.config.new_mesh;
        self.write_history(disk);
        Ok(())
    }

    /// Loads the used timestamps of own shards, whose heads are at `held`, and decides when the shards may be
    /// written.
    pub(super) fn load_shards<S: Store>(
        &mut self,
        cx: &Context,
        disk: &Disk<S>,
        mut held: impl FnMut(&MemberId) -> Timestamp,
    ) -> Result<(), StoreError> {
        let bounds = disk.meta(Meta::Bound, "bounds", bounds::decode)?.unwrap_or_default();
        let mut paused = disk.meta(Meta::Runs, "runs", pauses::decode_all)?.unwrap_or_default();
        self.confirm_at = match self.history {
            _ if cx.config.abandon => cx.time(),
            History { confirmed: true, announced: false } => cx.time(),
            History { confirmed: true, announced: true } => cx.time().after(cx.config.confirm_micros),
            History { confirmed: false, .. } => Time::NEVER,
        };
        let identities = [Some(cx.config.member.clone()), cx.config.authority.clone()];
        for identity in identities.into_iter().flatten() {
            let id = identity.id();
            let bound = bounds.get(&id).copied().unwrap_or_default();
            let pauses = paused.remove(&id).unwrap_or_default();
            self.shards.insert(id, OwnShard::new(identity, held(&id), bound, pauses));
        }
        Ok(())
    }

    /// Continues the process of `before`, with its claims. New writes belong to another run.
    pub(super) fn continue_process(&mut self, before: Self) {
        self.run.continue_process(&before.run);
        self.claims = before.claims;
    }

    /// An own shard.
    pub(super) fn get(&self, owner: &MemberId) -> Option<&OwnShard> {
        self.shards.get(owner)
    }

    /// The member's own shard, as opposed to the roster.
    pub(super) fn member(&self) -> &OwnShard {
        &self.shards[&self.me]
    }

    pub(super) fn has(&self, owner: &MemberId) -> bool {
        self.shards.contains_key(owner)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&MemberId, &OwnShard)> {
        self.shards.iter()
    }

    fn shard_mut(&mut self, owner: &MemberId) -> &mut OwnShard {
        self.shards.get_mut(owner).expect("an own shard")
    }

    /// When own shards count as confirmed if no peer confirms them before.
    pub(super) fn confirm_at(&self) -> Time {
        self.confirm_at
    }

    /// Whether the store was ever confirmed: it is a founder's, or a peer confirmed it.
    pub(super) fn is_confirmed(&self) -> bool {
        self.history.confirmed
    }

    /// A peer was compared, but others may hold more: they have until `at` to announce it.
    pub(super) fn confirm_soon(&mut self, at: Time) {
        self.confirm_at = self.confirm_at.min(at);
    }

    /// Confirms own shards of which no later head is known.
    pub(super) fn confirm_all<S: Store>(&mut self, disk: &mut Disk<S>) {
        self.confirm_at = Time::NEVER;
        for own in self.shards.values_mut().filter(|own| own.confirmed == Confirmed::Not) {
            own.confirmed = Confirmed::Yes;
        }
        self.confirm(disk);
    }

    fn confirm<S: Store>(&mut self, disk: &mut Disk<S>) {
        let all = self.shards.values().all(|own| own.confirmed == Confirmed::Yes);
        if all && !self.history.confirmed {
            self.history.confirmed = true;
            self.write_history(disk);
        }
    }

    /// A peer is linked, so others may know our heads from now on. Returns whether this is new and must be on
    /// disk before the peer learns of any head.
    pub(super) fn on_first_link<S: Store>(&mut self, disk: &mut Disk<S>) -> bool {
        let is_first = !self.history.announced;
        if is_first {
            self.history.announced = true;
            self.write_history(disk);
        }
        is_first
    }

    fn write_history<S: Store>(&self, disk: &mut Disk<S>) {
        disk.set_meta(Meta::History, Some(self.history.encode()));
    }

    /// Writes the bounds of own timestamps, which makes this call's batch durable before it is visible.
    pub(super) fn write_bounds<S: Store>(&self, disk: &mut Disk<S>) {
        disk.set_bounds(bounds::encode(self.shards.iter().map(|(id, own)| (*id, own.bound))));
    }

    /// The last own timestamps used, which are the bounds after a clean stop.
    pub(super) fn encode_last(&self) -> Vec<u8> {
        bounds::encode(self.shards.iter().map(|(id, own)| (*id, own.last)))
    }

    fn write_pauses<S: Store>(&self, disk: &mut Disk<S>) {
        let pauses = pauses::encode_all(self.shards.iter().map(|(id, own)| (*id, &own.pauses)));
        disk.set_meta(Meta::Runs, Some(pauses));
    }

    /// Signs the head of a commit and marks its timestamp as used.
    pub(super) fn sign<S: Store>(&mut self, head: Head, cx: &Context, disk: &mut Disk<S>) -> Head {
        let own = self.shard_mut(&head.owner);
        let last = head.timestamp;
        let first = own.last.next().map_or(last, |next| next.max(cx.now.wall)).min(last);
        let remembers = own.pauses.record(own.last, first);
        let moved = own.used(last);
        let signed = head.signed(&cx.config.mesh, &own.identity);
        own.made.add(&signed);
        if remembers {
            self.write_pauses(disk);
        }
        if moved {
            self.write_bounds(disk);
        }
        signed
    }

    /// Signs the head of a restamped shard, which is earlier than timestamps used before. No timestamp in
    /// `pause` was used.
    pub(super) fn sign_earlier<S: Store>(
        &mut self,
        head: Head,
        pause: Option<(Timestamp, Timestamp)>,
        cx: &Context,
        disk: &mut Disk<S>,
    ) -> Head {
        let own = self.shard_mut(&head.owner);
        let signed = head.signed(&cx.config.mesh, &own.identity);
        own.rewind_to(&signed);
        if let Some((after, first)) = pause {
            own.pauses.record(after, first);
        }
        self.write_pauses(disk);
        self.write_bounds(disk);
        signed
    }

    /// Marks the timestamps up to an own head as used.
    pub(super) fn on_own_head<S: Store>(&mut self, head: &Head, disk: &mut Disk<S>) {
        self.use_up_to(&head.owner, head.timestamp, disk);
    }

    /// Whether the held own shard lists the current run.
    pub(super) fn is_run_named(&self, replicas: &Replicas, owner: &MemberId) -> bool {
        replicas.last_run(owner).is_some_and(|last| last.id == self.run.current())
    }

    /// Marks own timestamps up to `last` as used. Does nothing if `owner` is not ours.
    pub(super) fn use_up_to<S: Store>(&mut self, owner: &MemberId, last: Timestamp, disk: &mut Disk<S>) {
        let Some(own) = self.shards.get_mut(owner) else { return };
        if last > own.last && own.used(last) {
            self.write_bounds(disk);
        }
    }

    /// The timestamp after which a waiting restamp of `owner` continues; `bound` if it did not wait yet.
    pub(super) fn restamps_after(&mut self, owner: &MemberId, bound: Timestamp) -> Timestamp {
        *self.shard_mut(owner).restamps_after.get_or_insert(bound)
    }

    /// Records that a peer's roster is examined for entries that ours lacks.
    pub(super) fn set_examined(&mut self, head: &Head) {
        self.shard_mut(&head.owner).looked_at = Some(head.order());
    }

    /// `peer` has a new link and holds the heads in `held` of our own shards.
    pub(super) fn on_hello<'a>(&mut self, peer: &MemberId, held: impl Fn(&MemberId) -> Option<&'a Head>) {
        for (owner, own) in &mut self.shards {
            own.lost.replace(peer, held(owner));
        }
    }

    /// The link to `peer` went down.
    pub(super) fn on_link_down(&mut self, peer: &MemberId, now: Time) {
        self.shards.values_mut().for_each(|own| own.lost.on_down(peer, now));
    }

    /// A peer holds a later head than ours, which is recovered after `until`. Returns whether a recovery
    /// begins.
    pub(super) fn begin_recovery(&mut self, peer: MemberId, head: &Head, until: Time) -> bool {
        let own = self.shard_mut(&head.owner);
        let is_new = !matches!(own.confirmed, Confirmed::Recovering { .. });
        if is_new {
            own.confirmed = Confirmed::Recovering { until };
        }
        own.lost.record(peer, head);
        is_new
    }

    /// Whether the owner is this member or its authority is being recovered.
    pub(super) fn is_recovering(&self) -> bool {
        self.iter().any(|(_, own)| matches!(own.confirmed(), Confirmed::Recovering { .. }))
    }

    /// Moves the earliest end of the recovery of the member's own shard to `until`, if that is sooner.
    /// Returns whether there is a recovery.
    pub(super) fn shorten_recovery_wait(&mut self, until: Time) -> bool {
        let own = self.shard_mut(&self.me.clone());
        let Confirmed::Recovering { until: before } = own.confirmed else { return false };
        own.confirmed = Confirmed::Recovering { until: before.min(until) };
        true
    }

    /// Ends a recovery: the shard may be written. Returns the greatest head that any peer held.
    pub(super) fn end_recovery(&mut self, owner: &MemberId) -> Option<Head> {
        let own = self.shard_mut(owner);
        own.confirmed = Confirmed::Yes;
        core::mem::take(&mut own.lost).greatest()
    }

    /// Records a recovery of the member's own shard.
    pub(super) fn set_recovered<S: Store>(&mut self, recovered: Recovered, disk: &mut Disk<S>) {
        self.recovered = Some(recovered);
        disk.set_meta(Meta::Recovered, Some(recovered.encode()));
    }

    /// The last recovery of the member's own shard.
    pub(super) fn recovered(&self) -> Option<Recovered> {
        self.recovered
    }

    /// Marks the store as confirmed if all own shards are.
    pub(super) fn confirm_recovered<S: Store>(&mut self, disk: &mut Disk<S>) {
        self.confirm(disk);
    }

    /// Another process writes with our key: turns own writes off permanently.
    pub(super) fn stop<S: Store>(&mut self, theirs: &Head, disk: &mut Disk<S>) {
        self.shard_mut(&theirs.owner).confirmed = Confirmed::Foreign(theirs.timestamp);
        // On disk at once, because the driver stops the process on this alarm.
        self.write_bounds(disk);
    }

    /// Whether the member's own writes were turned off in favour of another process.
    pub(super) fn is_stopped(&self) -> bool {
        matches!(self.member().confirmed, Confirmed::Foreign(_))
    }

    /// Requests a head that replaces what others hold up to `given_up`, even if nothing changes.
    pub(super) fn outrank(&mut self, given_up: Timestamp) {
        self.abandoned = self.abandoned.max(given_up);
        self.outranks = true;
    }

    /// Takes the request for a head that replaces what others hold.
    pub(super) fn take_outranks(&mut self) -> bool {
        core::mem::take(&mut self.outranks)
    }

    /// Takes the timestamp up to which states were given up.
    pub(super) fn take_abandoned(&mut self) -> Timestamp {
        core::mem::take(&mut self.abandoned)
    }
}

/// Waiting changes and system items.
impl OwnShards {
    /// Queues a change for its commit.
    pub(super) fn push_waiting(&mut self, ticket: Ticket, change: OwnChange) {
        self.waiting.push_back((ticket, change));
    }

    /// Whether changes wait for their commit.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes all waiting changes, in order.
    pub(super) fn take_waiting(&mut self) -> VecDeque<(Ticket, OwnChange)> {
        core::mem::take(&mut self.waiting)
    }

    /// Puts back changes that have to wait longer, before newer ones.
    pub(super) fn put_back_waiting(&mut self, mut waiting: VecDeque<(Ticket, OwnChange)>) {
        waiting.append(&mut self.waiting);
        self.waiting = waiting;
    }

    /// The addresses that this member publishes.
    pub(super) fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Sets the addresses of this member, to be written.
    pub(super) fn publish(&mut self, addresses: Vec<Address>) {
        self.addresses = addresses;
        self.publishes = true;
    }

    /// Marks the addresses to be written again, if there are any.
    pub(super) fn publish_again(&mut self) {
        self.publishes |= !self.addresses.is_empty();
    }

    /// A round began: own items may have expired.
    pub(super) fn on_round(&mut self) {
        self.looks_for_expired = true;
    }

    /// Whether there may be system items or expirations to write.
    pub(super) fn is_system_due(&self) -> bool {
        self.publishes || self.looks_for_expired || self.outranks
    }

    /// Begins a check for expired items. Returns whether the addresses have to be written, and marks them as
    /// written.
    pub(super) fn begin_system(&mut self) -> bool {
        self.looks_for_expired = false;
        core::mem::take(&mut self.publishes)
    }

    /// The writes of [`OwnShards::begin_system`] were not possible; the next round tries again.
    pub(super) fn postpone_system(&mut self, publishes: bool) {
        (self.looks_for_expired, self.publishes) = (true, publishes);
    }
}

impl Index<&MemberId> for OwnShards {
    type Output = OwnShard;

    fn index(&self, owner: &MemberId) -> &OwnShard {
        self.get(owner).expect("an own shard")
    }
}
