//! The fetch queue: owners with a known head or a transfer, ordered by what they wait for, so that a call
//! handles only owners with work.

use crate::{id::MemberId, time::Time};
use alloc::{collections::BTreeSet, vec::Vec};
use core::ops::Bound;

/// What an owner waits for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::engine) enum Stage {
    /// The owner is being reconciled.
    Compared,
    /// A delta was requested.
    Pulled,
    /// A later head is known.
    Known,
}

/// Waiting owners, by stage and time.
#[derive(Default)]
pub(super) struct FetchQueue(BTreeSet<(Stage, Time, MemberId)>);

impl FetchQueue {
    /// Moves an owner from one place in the queue to another.
    pub(super) fn list(&mut self, owner: &MemberId, from: Option<(Stage, Time)>, to: Option<(Stage, Time)>) {
        if let Some((stage, at)) = from {
            self.0.remove(&(stage, at, *owner));
        }
        if let Some((stage, at)) = to {
            self.0.insert((stage, at, *owner));
        }
    }

    /// Whether the queue is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All owners that are being reconciled.
    pub(super) fn compared(&self) -> Vec<MemberId> {
        self.below(Stage::Pulled)
    }

    /// All owners with a transfer.
    pub(super) fn under_way(&self) -> Vec<MemberId> {
        self.below(Stage::Known)
    }

    /// Number of owners that are being reconciled.
    pub(super) fn n_compared(&self) -> usize {
        self.0.iter().take_while(|(stage, _, _)| *stage == Stage::Compared).count()
    }

    fn below(&self, stage: Stage) -> Vec<MemberId> {
        self.0.iter().take_while(|(at, _, _)| *at < stage).map(|(_, _, owner)| *owner).collect()
    }

    /// An owner whose pull was not answered in time.
    pub(super) fn overdue(&self, now: Time) -> Option<MemberId> {
        let (_, deadline, owner) = self.0.range(first_of(Stage::Pulled)..first_of(Stage::Known)).next()?;
        (*deadline <= now).then_some(*owner)
    }

    /// The next owner after `last` whose known head is due.
    pub(super) fn known_after(&self, last: Option<(Time, MemberId)>, now: Time) -> Option<(Time, MemberId)> {
        let from = match last {
            Some((at, owner)) => Bound::Excluded((Stage::Known, at, owner)),
            None => Bound::Included(first_of(Stage::Known)),
        };
        let (_, at, owner) = self.0.range((from, Bound::Unbounded)).next()?;
        (*at <= now).then_some((*at, *owner))
    }

    /// When the next pull is overdue or the next fetch is due. Fetches that are due already wait for room on
    /// a link.
    pub(super) fn next(&self, now: Time) -> Time {
        let pulled = self.0.range(first_of(Stage::Pulled)..first_of(Stage::Known)).next();
        let due = (Stage::Known, now.after(1), MemberId([0; 32]));
        let known = self.0.range(due..).next();
        pulled.into_iter().chain(known).map(|(_, at, _)| *at).min().unwrap_or(Time::NEVER)
    }
}

fn first_of(stage: Stage) -> (Stage, Time, MemberId) {
    (stage, Time(0), MemberId([0; 32]))
}
