//! The state of a reconciliation: requests in flight and remaining work.

use super::build::Build;
use crate::{
    hash::Hash,
    head::Head,
    id::MemberId,
    time::{Time, Timestamp},
    trie::{Node, Place},
};
use alloc::{collections::BTreeMap, vec::Vec};

/// A reconciliation under way.
pub(in crate::engine) struct Reconciliation {
    /// The main source, which also reports when the target changes; `None` while one has to be found. Other
    /// peers with the same state are asked too if there is more to request than one peer may have pending.
    pub(super) from: Option<MemberId>,
    /// The head to reach.
    pub(super) target: Head,
    /// Our own position. Slots after it are compared first, since they explain most of the other differences.
    pub(super) position: Timestamp,
    pub(super) build: Option<Build>,
    /// Slots that may differ, with their expected content.
    pub(super) work: BTreeMap<Slot, Expect>,
    pub(super) flight: BTreeMap<u32, Flight>,
    /// Places where the target has nothing and we have or had items. They are emptied after everything else
    /// was fetched.
    pub(super) absent: Vec<Place>,
    /// How often everything was compared.
    pub(super) passes: u32,
    /// The state must not become visible: it is only examined, or kept as a divergent copy.
    pub(super) divergent: bool,
}

/// A slot. Slots before the own position are ordered last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Slot {
    pub(super) left: bool,
    pub(super) place: Place,
}

/// The content of the target in a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expect {
    pub(super) count: u64,
    pub(super) bytes: u64,
    pub(super) hash: Hash,
    /// Hints failed before, so the request must not use them.
    pub(super) plain: bool,
}

/// A request in flight.
pub(super) struct Flight {
    pub(super) from: MemberId,
    pub(super) what: What,
    pub(super) slots: Vec<(Slot, Expect, Option<Node>)>,
    /// Expected bytes of the answer.
    pub(super) bytes: u64,
    pub(super) sent: Time,
    pub(super) deadline: Time,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Nodes,
    Ranges,
}

/// Everything is compared at most this often before the target counts as invalid.
pub(super) const PASSES_MAX: u32 = 3;
/// With this many places to empty, nothing more is compared until they are empty.
pub(super) const ABSENT_MAX: usize = 65_536;

impl Reconciliation {
    pub(in crate::engine) fn new(from: MemberId, target: Head, position: Timestamp) -> Self {
        let mut reconciliation = Self {
            from: Some(from),
            target,
            position,
            build: None,
            work: BTreeMap::new(),
            flight: BTreeMap::new(),
            absent: Vec::new(),
            passes: 0,
            divergent: false,
        };
        reconciliation.restart();
        reconciliation
    }

    /// A reconciliation for a state of an own shard that must not replace the visible one.
    pub(in crate::engine) fn of_divergent(from: MemberId, target: Head) -> Self {
        Self { divergent: true, ..Self::new(from, target, Timestamp::ZERO) }
    }

    pub(in crate::engine) fn is_of_divergent(&self) -> bool {
        self.divergent
    }

    /// Restarts at the root. Slots that are equal by now are skipped.
    pub(super) fn restart(&mut self) {
        self.flight.clear();
        self.work.clear();
        self.absent.clear();
        let (count, bytes, hash) = (self.target.items, self.target.bytes, self.target.root);
        let expect = Expect { count, bytes, hash, plain: false };
        self.work.insert(Slot { left: false, place: Place::ALL }, expect);
    }

    pub(super) fn slot(&self, place: Place) -> Slot {
        Slot { left: place.last() <= self.position.0, place }
    }

    /// Stops using this peer. Its unanswered requests go back to the work list.
    pub(in crate::engine) fn drop_peer(&mut self, peer: &MemberId) {
        self.from.take_if(|from| from == peer);
        let work = &mut self.work;
        self.flight.retain(|_, flight| {
            let stays = flight.from != *peer;
            if !stays {
                work.extend(flight.slots.iter().map(|(slot, expect, _)| (*slot, *expect)));
            }
            stays
        });
    }

    /// Peers that did not answer in time.
    pub(super) fn late(&self, now: Time) -> Vec<MemberId> {
        let late = self.flight.values().filter(|flight| flight.deadline <= now);
        let mut late: Vec<MemberId> = late.map(|flight| flight.from).collect();
        late.sort_unstable();
        late.dedup();
        late
    }

    pub(super) fn has_much_absent(&self) -> bool {
        self.absent.len() >= ABSENT_MAX
    }

    /// Number of requests that a peer has not answered yet.
    pub(super) fn n_asked(&self, peer: &MemberId) -> usize {
        self.flight.values().filter(|flight| flight.from == *peer).count()
    }

    /// Expected bytes of all requests in flight.
    pub(super) fn bytes_asked(&self) -> u64 {
        self.flight.values().fold(0, |sum, flight| sum.saturating_add(flight.bytes))
    }

    /// When the next answer is overdue.
    pub(in crate::engine) fn deadline(&self) -> Time {
        self.flight.values().map(|flight| flight.deadline).min().unwrap_or(Time::NEVER)
    }
}
