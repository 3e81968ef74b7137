//! Reading a world: what was carried, what members hold and say.

use super::{Content, Disk, Signatures, Traffic, World};
use datafan_core::{
    connector::Lane,
    engine::{Alarm, Stats, Status},
    hash::Hash,
    id::MemberId,
    store::{ShardState, Store, StoreReader, StoreSnapshot},
    time::{Time, Timestamp},
};
use std::collections::BTreeMap;

/// What readers of a disk's store take.
type Snapshot<D> = <<<D as Disk>::Store as Store>::Reader as StoreReader>::Snapshot;

impl<D: Disk> World<D> {
    /// Whether two members are linked.
    pub fn linked(&self, a: usize, b: usize) -> bool {
        self.network.is_up(a, b)
    }

    /// Members that a member is linked to.
    pub fn peers(&self, member: usize) -> Vec<usize> {
        self.network.peers(member)
    }

    /// What went from one member to another so far.
    pub fn traffic(&self, from: usize, to: usize) -> Traffic {
        self.network.traffic(from, to)
    }

    /// All links that ever were, in the order of their making: their ends, the lower number first, and
    /// whether they are up.
    pub fn links(&self) -> impl Iterator<Item = ((usize, usize), bool)> {
        self.network.all()
    }

    /// Messages that were carried so far.
    pub fn n_carried(&self) -> u64 {
        self.network.n_carried()
    }

    /// How much is on its way now.
    pub fn n_under_way(&self) -> usize {
        self.network.n_under_way()
    }

    /// The number of a member by its id.
    pub fn index(&self, id: &MemberId) -> Option<usize> {
        self.network.index(id)
    }

    /// The memory of signature checks.
    pub fn signatures(&self) -> &Signatures {
        &self.signatures
    }

    /// Most bytes that ever waited at a member for room on this lane of a link.
    pub fn most_kept(&self, member: usize, lane: Lane) -> usize {
        self.members[member].most_kept(lane)
    }

    /// Alarms of a member, oldest first.
    pub fn alarms(&self, member: usize) -> &[Alarm] {
        &self.members[member].alarms
    }

    /// Peers that a member has reported as ready on their present links.
    pub fn ready(&self, member: usize) -> &[MemberId] {
        &self.members[member].ready
    }

    /// A running member's counters.
    pub fn stats(&self, member: usize) -> &Stats {
        self.members[member].engine.as_ref().expect("it runs").stats()
    }

    /// The message for which a running member's driver would not wake.
    pub fn noop_round(&self, member: usize) -> Option<Vec<u8>> {
        let noop = self.members[member].engine.as_ref().expect("it runs").noop_round();
        noop.map(|frame| frame.bytes.to_vec())
    }

    /// Strangers that a running member remembers.
    pub fn n_pending(&self, member: usize) -> usize {
        self.members[member].engine.as_ref().expect("it runs").pending().count()
    }

    /// A running member's status.
    pub fn status(&self, member: usize) -> Status {
        self.members[member].engine.as_ref().expect("it runs").status()
    }

    /// A snapshot of a running member's store.
    pub fn snapshot(&self, member: usize) -> Snapshot<D> {
        let reader = self.members[member].engine.as_ref().expect("it runs").reader();
        reader.snapshot().expect("the store works")
    }

    /// All that is readable at a running member now.
    pub fn content(&self, member: usize) -> Content {
        self.members[member].content(self.wall(member)).expect("it runs")
    }

    /// Whether all running members have the same content, compared in full.
    pub fn equal(&self) -> bool {
        let running: Vec<usize> = (0..self.members.len()).filter(|member| self.runs(*member)).collect();
        self.equal_among(&running)
    }

    /// Whether `members` have the same content.
    pub fn equal_among(&self, members: &[usize]) -> bool {
        // Heads first: where they differ, nothing else has to be read.
        let heads = self.heads(members[0]);
        if members[1..].iter().any(|member| self.heads(*member) != heads) {
            return false;
        }
        let first = self.content(members[0]);
        members[1..].iter().all(|member| self.content(*member) == first)
    }

    /// Timestamp and root of each visible head at a running member.
    pub fn heads(&self, member: usize) -> BTreeMap<MemberId, (Timestamp, Hash)> {
        let records = self.snapshot(member).shards().expect("the store works").into_iter();
        let whole = records.filter(|(_, record)| record.state == ShardState::Whole);
        whole.filter_map(|(_, record)| Some((record.owner, record.head?.order()))).collect()
    }

    /// Whether all running members hold `n` items of users and are equal.
    pub fn equal_with(&self, n: usize) -> bool {
        let first = (0..self.members.len()).find(|member| self.runs(*member)).expect("somebody runs");
        self.equal() && self.content(first).len() == n
    }

    /// A digest of every message carried so far, with its time.
    pub fn digest(&self) -> Hash {
        self.network.trace().digest()
    }

    /// Now.
    pub fn time(&self) -> Time {
        self.time
    }
}
