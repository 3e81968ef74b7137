//! Which divergent copies are held, who has to hear of them, and which are to be fetched.

use super::{disk::Disk, heard_for::HeardFor};
use crate::{
    head::Head,
    id::MemberId,
    limits::DIVERGENT_TOLD_MAX,
    store::{ShardNumber, Store},
    time::{SECOND, Time},
};
use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};

/// The divergent copies that this member holds, and those it was told of.
#[derive(Default)]
pub(super) struct DivergentCopies {
    /// By owner, oldest first.
    held: BTreeMap<MemberId, Vec<ShardNumber>>,
    /// Copies of the own shard at peers, to be fetched.
    told: VecDeque<(MemberId, Head)>,
    /// Owners that may have ended what is held of them.
    ended: BTreeSet<MemberId>,
    /// When the next alarm about an owner may be raised.
    quiet: BTreeMap<MemberId, Time>,
    /// Until when an owner that was told need not be dialled.
    knows: BTreeMap<MemberId, Time>,
    /// The owner that was dialled last to be told, and when the next one is.
    dialled: Option<MemberId>,
    next_dial: Time,
    /// How long owners could have heard of what is kept.
    heard: HeardFor,
    /// Peers that were linked in this call: they hear of what is kept of their shards.
    to_tell: BTreeSet<MemberId>,
}

/// An owner's copies are told of by an alarm once in this time.
const ALARM_MICROS: u64 = 24 * 3_600 * SECOND;
/// An owner is dialled to be told this often, and not again for the longer time once it was told.
const DIAL_MICROS: u64 = 10 * SECOND;
const KNOWS_MICROS: u64 = 3_600 * SECOND;

impl DivergentCopies {
    pub(super) fn load(&mut self, owner: MemberId, shard: ShardNumber) {
        self.held.entry(owner).or_default().push(shard);
    }

    pub(super) fn load_heard(&mut self, heard: HeardFor) {
        self.heard = heard;
    }

    /// Copies of the shard of `owner`, oldest first.
    pub(super) fn of(&self, owner: &MemberId) -> &[ShardNumber] {
        self.held.get(owner).map_or(&[], Vec::as_slice)
    }

    /// Whether an alarm is due about a copy of `owner`'s shard; then it is raised.
    pub(super) fn may_alarm(&mut self, owner: &MemberId, now: Time) -> bool {
        self.quiet.retain(|_, until| *until > now);
        let is_due = !self.quiet.contains_key(owner);
        if is_due {
            self.quiet.insert(*owner, now.after(ALARM_MICROS));
        }
        is_due
    }

    /// The owner's shard names its runs anew.
    pub(super) fn on_runs(&mut self, owner: &MemberId) {
        if self.held.contains_key(owner) {
            self.ended.insert(*owner);
        }
    }

    /// Whether copies of the shard of `owner` are held.
    pub(super) fn has(&self, owner: &MemberId) -> bool {
        self.held.contains_key(owner)
    }

    /// All copies.
    pub(super) fn all(&self) -> impl Iterator<Item = &ShardNumber> {
        self.held.values().flatten()
    }

    /// Owners of whose shards copies are held.
    pub(super) fn owners(&self) -> impl Iterator<Item = &MemberId> {
        self.held.keys()
    }

    /// A copy is new: its owner is to hear of it, and has a week to do so.
    pub(super) fn add(&mut self, owner: MemberId, shard: ShardNumber) {
        self.load(owner, shard);
        self.knows.remove(&owner);
        self.heard.begin_again(&owner);
    }

    /// Gives up the copies of an owner; their rows are erased by and by.
    pub(super) fn retire<S: Store>(&mut self, owner: &MemberId, disk: &mut Disk<S>) {
        for shard in self.take(owner) {
            disk.retire(*owner, shard);
        }
    }

    /// Gives up all copies of the shard of `owner`.
    pub(super) fn take(&mut self, owner: &MemberId) -> Vec<ShardNumber> {
        self.held.remove(owner).unwrap_or_default()
    }

    /// Of the copies that were taken, these stay.
    pub(super) fn put_back(&mut self, owner: MemberId, kept: Vec<ShardNumber>) {
        if kept.is_empty() {
            self.knows.remove(&owner);
        } else {
            self.held.insert(owner, kept);
        }
    }

    /// An owner that may have ended what is held of it; once.
    pub(super) fn pop_ended(&mut self) -> Option<MemberId> {
        self.ended.pop_first()
    }

    /// A peer was linked: it is to hear of what is kept of its shard.
    pub(super) fn on_linked(&mut self, peer: MemberId) {
        self.to_tell.insert(peer);
    }

    /// Whether there is somebody to tell, something to free or to fetch, or a look at the time is due.
    pub(super) fn has_work(&self, now: Time) -> bool {
        !self.to_tell.is_empty() || !self.ended.is_empty() || self.has_told() || self.heard.is_due(now)
    }

    /// The next one of those; once.
    pub(super) fn pop_linked(&mut self) -> Option<MemberId> {
        self.to_tell.pop_first()
    }

    /// An owner was told what is kept of its shard.
    pub(super) fn on_told(&mut self, owner: MemberId, now: Time) {
        self.knows.insert(owner, now.after(KNOWS_MICROS));
    }

    /// Whether an owner was told lately.
    pub(super) fn knows(&self, owner: &MemberId, now: Time) -> bool {
        self.knows.get(owner).is_some_and(|until| *until > now)
    }

    /// When the next owner may be dialled to be told.
    pub(super) fn next_dial(&self) -> Time {
        self.next_dial
    }

    /// The owner of `candidates`, which ascend, that is dialled now: each in its turn.
    pub(super) fn dial_next(
        &mut self,
        candidates: impl Iterator<Item = MemberId> + Clone,
        now: Time,
    ) -> Option<MemberId> {
        let last = self.dialled;
        let next = candidates.clone().find(|owner| Some(*owner) > last);
        let next = next.or_else(|| candidates.clone().next())?;
        self.dialled = Some(next);
        self.next_dial = now.after(DIAL_MICROS);
        Some(next)
    }

    /// A peer keeps a copy of the own shard.
    pub(super) fn hear_of(&mut self, peer: MemberId, head: &Head) {
        self.told.push_back((peer, *head));
    }

    /// Whether nobody need hear of it: it was told, or too many were.
    pub(super) fn has_heard_of(&self, peer: MemberId, head: &Head) -> bool {
        let is_told = self.told.iter().any(|(teller, told)| (*teller, told) == (peer, head));
        is_told || self.told.len() >= DIVERGENT_TOLD_MAX
    }

    /// Whether copies of the own shard are to be fetched.
    pub(super) fn has_told(&self) -> bool {
        !self.told.is_empty()
    }

    /// The next copy of the own shard to be fetched, and at whom.
    pub(super) fn pop_told(&mut self) -> Option<(MemberId, Head)> {
        self.told.pop_front()
    }

    /// How long owners could have heard of what is kept.
    pub(super) fn heard_mut(&mut self) -> &mut HeardFor {
        &mut self.heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_tells_of_an_owners_copies_once_a_day() {
        let (mut divergent, [one, other]) = (DivergentCopies::default(), [1, 2].map(|n| MemberId([n; 32])));
        let now = Time(7);
        assert!(divergent.may_alarm(&one, now) && divergent.may_alarm(&other, now));
        assert!(!divergent.may_alarm(&one, now.after(ALARM_MICROS - 1)));
        assert!(divergent.may_alarm(&one, now.after(ALARM_MICROS)));
        assert_eq!(divergent.quiet.len(), 1, "what is over is forgotten");
    }
}
