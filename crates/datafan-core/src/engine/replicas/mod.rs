//! The shards of all owners: what is held of each, what is known to exist beyond that, and what is under way
//! to get it.

mod evidence;
mod fetch_queue;
mod forks;
mod invalid_owners;
pub(super) mod invalid_spans;
mod last_runs;
mod moved;
mod owners;
mod pushes;
mod rate_limit;
mod rates;
#[cfg(test)]
mod tests;

pub(super) use forks::Forks;
pub(super) use owners::{Owner, Reason, Refused, Standing, Transfer};

use super::{context::Context, group::Refusable, reconcile::Reconciliation};
use crate::{
    hash::Hash,
    head::Head,
    id::{MemberId, MeshId},
    runs::{HeldState, Run},
    store::{ShardNumber, ShardRecord},
    time::{Time, Timestamp},
    trie::{self, Branch, Node},
};
use alloc::{boxed::Box, collections::BTreeMap, sync::Arc, vec::Vec};
use core::ops::Index;
use fetch_queue::FetchQueue;
use invalid_owners::InvalidOwners;
use invalid_spans::{InvalidSpans, Span};
use last_runs::LastRuns;
use moved::Moved;
use owners::Owners;
use rate_limit::RateLimits;

/// What is held and known of all owners.
pub(super) struct Replicas {
    roster: MemberId,
    owners: Owners,
    /// Owners with something known or under way.
    queue: FetchQueue,
    /// Owners whose visible shard moved in this call.
    moved: BTreeMap<MemberId, Moved>,
    /// How fast owners are followed.
    rates: RateLimits,
    /// What proves that owners have forked.
    pub(super) forks: Forks,
    invalid_owners: InvalidOwners,
    invalid_spans: InvalidSpans,
    last_runs: LastRuns,
    next_request: u32,
}

impl Replicas {
    pub(super) fn new(mesh: MeshId) -> Self {
        Self {
            roster: mesh.authority(),
            owners: Owners::new(mesh),
            queue: FetchQueue::default(),
            moved: BTreeMap::new(),
            rates: RateLimits::default(),
            forks: Forks::default(),
            invalid_owners: InvalidOwners::default(),
            invalid_spans: InvalidSpans::default(),
            last_runs: LastRuns::default(),
            next_request: 0,
        }
    }

    /// An owner that is known.
    pub(super) fn get(&self, owner: &MemberId) -> Option<&Owner> {
        self.owners.get(owner)
    }

    /// All owners that are known.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Owner> {
        self.owners.iter()
    }

    /// The head that is held of an owner.
    pub(super) fn head(&self, owner: &MemberId) -> Option<&Head> {
        self.get(owner).and_then(Owner::head)
    }

    /// Its timestamp; 0 for none.
    pub(super) fn timestamp(&self, owner: &MemberId) -> Timestamp {
        self.get(owner).map_or(Timestamp::ZERO, Owner::timestamp)
    }

    /// The visible shard of an owner. Its record always has a head.
    pub(super) fn whole(&self, owner: &MemberId) -> Option<(ShardNumber, &Arc<ShardRecord>)> {
        self.get(owner).and_then(Owner::whole)
    }

    /// The head of the roster that is held.
    pub(super) fn roster_head(&self) -> Option<&Head> {
        self.head(&self.roster)
    }

    /// Whether it is clear at a glance that `head` is held. If it is not, it may still be.
    pub(super) fn holds_since_lately(&self, head: &Head) -> bool {
        self.owners.holds_since_lately(head)
    }

    /// The owner is known from now on.
    pub(super) fn know_owner(&mut self, owner: &MemberId) -> &Owner {
        self.owners.entry(owner)
    }

    /// Sets or removes the visible shard of an owner.
    pub(super) fn hold(&mut self, owner: &MemberId, whole: Option<(ShardNumber, Arc<ShardRecord>)>) {
        self.owners.hold(owner, whole);
        self.relist(owner);
    }

    /// Takes the store's copy of the record that is held, which the store may share with others.
    pub(super) fn share(&mut self, stored: Arc<ShardRecord>) {
        if let Some(owner) = self.owners.get_mut(&stored.owner) {
            owner.share(stored);
        }
    }

    /// What the roster says of an owner, in short.
    pub(super) fn set_standing(&mut self, owner: &MemberId, standing: Standing) {
        self.owners.entry(owner).standing = standing;
    }
}

/// What is known to exist, and what is under way.
impl Replicas {
    /// A wanted head is known, which `from` holds; it is fetched at `fetch_at`. Whether an earlier one was
    /// known before is up to the caller.
    pub(super) fn know(&mut self, head: &Head, from: MemberId, fetch_at: Time) {
        let busy = self.owners.entry(&head.owner).busy_mut();
        busy.fetch_at = if busy.known.is_some() { busy.fetch_at.min(fetch_at) } else { fetch_at };
        busy.known = Some(*head);
        busy.fetch_from = Some(from);
        self.relist(&head.owner);
    }

