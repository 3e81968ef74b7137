//! Rate limits of owners, and owners that lost push.

use super::Replicas;
use crate::{
    engine::{context::Context, rejection::Rejection},
    head::Head,
    id::MemberId,
    time::Time,
};
use alloc::vec::Vec;

/// Rate limits.
impl Replicas {
    /// Called at the start of each call.
    pub(in crate::engine) fn begin_call(&mut self, cx: &Context) {
        self.rates.begin_call(cx.time(), &cx.config);
    }

    /// Counts verified heads and bytes of items that were accepted from an owner.
    pub(in crate::engine) fn count(&mut self, cx: &Context, owner: &MemberId, heads: u64, bytes: u64) {
        self.rates.count(owner, heads, bytes, cx.time());
    }

    /// The end of the interval, if the owner has reached its rate limit.
    pub(in crate::engine) fn paused_until(&self, cx: &Context, owner: &MemberId) -> Option<Time> {
        self.rates.paused_until(owner, &cx.config)
    }

    /// Like [`Replicas::paused_until`], and wakes the engine then.
    pub(in crate::engine) fn pause(&mut self, cx: &Context, owner: &MemberId) -> Option<Time> {
        self.rates.pause(owner, &cx.config)
    }

    /// Whether this many more bytes would exceed the owner's rate limit.
    pub(in crate::engine) fn would_exceed(&self, cx: &Context, owner: &MemberId, bytes: u64) -> bool {
        self.rates.would_exceed(owner, bytes, &cx.config)
    }

    /// Holds back a newer announced or pushed head beyond its owner's rate limit. Returns whether it was held
    /// back.
    pub(in crate::engine) fn hold_back(&mut self, cx: &mut Context, head: &Head, from: MemberId) -> bool {
        let is_old = head.timestamp <= self.timestamp(&head.owner);
        if is_old || cx.is_own(&head.owner) || self.pause(cx, &head.owner).is_none() {
            return false;
        }
        cx.stats.reject(Rejection::OverRate);
        self.rates.hold_back(head, from);
        true
    }

    /// Whether heads were held back until now.
    pub(in crate::engine) fn has_held_back(&self) -> bool {
        self.rates.has_late()
    }

    /// Takes the heads that were held back, with the peers that announced them.
    pub(in crate::engine) fn take_held_back(&mut self) -> Vec<(Head, MemberId)> {
        self.rates.take_late()
    }

    /// Records that an owner signed an invalid state.
    pub(in crate::engine) fn mark_invalid(&mut self, owner: &MemberId) {
        self.invalid_owners.insert(owner);
    }

    /// Whether an owner's commits are fetched only with the rounds. An invalid roster does not lose push.
    pub(in crate::engine) fn has_lost_push(&self, owner: &MemberId) -> bool {
        self.forks.has(owner) || self.invalid_owners.has(owner) && *owner != self.roster
    }
}
