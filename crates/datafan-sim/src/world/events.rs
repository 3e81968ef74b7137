//! What will happen, in the order of time and then of its cause.

use datafan_core::{
    connector::{Address, Lane},
    id::MemberId,
    time::Time,
};
use std::{cmp::Ordering, collections::BinaryHeap, sync::Arc};

/// Something on its way. What is frequent is small: there are millions of them.
pub(super) enum Event {
    /// A message arrives; `life` names the life of the link that it belongs to.
    Arrive { link: u32, direction: u8, life: u32, bytes: Arc<[u8]> },
    /// A lane has room again.
    Room { link: u32, direction: u8, life: u32, lane: Lane },
    /// The rest.
    Rare(Box<Rare>),
}

/// Something of a link's birth or death.
pub(super) enum Rare {
    Down { from: usize, to: usize, life: u32, reason: String },
    Dialled { from: usize, to: usize, address: Address, expected: Option<MemberId> },
    Redial { from: usize, to: usize },
    Failed { from: usize, address: Address, expected: Option<MemberId>, error: String },
}

/// A queue of events.
#[derive(Default)]
pub(super) struct Events {
    heap: BinaryHeap<Queued>,
    n_queued: u64,
}

struct Queued {
    at: Time,
    n: u64,
    event: Event,
}

impl Events {
    /// Queues `event`; of two at one time the one that was queued first comes first.
    pub fn at(&mut self, at: Time, event: Event) {
        self.n_queued += 1;
        self.heap.push(Queued { at, n: self.n_queued, event });
    }

    /// When the next one is due.
    pub fn next(&self) -> Time {
        self.heap.peek().map_or(Time::NEVER, |queued| queued.at)
    }

    /// The next one, if it is due at `now`.
    pub fn pop(&mut self, now: Time) -> Option<(Time, Event)> {
        if self.next() > now {
            return None;
        }
        self.heap.pop().map(|queued| (queued.at, queued.event))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.heap.len()
    }
}

impl Ord for Queued {
    /// The heap gives the greatest first: that is the earliest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.n).cmp(&(self.at, self.n))
    }
}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Queued {}