    /// What is known of an owner is fetched no later than at `fetch_at`, then from `from`.
    pub(super) fn hurry(&mut self, owner: &MemberId, from: MemberId, fetch_at: Time) {
        let Some(state) = self.owners.get_mut(owner) else { return };
        if fetch_at < state.busy().fetch_at {
            let busy = state.busy_mut();
            (busy.fetch_at, busy.fetch_from) = (fetch_at, Some(from));
        }
        self.relist(owner);
    }

    /// What is known of an owner is not fetched before `until`.
    pub(super) fn put_off(&mut self, owner: &MemberId, until: Time) {
        self.owners.entry(owner).busy_mut().fetch_at = until;
        self.relist(owner);
    }

    /// Forgets what is known of an owner and not held.
    pub(super) fn forget(&mut self, owner: &MemberId) {
        self.owners.get_mut(owner).map(Owner::forget);
        self.relist(owner);
    }

    /// As [`Replicas::forget`], unless it is later than `head`.
    pub(super) fn forget_up_to(&mut self, head: &Head) {
        let state = self.owners.entry(&head.owner);
        if state.busy().known.is_some_and(|known| known.order() <= head.order()) {
            state.forget();
        }
    }

    /// Remembers that a head is not wanted, with its reason: counted once, not fetched, not judged again.
    pub(super) fn refuse(&mut self, cx: &mut Context, head: &Head, reason: Reason) {
        cx.stats.reject(reason.into());
        let refused = Refused { order: head.order(), reason };
        self.owners.entry(&head.owner).busy_mut().refused = Some(refused);
    }

    /// A head's own verified content contradicts it: no relay is to blame.
    pub(super) fn refuse_invalid(&mut self, cx: &mut Context, head: &Head) {
        self.refuse(cx, head, Reason::Invalid);
        self.distrust(&head.owner);
        self.forget(&head.owner);
    }

    /// All that was refused is judged again.
    pub(super) fn forget_refused(&mut self) {
        self.owners.for_each_mut(|owner| {
            if owner.busy().refused.is_some() {
                owner.busy_mut().refused = None;
                owner.tidy();
            }
        });
    }

    /// What `peer` pushed led nowhere: it is asked only where nobody else has it.
    pub(super) fn doubt(&mut self, owner: &MemberId, peer: MemberId) {
        if let Some(state) = self.owners.get_mut(owner) {
            state.busy_mut().doubted = Some(peer);
        }
    }

    /// The hidden copy of an owner's shard.
    pub(super) fn set_building(&mut self, owner: &MemberId, shard: ShardNumber) {
        self.owners.entry(owner).busy_mut().building = Some(shard);
    }

    /// Gives up the hidden copy, if there is one.
    pub(super) fn take_building(&mut self, owner: &MemberId) -> Option<ShardNumber> {
        self.owners.get_mut(owner)?.take_building()
    }

    /// A transfer is under way; the owner is known.
    pub(super) fn begin_transfer(&mut self, owner: &MemberId, transfer: Transfer) {
        if let Some(state) = self.owners.get_mut(owner) {
            state.busy_mut().transfer = Some(transfer);
            self.relist(owner);
        }
    }

    /// The transfer of an owner is over.
    pub(super) fn end_transfer(&mut self, owner: &MemberId) -> Option<Transfer> {
        let state = self.owners.get_mut(owner).filter(|state| state.busy().transfer.is_some())?;
        let transfer = state.busy_mut().transfer.take();
        self.relist(owner);
        transfer
    }

    /// Lends the comparison of an owner, which stays listed until it is given back.
    pub(super) fn lend_reconciliation(&mut self, owner: &MemberId) -> Option<Box<Reconciliation>> {
        let state = self.owners.get_mut(owner)?;
        if !matches!(state.busy().transfer, Some(Transfer::Reconciliation(_))) {
            return None;
        }
        match state.busy_mut().transfer.take() {
            Some(Transfer::Reconciliation(reconciliation)) => Some(reconciliation),
            Some(Transfer::Pull { .. }) | None => None,
        }
    }

    /// Takes back a comparison that goes on. Whether its owner is still known.
    pub(super) fn return_reconciliation(
        &mut self,
        owner: &MemberId,
        reconciliation: Box<Reconciliation>,
    ) -> bool {
        let Some(state) = self.owners.get_mut(owner) else { return false };
        state.busy_mut().transfer = Some(Transfer::Reconciliation(reconciliation));
        self.relist(owner);
        true
    }

    /// What was under way with a peer that is gone is asked of others.
    pub(super) fn release_peer(&mut self, peer: &MemberId) {
        for owner in self.queue.under_way() {
            let Some(state) = self.owners.get_mut(&owner) else { continue };
            let transfer = &mut state.busy_mut().transfer;
            match transfer {
                Some(Transfer::Pull { from, .. }) if from == peer => *transfer = None,
                Some(Transfer::Reconciliation(reconciliation)) => reconciliation.leave(peer),
                Some(Transfer::Pull { .. }) | None => {}
            }
            self.relist(&owner);
        }
    }

