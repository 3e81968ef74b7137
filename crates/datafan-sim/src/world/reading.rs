//! Reads a world: the messages sent, and the state of members.

use super::{Content, Disk, Signatures, Traffic, World};
use datafan_core::{
    connector::Lane,
    engine::{Alarm, Stats, Status},
    hash::Hash,
    id::MemberId,
    store::{Store, StoreReader, StoreSnapshot},
    time::{Time, Timestamp},
};
use std::collections::BTreeMap;

/// The snapshots of a disk's store.
type Snapshot<D> = <<<D as Disk>::Store as Store>::Reader as StoreReader>::Snapshot;

impl<D: Disk> World<D> {
    /// Whether two members are linked.
    pub fn linked(&self, a: usize, b: usize) -> bool {
        self.network.is_up(a, b)
    }

    /// The members to which a member is linked.
    pub fn peers(&self, member: usize) -> Vec<usize> {
        self.network.peers(member)
    }

    /// The traffic from one member to another so far.
    pub fn traffic(&self, from: usize, to: usize) -> Traffic {
        self.network.traffic(from, to)
    }

    /// All links that ever existed, in the order of their creation: their ends, the lower number first, and
    /// whether they are up.
    pub fn links(&self) -> impl Iterator<Item = ((usize, usize), bool)> {
        self.network.all()
    }

    /// Number of messages sent so far.
    pub fn n_carried(&self) -> u64 {
        self.network.n_carried()
    }

    /// Number of events in flight.
    pub fn n_under_way(&self) -> usize {
        self.network.n_under_way()
    }

    /// The number of a member by its id.
    pub fn index(&self, id: &MemberId) -> Option<usize> {
        self.network.index(id)
    }

    /// The cache of signature checks.
    pub fn signatures(&self) -> &Signatures {
        &self.signatures
    }

    /// Maximum bytes that ever waited at a member for room on this lane of a link.
    pub fn most_kept(&self, member: usize, lane: Lane) -> usize {
        self.members[member].most_kept(lane)
    }

    /// The alarms of a member, oldest first.
    pub fn alarms(&self, member: usize) -> &[Alarm] {
        &self.members[member].alarms
    }

    /// Peers that a member has reported as ready on their current links.
    pub fn ready(&self, member: usize) -> &[MemberId] {
        &self.members[member].ready
    }

    /// The counters of a running member.
    pub fn stats(&self, member: usize) -> &Stats {
        self.members[member].engine.as_ref().expect("it runs").stats()
    }

    /// The message for which the driver of a running member would not wake up.
    pub fn noop_round(&self, member: usize) -> Option<Vec<u8>> {
        let noop = self.members[member].engine.as_ref().expect("it runs").noop_round();
        noop.map(|frame| frame.bytes.to_vec())
    }

    /// Number of pending strangers that a running member remembers.
    pub fn n_pending(&self, member: usize) -> usize {
        self.members[member].engine.as_ref().expect("it runs").pending().count()
    }

    /// The status of a running member.
    pub fn status(&self, member: usize) -> Status {
        self.members[member].engine.as_ref().expect("it runs").status()
    }

    /// A snapshot of the store of a running member.
    pub fn snapshot(&self, member: usize) -> Snapshot<D> {
        let reader = self.members[member].engine.as_ref().expect("it runs").reader();
        reader.snapshot().expect("the store works")
    }

    /// Everything that is readable at a running member now.
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
        // Heads first: if they differ, nothing else has to be read.
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
        let whole = records.filter(|(_, record)| record.is_whole());
        whole.filter_map(|(_, record)| Some((record.owner, record.head()?.order()))).collect()
    }

    /// Whether all running members hold `n` user items and are equal.
    pub fn equal_with(&self, n: usize) -> bool {
        let first = (0..self.members.len()).find(|member| self.runs(*member)).expect("somebody runs");
        self.equal() && self.content(first).len() == n
    }

    /// A digest of every message sent so far, with its time.
    pub fn digest(&self) -> Hash {
        self.network.trace().digest()
    }

    /// The current time.
    pub fn time(&self) -> Time {
        self.time
    }
}
