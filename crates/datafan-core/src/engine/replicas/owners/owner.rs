//! What the engine knows of one owner and its shard.

use super::super::fetch_queue::Stage;
use crate::{
    engine::{
        links::{SmallTree, Tree},
        reconcile::Reconciliation,
        rejection::Rejection,
    },
    hash::Hash,
    head::Head,
    id::MemberId,
    store::{HeldTombstones, ShardNumber, ShardRecord, ShardState},
    time::{Time, Timestamp},
};
use alloc::{boxed::Box, sync::Arc};

/// One owner. A member of a large mesh holds very many, of which nearly all rest: so what rests takes 24
/// bytes beside its place, and a record that the store may share.
pub(in crate::engine) struct Owner {
    /// The record of the visible shard; it always has a head.
    record: Option<Arc<ShardRecord>>,
    /// What most owners have not. Always there where there is no record, which would name the owner.
    rest: Option<Box<Rest>>,
    shard: ShardNumber,
    /// Which links carry its pushes, unless `rest` has a tree that does not fit here.
    tree: SmallTree,
    pub(in crate::engine::replicas) standing: Standing,
}

/// What the roster says of an owner, in short.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::engine) enum Standing {
    /// Nothing.
    Unknown,
    /// It belongs as a member, with the default quota.
    Plain,
    /// Something else, which the roster in memory keeps.
    Special,
}

struct Rest {
    id: MemberId,
    tree: Option<Tree>,
    busy: Option<Box<Busy>>,
}

/// What is known to exist of an owner and not held, and what is done about it.
pub(in crate::engine::replicas) struct Busy {
    /// The hidden copy, from this run or an earlier one.
    pub(in crate::engine::replicas) building: Option<ShardNumber>,
    /// The greatest acceptable head that was heard of and is not held; its signature is verified.
    pub(in crate::engine::replicas) known: Option<Head>,
    /// When `known` is fetched: pushes get a grace to arrive by themselves.
    pub(in crate::engine::replicas) fetch_at: Time,
    /// Who told of `known`.
    pub(in crate::engine::replicas) fetch_from: Option<MemberId>,
    /// Whose push led nowhere last: asked only where nobody else has it.
    pub(in crate::engine::replicas) doubted: Option<MemberId>,
    /// The one transfer under way.
    pub(in crate::engine::replicas) transfer: Option<Transfer>,
    /// The greatest head that was refused, so that it is neither fetched nor judged again.
    pub(in crate::engine::replicas) refused: Option<Refused>,
    /// Where it is listed among what is wanted.
    pub(in crate::engine::replicas) listed: Option<(Stage, Time)>,
}

/// A transfer under way.
pub(in crate::engine) enum Transfer {
    /// A delta was asked for.
    Pull {
        /// From whom.
        from: MemberId,
        /// After which timestamp.
        since: Timestamp,
        /// When somebody else is asked.
        deadline: Time,
    },
    /// The index is being compared.
    Reconciliation(Box<Reconciliation>),
}

/// A head that is not wanted, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::engine) struct Refused {
    pub(in crate::engine) order: (Timestamp, Hash),
    pub(in crate::engine) reason: Reason,
}

/// Why a head is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::engine) enum Reason {
    /// Too far ahead of our clock.
    Clock,
    /// Over the owner's quota.
    Quota,
    /// The verified content is not what the head says, or breaks a rule.
    Invalid,
    /// A roster older than the ticket, or one that forgets members.
    Roster,
    /// Its owner has restamped what it wrote then.
    Restamped,
    /// Earlier than what is held, which it does not make invalid.
    StepBack,
    /// Not the head at which a revoked owner's shard stays.
    Revoked,
    /// Its owner is a reader, which has no shard.
    Reader,
    /// It would replace a state that it did not grow out of, and there is no room to keep that.
    Divergent,
}

impl From<Reason> for Rejection {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Clock => Rejection::ClockAhead,
            Reason::Quota => Rejection::OverQuota,
            Reason::Invalid => Rejection::InvalidHead,
            Reason::Roster => Rejection::OldRoster,
            Reason::Restamped => Rejection::RestampedHead,
            Reason::StepBack => Rejection::OlderHead,
            Reason::Revoked => Rejection::RevokedHead,
            Reason::Reader => Rejection::ReaderHead,
            Reason::Divergent => Rejection::NoRoomForDivergentCopy,
        }
    }
}

/// What an owner that rests is busy with.
static IDLE: Busy = Busy::new();

impl Owner {
    /// An owner of whom nothing is held.
    pub(super) fn new(id: MemberId) -> Self {
        let rest = Some(Box::new(Rest::new(id)));
        Self { record: None, rest, shard: ShardNumber(0), tree: SmallTree::NEW, standing: Standing::Unknown }
    }

    pub(in crate::engine) fn id(&self) -> &MemberId {
        match (&self.record, &self.rest) {
            (Some(record), _) => &record.owner,
            (None, Some(rest)) => &rest.id,
            (None, None) => unreachable!("an owner has a name"),
        }
    }

    /// The visible shard. Its record always has a head.
    pub(in crate::engine) fn whole(&self) -> Option<(ShardNumber, &Arc<ShardRecord>)> {
        self.record.as_ref().map(|record| (self.shard, record))
    }

    /// The tombstones of the visible shard; none without one.
    pub(in crate::engine) fn tombstones(&self) -> HeldTombstones {
        match self.record.as_ref().map(|record| record.state) {
            Some(ShardState::Whole { tombstones, .. }) => tombstones,
            _ => HeldTombstones::default(),
        }
    }

