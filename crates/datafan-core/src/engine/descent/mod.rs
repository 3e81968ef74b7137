//! Descent: comparing the index from the root down, and fetching what differs.
//!
//! The answers are tried on a [`Build`]: a layer over the visible shard while little differs, a hidden copy of it
//! above that. Nothing is visible before the root is the one that the owner signed; what was verified is kept when
//! the target moves or the peer goes.

mod answer;
mod build;
mod step;

use super::{Engine, owners::Transfer};
use crate::{
    hash::Hash,
    head::Head,
    id::MemberId,
    store::Store,
    time::{Time, Timestamp},
    trie::{Node, Place},
};
use alloc::{collections::BTreeMap, vec::Vec};
pub(super) use build::Build;

/// One comparison under way.
pub(super) struct Descent {
    /// Who is asked first, and tells where the target has moved to; `None` while somebody has to be found. Others that
    /// hold the same are asked too, while there is more to ask for than one may owe.
    from: Option<MemberId>,
    /// What it has to lead to.
    target: Head,
    /// Where we were: what lies right of it is compared first, since it explains most of the rest.
    position: Timestamp,
    build: Option<Build>,
    /// Slots that may differ, and what is expected there.
    work: BTreeMap<Slot, Expect>,
    flight: BTreeMap<u32, Flight>,
    /// Where the target has nothing, and there is or was something: emptied when all the rest has come.
    absent: Vec<Place>,
    /// How often all of it was compared.
    passes: u32,
    /// The state is not to become visible: it is looked at, or kept as a divergent copy.
    aside: bool,
}

/// A slot; those left of the own position come last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Slot {
    left: bool,
    place: Place,
}

/// What the target has in a slot.
#[derive(Clone, Copy, Debug)]
struct Expect {
    count: u64,
    bytes: u64,
    hash: Hash,
    /// Hints led nowhere before.
    plain: bool,
}

/// A request under way.
struct Flight {
    from: MemberId,
    what: What,
    slots: Vec<(Slot, Expect, Option<Node>)>,
    /// As many as are expected.
    bytes: u64,
    sent: Time,
    deadline: Time,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Nodes,
    Ranges,
}

/// All of it is compared at most this often before the target is void.
const PASSES_MAX: u32 = 3;
/// With so many places to be emptied nothing more is compared before they are.
const ABSENT_MAX: usize = 65_536;

impl Descent {
    pub(super) fn new(from: MemberId, target: Head, position: Timestamp) -> Self {
        let mut descent = Self {
            from: Some(from),
            target,
            position,
            build: None,
            work: BTreeMap::new(),
            flight: BTreeMap::new(),
            absent: Vec::new(),
            passes: 0,
            aside: false,
        };
        descent.restart();
        descent
    }

    /// For a state of an own shard that is not to replace the visible one.
    pub(super) fn aside(from: MemberId, target: Head) -> Self {
        Self { aside: true, ..Self::new(from, target, Timestamp::ZERO) }
    }

    pub(super) fn is_aside(&self) -> bool {
        self.aside
    }

    /// Begins again at the root; what is equal by now is skipped.
    fn restart(&mut self) {
        self.flight.clear();
        self.work.clear();
        self.absent.clear();
        let (count, bytes, hash) = (self.target.items, self.target.bytes, self.target.root);
        let expect = Expect { count, bytes, hash, plain: false };
        self.work.insert(Slot { left: false, place: Place::ALL }, expect);
    }

    fn slot(&self, place: Place) -> Slot {
        Slot { left: place.last() <= self.position.0, place }
    }

    /// Asks this peer no more: what it has not answered is asked of others.
    pub(super) fn leave(&mut self, peer: &MemberId) {
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
    fn late(&self, now: Time) -> Vec<MemberId> {
        let late = self.flight.values().filter(|flight| flight.deadline <= now);
        let mut late: Vec<MemberId> = late.map(|flight| flight.from).collect();
        late.sort_unstable();
        late.dedup();
        late
    }

    fn has_much_absent(&self) -> bool {
        self.absent.len() >= ABSENT_MAX
    }

    /// How many requests a peer has not answered yet.
    fn n_asked(&self, peer: &MemberId) -> usize {
        self.flight.values().filter(|flight| flight.from == *peer).count()
    }

    /// What is expected of the requests under way.
    fn bytes_asked(&self) -> u64 {
        self.flight.values().fold(0, |sum, flight| sum.saturating_add(flight.bytes))
    }

    /// When an answer is overdue.
    pub(super) fn deadline(&self) -> Time {
        self.flight.values().map(|flight| flight.deadline).min().unwrap_or(Time::NEVER)
    }
}

impl<S: Store> Engine<S> {
    /// Runs `act` on the descent of `owner`, if there is one; it stays unless `act` says that it is over.
    fn with_descent<E>(
        &mut self,
        owner: &MemberId,
        act: impl FnOnce(&mut Self, &mut Descent) -> Result<Going, E>,
    ) -> Result<(), E> {
        let Some(state) = self.owners.get_mut(owner) else { return Ok(()) };
        if !matches!(state.busy().transfer, Some(Transfer::Descent(_))) {
            return Ok(());
        }
        let Some(Transfer::Descent(mut descent)) = state.busy_mut().transfer.take() else { return Ok(()) };
        match (act(self, &mut descent)?, self.owners.get_mut(owner)) {
            (Going::On, Some(state)) => state.busy_mut().transfer = Some(Transfer::Descent(descent)),
            (Going::On, None) | (Going::Over, _) => self.drop_requests(owner),
        }
        self.note_due(owner);
        Ok(())
    }
}

/// Whether a descent goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Going {
    On,
    Over,
}
