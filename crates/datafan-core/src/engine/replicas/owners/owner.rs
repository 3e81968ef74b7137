//! What the engine knows about one owner and its shard.

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

/// One owner. A member of a large mesh holds very many, and nearly all are idle. So an idle owner takes 24
/// bytes beside its place, and a record that may be shared with the store.
pub(in crate::engine) struct Owner {
    /// The record of the visible shard; it always has a head.
    record: Option<Arc<ShardRecord>>,
    /// State that most owners do not have. Always present without a record, because it then holds the owner's
    /// id.
    rest: Option<Box<Rest>>,
    shard: ShardNumber,
    /// Which links carry its pushes, unless `rest` has a tree that does not fit here.
    tree: SmallTree,
    pub(in crate::engine::replicas) standing: Standing,
}

/// The standing of an owner in the roster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::engine) enum Standing {
    /// It is not in the roster.
    Unknown,
    /// It is an active member with the default quota.
    Plain,
    /// Anything else, which the roster in memory holds.
    Special,
}

struct Rest {
    id: MemberId,
    tree: Option<Tree>,
    busy: Option<Box<Busy>>,
}

/// Known heads and transfers of an owner.
pub(in crate::engine::replicas) struct Busy {
    /// The hidden copy, from this run or an earlier one.
    pub(in crate::engine::replicas) building: Option<ShardNumber>,
    /// The greatest acceptable head that was announced and is not held. Its signature is verified.
    pub(in crate::engine::replicas) known: Option<Head>,
    /// When `known` is fetched. Until then its push may arrive.
    pub(in crate::engine::replicas) fetch_at: Time,
    /// The peer that announced `known`.
    pub(in crate::engine::replicas) fetch_from: Option<MemberId>,
    /// The peer whose last push did not apply. It is asked only if no other peer has the head.
    pub(in crate::engine::replicas) doubted: Option<MemberId>,
    /// The one transfer under way.
    pub(in crate::engine::replicas) transfer: Option<Transfer>,
    /// The greatest head that was refused, so that it is neither fetched nor judged again.
    pub(in crate::engine::replicas) refused: Option<Refused>,
    /// Its place in the fetch queue.
    pub(in crate::engine::replicas) listed: Option<(Stage, Time)>,
}

/// A transfer under way.
pub(in crate::engine) enum Transfer {
    /// A delta was requested.
    Pull {
        /// The peer that was asked.
        from: MemberId,
        /// The base of the delta.
        since: Timestamp,
        /// When another peer is asked.
        deadline: Time,
    },
    /// The owner is being reconciled.
    Reconciliation(Box<Reconciliation>),
}

/// A refused head, with the reason.
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
    /// The verified content does not match the head, or breaks a rule.
    Invalid,
    /// A roster older than the ticket, or one that lacks known members.
    Roster,
    /// The owner restamped what it wrote at that time.
    Restamped,
    /// Earlier than the held head, which it does not make invalid.
    StepBack,
    /// Not the head at which a revoked owner's shard is kept.
    Revoked,
    /// The owner is a reader, which has no shard.
    Reader,
    /// It would replace a state that is not its ancestor, and there is no room to keep that state.
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

/// The state of an idle owner.
static IDLE: Busy = Busy::new();

impl Owner {
    /// An owner without a held shard.
    pub(super) fn new(id: MemberId) -> Self {
        let rest = Some(Box::new(Rest::new(id)));
        Self { record: None, rest, shard: ShardNumber(0), tree: SmallTree::NEW, standing: Standing::Unknown }
    }

    pub(in crate::engine) fn id(&self) -> &MemberId {
        match (&self.record, &self.rest) {
            (Some(record), _) => &record.owner,
            (None, Some(rest)) => &rest.id,
            (None, None) => unreachable!("an owner has a record or the rest"),
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

    /// Replaces the held record by the store's equal copy, to share memory.
    pub(in crate::engine::replicas) fn share(&mut self, stored: Arc<ShardRecord>) {
        if self.record.as_ref().is_some_and(|record| **record == *stored) {
            self.record = Some(stored);
        }
    }

    /// The head of the visible shard.
    pub(in crate::engine) fn head(&self) -> Option<&Head> {
        self.record.as_ref().and_then(|record| record.head())
    }

    /// The timestamp of the held head; 0 if there is none.
    pub(in crate::engine) fn timestamp(&self) -> Timestamp {
        self.head().map_or(Timestamp::ZERO, |head| head.timestamp)
    }

    /// What the roster says of it, in short.
    pub(in crate::engine) fn standing(&self) -> Standing {
        self.standing
    }

    /// The greatest acceptable head that was announced and is not held.
    pub(in crate::engine) fn known(&self) -> Option<Head> {
        self.busy().known
    }

    /// When the known head is fetched.
    pub(in crate::engine) fn fetch_at(&self) -> Time {
        self.busy().fetch_at
    }

    /// The peer that announced the known head.
    pub(in crate::engine) fn fetch_from(&self) -> Option<MemberId> {
        self.busy().fetch_from
    }

    /// The peer whose last push did not apply.
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

    /// The known head and transfer.
    pub(in crate::engine::replicas) fn busy(&self) -> &Busy {
        self.rest.as_ref().and_then(|rest| rest.busy.as_deref()).unwrap_or(&IDLE)
    }

    /// The known head and transfer, mutable. Uses memory until [`Owner::tidy`] finds it idle.
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

    /// Sets which links carry its pushes. Uses extra memory while a link beyond the first sixteen is pruned.
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

    /// Frees the memory of state that is no longer needed.
    pub(in crate::engine::replicas) fn tidy(&mut self) {
        if let Some(rest) = &mut self.rest {
            rest.busy.take_if(|busy| busy.is_over());
            if rest.busy.is_none() && rest.tree.is_none() && self.record.is_some() {
                self.rest = None;
            }
        }
    }

    /// Takes the hidden copy, if there is one.
    pub(in crate::engine::replicas) fn take_building(&mut self) -> Option<ShardNumber> {
        self.busy().building?;
        let building = self.busy_mut().building.take();
        self.tidy();
        building
    }

    /// Forgets the known head.
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

    /// What the owner waits for and until when: a reconciliation, an answer to a pull, or the time of a
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