    /// Replaces the visible shard.
    pub(super) fn hold(&mut self, whole: Option<(ShardNumber, Arc<ShardRecord>)>) {
        let id = *self.id();
        match whole {
            Some((shard, record)) => {
                assert!(record.owner == id && record.is_whole(), "a visible shard has its owner's head");
                (self.shard, self.record) = (shard, Some(record));
            }
            None => {
                self.rest.get_or_insert_with(|| Box::new(Rest::new(id)));
                self.record = None;
            }
        }
        self.tidy();
    }

    /// Takes the store's copy of the record that is held, which the store may share with others.
    pub(in crate::engine::replicas) fn share(&mut self, stored: Arc<ShardRecord>) {
        if self.record.as_ref().is_some_and(|record| **record == *stored) {
            self.record = Some(stored);
        }
    }

    /// The head of the visible shard.
    pub(in crate::engine) fn head(&self) -> Option<&Head> {
        self.record.as_ref().and_then(|record| record.head())
    }

    /// Its timestamp; 0 for none.
    pub(in crate::engine) fn timestamp(&self) -> Timestamp {
        self.head().map_or(Timestamp::ZERO, |head| head.timestamp)
    }

    /// What the roster says of it, in short.
    pub(in crate::engine) fn standing(&self) -> Standing {
        self.standing
    }

    /// The greatest acceptable head that was heard of and is not held.
    pub(in crate::engine) fn known(&self) -> Option<Head> {
        self.busy().known
    }

    /// When that is fetched.
    pub(in crate::engine) fn fetch_at(&self) -> Time {
        self.busy().fetch_at
    }

    /// Who told of it.
    pub(in crate::engine) fn fetch_from(&self) -> Option<MemberId> {
        self.busy().fetch_from
    }

    /// Whose push led nowhere last.
    pub(in crate::engine) fn doubted(&self) -> Option<MemberId> {
        self.busy().doubted
    }

    /// The one transfer under way.
    pub(in crate::engine) fn transfer(&self) -> Option<&Transfer> {
        self.busy().transfer.as_ref()
    }

    /// The greatest head that was refused.
    pub(in crate::engine) fn refused(&self) -> Option<Refused> {
        self.busy().refused
    }

    /// The hidden copy.
    pub(in crate::engine) fn building(&self) -> Option<ShardNumber> {
        self.busy().building
    }

    /// What is going on.
    pub(in crate::engine::replicas) fn busy(&self) -> &Busy {
        self.rest.as_ref().and_then(|rest| rest.busy.as_deref()).unwrap_or(&IDLE)
    }

    /// What is going on, to be changed. Takes memory until [`Owner::tidy`] finds it over.
    pub(in crate::engine::replicas) fn busy_mut(&mut self) -> &mut Busy {
        let id = *self.id();
        let rest = self.rest.get_or_insert_with(|| Box::new(Rest::new(id)));
        rest.busy.get_or_insert_with(|| Box::new(Busy::new()))
    }

    /// Which links carry its pushes.
    pub(in crate::engine) fn tree(&self) -> Tree {
        let large = self.rest.as_ref().and_then(|rest| rest.tree);
        large.unwrap_or(self.tree.into())
    }

    /// Sets which links carry its pushes. Takes memory for as long as there are none over a link beyond the
    /// first sixteen.
    pub(in crate::engine::replicas) fn set_tree(&mut self, tree: Tree) {
        let large = match tree.to_small() {
            Some(small) => {
                self.tree = small;
                None
            }
            None => Some(tree),
        };
        if large != self.rest.as_ref().and_then(|rest| rest.tree) {
            let id = *self.id();
            self.rest.get_or_insert_with(|| Box::new(Rest::new(id))).tree = large;
            self.tidy();
        }
    }

    /// Lets go of the memory of what is over.
    pub(in crate::engine::replicas) fn tidy(&mut self) {
        if let Some(rest) = &mut self.rest {
            rest.busy.take_if(|busy| busy.is_over());
            if rest.busy.is_none() && rest.tree.is_none() && self.record.is_some() {
                self.rest = None;
            }
        }
    }

    /// Gives up the hidden copy, if there is one.
    pub(in crate::engine::replicas) fn take_building(&mut self) -> Option<ShardNumber> {
        self.busy().building?;
        let building = self.busy_mut().building.take();
        self.tidy();
        building
    }

    /// Forgets what is known but not held.
    pub(in crate::engine::replicas) fn forget(&mut self) {
        if self.busy().known.is_some() {
            let busy = self.busy_mut();
            (busy.known, busy.fetch_from) = (None, None);
            self.tidy();
        }
    }
}

impl Rest {
    fn new(id: MemberId) -> Self {
        Self { id, tree: None, busy: None }
    }
}

impl Busy {
    const fn new() -> Self {
        Self {
            building: None,
            known: None,
            fetch_at: Time(0),
            fetch_from: None,
            doubted: None,
            transfer: None,
            refused: None,
            listed: None,
        }
    }

    /// What the owner waits for and until when: answers to a reconciliation, an answer to a pull, the time of a
    /// fetch.
    pub(in crate::engine::replicas) fn due(&self) -> Option<(Stage, Time)> {
        match (&self.transfer, &self.known) {
            (Some(Transfer::Reconciliation(_)), _) => Some((Stage::Compared, Time(0))),
            (Some(Transfer::Pull { deadline, .. }), _) => Some((Stage::Pulled, *deadline)),
            (None, Some(_)) => Some((Stage::Known, self.fetch_at)),
            (None, None) => None,
        }
    }

    fn is_over(&self) -> bool {
        let Self { building, known, fetch_at: _, fetch_from: _, doubted, transfer, refused, listed } = self;
        let fetches = building.is_some() || known.is_some() || transfer.is_some() || listed.is_some();
        !fetches && doubted.is_none() && refused.is_none()
    }
}
