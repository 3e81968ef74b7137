//! Keeps track of divergent copies: those held here, owners to tell about them, and copies to fetch.

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

/// The divergent copies that this member holds, and those that peers announced.
#[derive(Default)]
pub(super) struct DivergentCopies {
    /// The copies of each owner, oldest first.
    held: BTreeMap<MemberId, Vec<ShardNumber>>,
    /// Copies of the own shard that peers announced, to be fetched.
    told: VecDeque<(MemberId, Head)>,
    /// Owners that may have ended the branches of copies held here.
    ended: BTreeSet<MemberId>,
    /// When the next alarm about an owner may be raised.
    quiet: BTreeMap<MemberId, Time>,
    /// Until when an owner that was told need not be dialled again.
    knows: BTreeMap<MemberId, Time>,
    /// The owner that was last dialled to be told; `next_dial` is when the next one may be dialled.
    dialled: Option<MemberId>,
    next_dial: Time,
    /// For how long owners were able to learn of their copies.
    heard: HeardFor,
    /// Peers that were linked in this call and have to be told about copies of their shards.
    to_tell: BTreeSet<MemberId>,
}

/// Minimum time between two alarms about one owner.
const ALARM_MICROS: u64 = 24 * 3_600 * SECOND;
/// Pause between dials of owners that have to be told. An owner that was told is not dialled for
/// [`KNOWS_MICROS`].
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

    /// Whether an alarm about a copy of `owner`'s shard may be raised. If so, starts the pause until the next
    /// one.
    pub(super) fn may_alarm(&mut self, owner: &MemberId, now: Time) -> bool {
        self.quiet.retain(|_, until| *until > now);
        let is_due = !self.quiet.contains_key(owner);
        if is_due {
            self.quiet.insert(*owner, now.after(ALARM_MICROS));
        }
        is_due
    }

    /// The run history of the owner's shard changed.
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

    /// Owners of the copies that are held.
    pub(super) fn owners(&self) -> impl Iterator<Item = &MemberId> {
        self.held.keys()
    }

    /// Adds a new copy. Its owner has to be told, and has a week of reachability to fetch it.
    pub(super) fn add(&mut self, owner: MemberId, shard: ShardNumber) {
        self.load(owner, shard);
        self.knows.remove(&owner);
        self.heard.restart(&owner);
    }

    /// Drops the copies of an owner. Their rows are erased gradually.
    pub(super) fn retire<S: Store>(&mut self, owner: &MemberId, disk: &mut Disk<S>) {
        for shard in self.take(owner) {
            disk.retire(*owner, shard);
        }
    }

    /// Takes all copies of the shard of `owner`.
    pub(super) fn take(&mut self, owner: &MemberId) -> Vec<ShardNumber> {
        self.held.remove(owner).unwrap_or_default()
    }

    /// Puts back the copies that are kept.
    pub(super) fn put_back(&mut self, owner: MemberId, kept: Vec<ShardNumber>) {
        if kept.is_empty() {
            self.knows.remove(&owner);
        } else {
            self.held.insert(owner, kept);
        }
    }

    /// Takes an owner that may have ended the branches of copies held here.
    pub(super) fn pop_ended(&mut self) -> Option<MemberId> {
        self.ended.pop_first()
    }

    /// A peer was linked and has to be told about copies of its shard.
    pub(super) fn on_linked(&mut self, peer: MemberId) {
        self.to_tell.insert(peer);
    }

    /// Whether there is somebody to tell, something to free or to fetch, or a look at the time is due.
    pub(super) fn has_work(&self, now: Time) -> bool {
        !self.to_tell.is_empty() || !self.ended.is_empty() || self.has_announced() || self.heard.is_due(now)
    }

    /// Takes the next peer that has to be told.
    pub(super) fn pop_linked(&mut self) -> Option<MemberId> {
        self.to_tell.pop_first()
    }

    /// An owner was told about copies of its shard.
    pub(super) fn record_told(&mut self, owner: MemberId, now: Time) {
        self.knows.insert(owner, now.after(KNOWS_MICROS));
    }

    /// Whether an owner was told recently.
    pub(super) fn was_told(&self, owner: &MemberId, now: Time) -> bool {
        self.knows.get(owner).is_some_and(|until| *until > now)
    }

    /// When the next owner may be dialled to be told.
    pub(super) fn next_dial(&self) -> Time {
        self.next_dial
    }

    /// Chooses the next owner to dial from `candidates`, which are in ascending order. Owners take turns.
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

    /// Queues a copy of the own shard that a peer keeps.
    pub(super) fn queue_announced(&mut self, peer: MemberId, head: &Head) {
        self.told.push_back((peer, *head));
    }

    /// Whether an announced copy is queued already, or the queue is full.
    pub(super) fn skips_announced(&self, peer: MemberId, head: &Head) -> bool {
        let is_told = self.told.iter().any(|(teller, told)| (*teller, told) == (peer, head));
        is_told || self.told.len() >= DIVERGENT_TOLD_MAX
    }

    /// Whether copies of the own shard are to be fetched.
    pub(super) fn has_announced(&self) -> bool {
        !self.told.is_empty()
    }

    /// Takes the next copy of the own shard to fetch, with the peer that keeps it.
    pub(super) fn pop_announced(&mut self) -> Option<(MemberId, Head)> {
        self.told.pop_front()
    }

    /// For how long owners were able to learn of their copies.
    pub(super) fn heard_mut(&mut self) -> &mut HeardFor {
        &mut self.heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_reports_an_owners_copies_once_a_day() {
        let (mut divergent, [one, other]) = (DivergentCopies::default(), [1, 2].map(|n| MemberId([n; 32])));
        let now = Time(7);
        assert!(divergent.may_alarm(&one, now) && divergent.may_alarm(&other, now));
        assert!(!divergent.may_alarm(&one, now.after(ALARM_MICROS - 1)));
        assert!(divergent.may_alarm(&one, now.after(ALARM_MICROS)));
        assert_eq!(divergent.quiet.len(), 1, "ended copies are forgotten");
    }
}