    /// Lists an owner by what it waits for; after each change of what it is busy with.
    pub(super) fn relist(&mut self, owner: &MemberId) {
        let Some(state) = self.owners.get_mut(owner) else { return };
        let (listed, due) = (state.busy().listed, state.busy().due());
        if listed != due {
            self.queue.list(owner, listed, due);
            state.busy_mut().listed = due;
        }
        state.tidy();
    }

    /// Whether something is known or under way of anybody.
    pub(super) fn has_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Owners whose index is being compared.
    pub(super) fn compared(&self) -> Vec<MemberId> {
        self.queue.compared()
    }

    /// How many those are.
    pub(super) fn n_compared(&self) -> usize {
        self.queue.n_compared()
    }

    /// Owners with a transfer.
    pub(super) fn under_way(&self) -> Vec<MemberId> {
        self.queue.under_way()
    }

    /// An owner whose pull was not answered in time.
    pub(super) fn overdue(&self, now: Time) -> Option<MemberId> {
        self.queue.overdue(now)
    }

    /// The next owner after `last` of whom a head is known that is due.
    pub(super) fn known_after(&self, last: Option<(Time, MemberId)>, now: Time) -> Option<(Time, MemberId)> {
        self.queue.known_after(last, now)
    }

    /// When something is due.
    pub(super) fn wakes_at(&self, now: Time) -> Time {
        let deadline = |owner: &MemberId| match self.owners[owner].transfer() {
            Some(Transfer::Reconciliation(reconciliation)) => reconciliation.deadline(),
            Some(Transfer::Pull { .. }) | None => unreachable!("listed as compared"),
        };
        let compared = self.queue.compared().iter().map(deadline).min().unwrap_or(Time::NEVER);
        compared.min(self.queue.next(now)).min(self.rates.wakes_at())
    }

    /// A number for a new request.
    pub(super) fn new_request(&mut self) -> u32 {
        let id = self.next_request;
        self.next_request = id.wrapping_add(1);
        id
    }
}

/// What owners' shards say of them.
impl Replicas {
    /// Spans of timestamps that owners have made invalid.
    pub(super) fn invalid_spans(&self) -> &InvalidSpans {
        &self.invalid_spans
    }

    /// Which spans an owner has made invalid.
    pub(super) fn set_invalid_spans(&mut self, owner: &MemberId, spans: Vec<Span>) {
        self.invalid_spans.set(owner, spans);
    }

    /// What is held of `owner`, as far as its runs are concerned.
    pub(super) fn held_state(&self, owner: &MemberId) -> HeldState {
        HeldState { run: self.last_run(owner).map(|run| run.id), timestamp: self.timestamp(owner) }
    }

    /// The timestamp of the next own write after `last`.
    pub(super) fn next_own(&self, cx: &Context, owner: &MemberId, last: Timestamp) -> Timestamp {
        let next = last.next().expect("the clock is bounded, so time does not end");
        self.invalid_spans().next(owner, next.max(cx.now.wall))
    }

    /// Why `n` more own writes after `last`, at least one, might not all lie within the clock's bound.
    pub(super) fn check_bound(
        &self,
        cx: &Context,
        owner: &MemberId,
        last: Timestamp,
        n: u64,
    ) -> Refusable<()> {
        let before = Timestamp(cx.now.wall.0.saturating_sub(1));
        cx.check_within(self.invalid_spans().reach(owner, last.max(before), n))
    }

    /// Whether a roster is being looked through for entries that ours lacks.
    pub(super) fn looks_through_roster(&self) -> bool {
        let transfer = self.get(&self.roster).and_then(|owner| owner.transfer());
        matches!(transfer, Some(Transfer::Reconciliation(reconciliation)) if reconciliation.is_of_divergent())
    }

    /// The last run that the held shard of an owner names.
    pub(super) fn last_run(&self, owner: &MemberId) -> Option<Run> {
        self.last_runs.of(owner)
    }

    /// What the shard of an owner names by now, as far as is known.
    pub(super) fn set_last_run(&mut self, owner: &MemberId, last: Option<Run>) {
        self.last_runs.set(owner, last);
    }
}

/// The trie of heads.
impl Replicas {
    /// Its root.
    pub(super) fn root(&mut self) -> Hash {
        self.owners.root()
    }

    /// Its root, where it is known without computing.
    pub(super) fn known_root(&self) -> Option<Hash> {
        self.owners.known_root()
    }

    /// The topmost branch in a slot.
    pub(super) fn at_slot(&mut self, slot: trie::Place) -> Option<Branch> {
        self.owners.at_slot(slot)
    }

    /// The node of a branch; `None` for a head.
    pub(super) fn node_of(&mut self, branch: &Branch) -> Option<Node> {
        self.owners.node_of(branch)
    }

    /// The head that a branch is.
    pub(super) fn head_at(&self, branch: &Branch) -> Option<&Head> {
        self.owners.head_at(branch)
    }
}

impl Index<&MemberId> for Replicas {
    type Output = Owner;

    fn index(&self, owner: &MemberId) -> &Owner {
        self.get(owner).expect("a known owner")
    }
}
