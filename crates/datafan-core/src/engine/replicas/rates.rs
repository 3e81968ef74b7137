//! How fast owners are followed, and who has lost push.

use super::Replicas;
use crate::{
    engine::{context::Context, rejection::Rejection},
    head::Head,
    id::MemberId,
    time::Time,
};
use alloc::vec::Vec;

/// How fast owners are followed.
impl Replicas {
    /// At the beginning of each call.
    pub(in crate::engine) fn begin_call(&mut self, cx: &Context) {
        self.rates.begin_call(cx.time(), &cx.config);
    }

    /// Counts what was taken in of an owner: heads whose signature is good, bytes of its items.
    pub(in crate::engine) fn count(&mut self, cx: &Context, owner: &MemberId, heads: u64, bytes: u64) {
        self.rates.count(owner, heads, bytes, cx.time());
    }

    /// Until when an owner has used up what it may have.
    pub(in crate::engine) fn paused_until(&self, cx: &Context, owner: &MemberId) -> Option<Time> {
        self.rates.paused_until(owner, &cx.config)
    }

    /// As [`Replicas::paused_until`], and the engine wakes then.
    pub(in crate::engine) fn pause(&mut self, cx: &Context, owner: &MemberId) -> Option<Time> {
        self.rates.pause(owner, &cx.config)
    }

    /// Whether so many bytes more are beyond what the owner may have by now.
    pub(in crate::engine) fn would_exceed(&self, cx: &Context, owner: &MemberId, bytes: u64) -> bool {
        self.rates.would_exceed(owner, bytes, &cx.config)
    }

    /// Holds a head back that came unasked and beyond its owner's rate, if it is news.
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

    /// Heads that were held back until now, and who told of them.
    pub(in crate::engine) fn take_held_back(&mut self) -> Vec<(Head, MemberId)> {
        self.rates.take_late()
    }

    /// An owner has signed what cannot be.
    pub(in crate::engine) fn distrust(&mut self, owner: &MemberId) {
        self.invalid_owners.insert(owner);
    }

    /// Whether an owner's commits come with the rounds only. The roster's come at once, whoever signed it.
    pub(in crate::engine) fn has_lost_push(&self, owner: &MemberId) -> bool {
        self.forks.has(owner) || self.invalid_owners.has(owner) && *owner != self.roster
    }
}
