//! The shards of all owners: the held state of each, known later heads, and transfers under way.

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

use super::{context::Context, not_writable::NotWritable, reconcile::Reconciliation};
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

/// The held shards and known heads of all owners.
pub(super) struct Replicas {
    roster: MemberId,
    owners: Owners,
    /// The fetch queue: owners with a known head or a transfer.
    queue: FetchQueue,
    /// Owners whose visible shard moved in this call.
    moved: BTreeMap<MemberId, Moved>,
    /// The rate limits of owners.
    rates: RateLimits,
    /// The evidence of forks.
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

    /// The held head of an owner.
    pub(super) fn head(&self, owner: &MemberId) -> Option<&Head> {
        self.get(owner).and_then(Owner::head)
    }

    /// The timestamp of the held head; 0 if there is none.
    pub(super) fn timestamp(&self, owner: &MemberId) -> Timestamp {
        self.get(owner).map_or(Timestamp::ZERO, Owner::timestamp)
    }

    /// The visible shard of an owner. Its record always has a head.
    pub(super) fn whole(&self, owner: &MemberId) -> Option<(ShardNumber, &Arc<ShardRecord>)> {
        self.get(owner).and_then(Owner::whole)
    }

    /// The head of the held roster.
    pub(super) fn roster_head(&self) -> Option<&Head> {
        self.head(&self.roster)
    }

    /// A fast check whether `head` is held. If it returns false, the head may still be held.
    pub(super) fn is_recent_head(&self, head: &Head) -> bool {
        self.owners.is_recent_head(head)
    }

    /// The owner, which is known from now on.
    pub(super) fn get_or_insert(&mut self, owner: &MemberId) -> &Owner {
        self.owners.entry(owner)
    }

    /// Sets or removes the visible shard of an owner.
    pub(super) fn hold(&mut self, owner: &MemberId, whole: Option<(ShardNumber, Arc<ShardRecord>)>) {
        self.owners.hold(owner, whole);
        self.relist(owner);
    }

    /// Replaces the held record by the store's equal copy, to share memory.
    pub(super) fn share(&mut self, stored: Arc<ShardRecord>) {
        if let Some(owner) = self.owners.get_mut(&stored.owner) {
            owner.share(stored);
        }
    }

    /// Sets the standing of an owner in the roster.
    pub(super) fn set_standing(&mut self, owner: &MemberId, standing: Standing) {
        self.owners.entry(owner).standing = standing;
    }
}

/// Known heads and transfers.
impl Replicas {
    /// Queues a newer head, which `from` holds, to be fetched at `fetch_at`. The caller checks that it is
    /// later than a known one.
    pub(super) fn queue_head(&mut self, head: &Head, from: MemberId, fetch_at: Time) {
        let busy = self.owners.entry(&head.owner).busy_mut();
        busy.fetch_at = if busy.known.is_some() { busy.fetch_at.min(fetch_at) } else { fetch_at };
        busy.known = Some(*head);
        busy.fetch_from = Some(from);
        self.relist(&head.owner);
    }

    /// Fetches the known head of an owner at `fetch_at` from `from`, if that is earlier.
    pub(super) fn fetch_earlier(&mut self, owner: &MemberId, from: MemberId, fetch_at: Time) {
        let Some(state) = self.owners.get_mut(owner) else { return };
        if fetch_at < state.busy().fetch_at {
            let busy = state.busy_mut();
            (busy.fetch_at, busy.fetch_from) = (fetch_at, Some(from));
        }
        self.relist(owner);
    }

    /// Delays the fetch of the known head until `until`.
    pub(super) fn delay_fetch(&mut self, owner: &MemberId, until: Time) {
        self.owners.entry(owner).busy_mut().fetch_at = until;
        self.relist(owner);
    }

    /// Forgets the known head of an owner.
    pub(super) fn forget(&mut self, owner: &MemberId) {
        self.owners.get_mut(owner).map(Owner::forget);
        self.relist(owner);
    }

    /// Like [`Replicas::forget`], unless the known head is later than `head`.
    pub(super) fn forget_up_to(&mut self, head: &Head) {
        let state = self.owners.entry(&head.owner);
        if state.busy().known.is_some_and(|known| known.order() <= head.order()) {
            state.forget();
        }
    }

    /// Records that a head is refused, with its reason. It is counted once, and neither fetched nor judged
    /// again.
    pub(super) fn refuse(&mut self, cx: &mut Context, head: &Head, reason: Reason) {
        cx.stats.reject(reason.into());
        let refused = Refused { order: head.order(), reason };
        self.owners.entry(&head.owner).busy_mut().refused = Some(refused);
    }

    /// Refuses a head that contradicts its own verified content. No relay can have caused this.
    pub(super) fn refuse_invalid(&mut self, cx: &mut Context, head: &Head) {
        self.refuse(cx, head, Reason::Invalid);
        self.mark_invalid(&head.owner);
        self.forget(&head.owner);
    }

    /// Forgets all refusals, so that heads are judged again.
    pub(super) fn forget_refused(&mut self) {
        self.owners.for_each_mut(|owner| {
            if owner.busy().refused.is_some() {
                owner.busy_mut().refused = None;
                owner.tidy();
            }
        });
    }

