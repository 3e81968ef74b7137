//! A comparison under way: what is asked, and what is yet to be asked.

use super::build::Build;
use crate::{
    hash::Hash,
    head::Head,
    id::MemberId,
    time::{Time, Timestamp},
    trie::{Node, Place},
};
use alloc::{collections::BTreeMap, vec::Vec};

/// One comparison under way.
pub(in crate::engine) struct Reconciliation {
    /// Who is asked first, and tells where the target has moved to; `None` while somebody has to be found.
    /// Others that hold the same are asked too, while there is more to ask for than one may owe.
    pub(super) from: Option<MemberId>,
    /// What it has to lead to.
    pub(super) target: Head,
    /// Where we were: what lies right of it is compared first, since it explains most of the rest.
    pub(super) position: Timestamp,
    pub(super) build: Option<Build>,
    /// Slots that may differ, and what is expected there.
    pub(super) work: BTreeMap<Slot, Expect>,
    pub(super) flight: BTreeMap<u32, Flight>,
    /// Where the target has nothing, and there is or was something: emptied when all the rest has come.
    pub(super) absent: Vec<Place>,
    /// How often all of it was compared.
    pub(super) passes: u32,
    /// The state is not to become visible: it is looked at, or kept as a divergent copy.
    pub(super) divergent: bool,
}

/// A slot; those left of the own position come last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Slot {
    pub(super) left: bool,
    pub(super) place: Place,
}

/// What the target has in a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expect {
    pub(super) count: u64,
    pub(super) bytes: u64,
    pub(super) hash: Hash,
    /// Hints led nowhere before.
    pub(super) plain: bool,
}

/// A request under way.
pub(super) struct Flight {
    pub(super) from: MemberId,
    pub(super) what: What,
    pub(super) slots: Vec<(Slot, Expect, Option<Node>)>,
    /// As many as are expected.
    pub(super) bytes: u64,
    pub(super) sent: Time,
    pub(super) deadline: Time,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Nodes,
    Ranges,
}

/// All of it is compared at most this often before the target is invalid.
pub(super) const PASSES_MAX: u32 = 3;
/// With so many places to be emptied nothing more is compared before they are.
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

    /// For a state of an own shard that is not to replace the visible one.
    pub(in crate::engine) fn of_divergent(from: MemberId, target: Head) -> Self {
        Self { divergent: true, ..Self::new(from, target, Timestamp::ZERO) }
    }

    pub(in crate::engine) fn is_of_divergent(&self) -> bool {
        self.divergent
    }

    /// Begins again at the root; what is equal by now is skipped.
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

    /// Asks this peer no more: what it has not answered is asked of others.
    pub(in crate::engine) fn leave(&mut self, peer: &MemberId) {
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

    /// Who has not answered in time.
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

    /// How many requests a peer has not answered yet.
    pub(super) fn n_asked(&self, peer: &MemberId) -> usize {
        self.flight.values().filter(|flight| flight.from == *peer).count()
    }

    /// What is expected of the requests under way.
    pub(super) fn bytes_asked(&self) -> u64 {
        self.flight.values().fold(0, |sum, flight| sum.saturating_add(flight.bytes))
    }

    /// When an answer is overdue.
    pub(in crate::engine) fn deadline(&self) -> Time {
        self.flight.values().map(|flight| flight.deadline).min().unwrap_or(Time::NEVER)
    }
}