    /// A push of `peer` did not apply, so `peer` is asked only if no other peer has the head.
    pub(super) fn deprioritize(&mut self, owner: &MemberId, peer: MemberId) {
        if let Some(state) = self.owners.get_mut(owner) {
            state.busy_mut().doubted = Some(peer);
        }
    }

    /// Sets the hidden copy of an owner's shard.
    pub(super) fn set_building(&mut self, owner: &MemberId, shard: ShardNumber) {
        self.owners.entry(owner).busy_mut().building = Some(shard);
    }

    /// Takes the hidden copy, if there is one.
    pub(super) fn take_building(&mut self, owner: &MemberId) -> Option<ShardNumber> {
        self.owners.get_mut(owner)?.take_building()
    }

    /// Records a transfer of the owner is known.
    pub(super) fn begin_transfer(&mut self, owner: &MemberId, transfer: Transfer) {
        if let Some(state) = self.owners.get_mut(owner) {
            state.busy_mut().transfer = Some(transfer);
            self.relist(owner);
        }
    }

    /// Takes the transfer of an owner, which is over.
    pub(super) fn end_transfer(&mut self, owner: &MemberId) -> Option<Transfer> {
        let state = self.owners.get_mut(owner).filter(|state| state.busy().transfer.is_some())?;
        let transfer = state.busy_mut().transfer.take();
        self.relist(owner);
        transfer
    }

    /// Lends the reconciliation of an owner, which stays listed until it is returned.
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

    /// Takes back a lent reconciliation that continues. Returns whether its owner is still known.
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

    /// Ends pulls from a peer that is gone, and moves its requests to other peers.
    pub(super) fn release_peer(&mut self, peer: &MemberId) {
        for owner in self.queue.under_way() {
            let Some(state) = self.owners.get_mut(&owner) else { continue };
            let transfer = &mut state.busy_mut().transfer;
            match transfer {
                Some(Transfer::Pull { from, .. }) if from == peer => *transfer = None,
                Some(Transfer::Reconciliation(reconciliation)) => reconciliation.drop_peer(peer),
                Some(Transfer::Pull { .. }) | None => {}
            }
            self.relist(&owner);
        }
    }

    /// Updates the place of an owner in the fetch queue. Call this after each change of its transfer or known
    /// head.
    pub(super) fn relist(&mut self, owner: &MemberId) {
        let Some(state) = self.owners.get_mut(owner) else { return };
        let (listed, due) = (state.busy().listed, state.busy().due());
        if listed != due {
            self.queue.list(owner, listed, due);
            state.busy_mut().listed = due;
        }
        state.tidy();
    }

    /// Whether the fetch queue has entries.
    pub(super) fn has_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Owners that are being reconciled.
    pub(super) fn compared(&self) -> Vec<MemberId> {
        self.queue.compared()
    }

    /// Number of owners that are being reconciled.
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

    /// The next owner after `last` whose known head is due.
    pub(super) fn known_after(&self, last: Option<(Time, MemberId)>, now: Time) -> Option<(Time, MemberId)> {
        self.queue.known_after(last, now)
    }

    /// When the next fetch, answer or rate limit interval is due.
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

/// What the engine learns from owners' system items.
impl Replicas {
    /// Spans of timestamps that owners have made invalid.
    pub(super) fn invalid_spans(&self) -> &InvalidSpans {
        &self.invalid_spans
    }

    /// Sets the spans that an owner has made invalid.
    pub(super) fn set_invalid_spans(&mut self, owner: &MemberId, spans: Vec<Span>) {
        self.invalid_spans.set(owner, spans);
    }

    /// The held state of `owner`, for comparison with run histories.
    pub(super) fn held_state(&self, owner: &MemberId) -> HeldState {
        HeldState { run: self.last_run(owner).map(|run| run.id), timestamp: self.timestamp(owner) }
    }

    /// The timestamp of the next own write after `last`.
    pub(super) fn next_own(&self, cx: &Context, owner: &MemberId, last: Timestamp) -> Timestamp {
        let next = last.next().expect("the bound of the clock keeps timestamps far below the maximum");
        self.invalid_spans().next(owner, next.max(cx.now.wall))
    }

    /// Checks that `n` (at least one) more own writes after `last` are within the bound of the clock.
    pub(super) fn check_bound(
        &self,
        cx: &Context,
        owner: &MemberId,
        last: Timestamp,
        n: u64,
    ) -> Result<(), NotWritable> {
        let before = Timestamp(cx.now.wall.0.saturating_sub(1));
        cx.check_within(self.invalid_spans().reach(owner, last.max(before), n))
    }

    /// Whether a peer's roster is being examined for entries that ours lacks.
    pub(super) fn examines_roster(&self) -> bool {
        let transfer = self.get(&self.roster).and_then(|owner| owner.transfer());
        matches!(transfer, Some(Transfer::Reconciliation(reconciliation)) if reconciliation.is_of_divergent())
    }

    /// The last run that the held shard of an owner lists.
    pub(super) fn last_run(&self, owner: &MemberId) -> Option<Run> {
        self.last_runs.of(owner)
    }

    /// Sets the last run that the shard of an owner lists.
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

    /// Its root, if it need not be computed.
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

    /// The head of a leaf; `None` for a node.
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
