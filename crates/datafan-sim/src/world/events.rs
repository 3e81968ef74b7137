//! Future events, ordered by time and then by cause.

use super::dial::Dial;
use datafan_core::{connector::Lane, time::Time};
use std::{cmp::Ordering, collections::BinaryHeap, sync::Arc};

/// An event in flight. Frequent ones are small, since there are millions of them.
pub(super) enum Event {
    /// A message arrives; `life` identifies the life of its link.
    Arrive { link: u32, direction: u8, life: u32, bytes: Arc<[u8]> },
    /// A lane has room again.
    Room { link: u32, direction: u8, life: u32, lane: Lane },
    /// Any other event.
    Rare(Box<Rare>),
}

/// An event of a link's life.
pub(super) enum Rare {
    /// An engine has closed a link.
    Down {
        from: usize,
        to: usize,
        life: u32,
        reason: String,
    },
    /// The ends of a lost link notice.
    Noticed {
        a: usize,
        b: usize,
        life: u32,
    },
    /// The line of a link has been down long enough to be noticed.
    Idle {
        a: usize,
        b: usize,
        life: u32,
        since: Time,
    },
    Dialled(Dial),
    Redial {
        from: usize,
        to: usize,
    },
}

/// A queue of events. Most are due within milliseconds: these lie in a ring with a slot for each microsecond,
/// where queueing and taking have a constant cost; the others lie in a heap.
pub(super) struct Events {
    /// The ring covers the time from here on; no queued event is earlier.
    begin: Time,
    /// The first and the last event of each slot.
    slots: Vec<(u32, u32)>,
    /// A bit for each slot that has events.
    taken: Vec<u64>,
    /// The events of the ring, each with the index of the next one in its slot or in the free list.
    near: Vec<(Option<Event>, u32)>,
    /// The first free place in `near`.
    free: u32,
    n_near: usize,
    far: BinaryHeap<Queued>,
    n_queued: u64,
}

struct Queued {
    at: Time,
    n: u64,
    event: Event,
}

/// Microseconds that the ring covers.
const RING: u64 = 1 << 14;
/// No event.
const NONE: u32 = u32::MAX;

impl Events {
    pub fn new() -> Self {
        Self {
            begin: Time(0),
            slots: vec![(NONE, NONE); RING as usize],
            taken: vec![0; RING as usize / 64],
            near: Vec::new(),
            free: NONE,
            n_near: 0,
            far: BinaryHeap::new(),
            n_queued: 0,
        }
    }

    /// Queues `event`; events of the same time keep their order.
    pub fn at(&mut self, at: Time, event: Event) {
        let at = at.max(self.begin);
        if at.0 - self.begin.0 < RING {
            self.put(at, event);
        } else {
            self.n_queued += 1;
            self.far.push(Queued { at, n: self.n_queued, event });
        }
    }

    /// When the next event is due.
    pub fn next(&self) -> Time {
        self.next_far().min(self.next_near())
    }

    /// The next event, if it is due at `now`.
    pub fn pop(&mut self, now: Time) -> Option<(Time, Event)> {
        let (near, far) = (self.next_near(), self.next_far());
        let next = near.min(far);
        self.begin = self.begin.max(next.min(now));
        if next > now {
            return None;
        }
        // Of two events at one time, the far one was queued earlier, when its time was farther away.
        let event = if far <= near { self.far.pop()?.event } else { self.take(near)? };
        Some((next, event))
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.n_near + self.far.len()
    }

    fn next_far(&self) -> Time {
        self.far.peek().map_or(Time::NEVER, |queued| queued.at)
    }

    fn next_near(&self) -> Time {
        if self.n_near == 0 {
            return Time::NEVER;
        }
        let first = (self.begin.0 % RING) as usize;
        let n = self.taken.len();
        // The word of the first slot is examined twice: its later part first, and its earlier part, which is
        // later in time, last.
        let words = (0..=n).map(|i| ((first / 64 + i) % n, i));
        for (word, i) in words {
            let from = !0 << (first % 64);
            let mask = if i == 0 {
                from
            } else if i == n {
                !from
            } else {
                !0
            };
            let bits = self.taken[word] & mask;
            if bits != 0 {
                let slot = word as u64 * 64 + u64::from(bits.trailing_zeros());
                return self.begin.after((slot + RING - first as u64) % RING);
            }
        }
        unreachable!("an event of the ring is in one of its slots")
    }

    fn put(&mut self, at: Time, event: Event) {
        let place = match self.free {
            NONE => {
                self.near.push((Some(event), NONE));
                u32::try_from(self.near.len() - 1).expect("fewer than four thousand million events")
            }
            place => {
                let free = &mut self.near[place as usize];
                self.free = std::mem::replace(free, (Some(event), NONE)).1;
                place
            }
        };
        let slot = (at.0 % RING) as usize;
        match &mut self.slots[slot] {
            (first @ NONE, last) => {
                (*first, *last) = (place, place);
                self.taken[slot / 64] |= 1 << (slot % 64);
            }
            (_, last) => self.near[std::mem::replace(last, place) as usize].1 = place,
        }
        self.n_near += 1;
    }

    fn take(&mut self, at: Time) -> Option<Event> {
        let slot = (at.0 % RING) as usize;
        let place = self.slots[slot].0;
        let (event, next) = std::mem::replace(&mut self.near[place as usize], (None, self.free));
        self.free = place;
        self.slots[slot].0 = next;
        if next == NONE {
            self.taken[slot / 64] &= !(1 << (slot % 64));
        }
        self.n_near -= 1;
        event
    }
}

impl Ord for Queued {
    /// The heap returns the greatest first, which is the earliest.
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

#[cfg(test)]
mod tests {
    use super::*;
    use datafan_testkit::rng::Rng;
    use std::collections::BTreeMap;

    #[test]
    fn events_come_in_the_order_of_time_and_then_of_their_cause() {
        let (mut events, mut rng, mut plain) = (Events::new(), Rng::new(1), BTreeMap::new());
        let mut now = Time(1_000);
        for n in 0..20_000 {
            // Some at once, some soon, some beyond the ring, and many at the same time.
            let span = [1, 10, 3_000, 3 * RING][rng.below(4) as usize];
            let at = now.after(rng.below(span));
            events.at(at, Event::Arrive { link: n, direction: 0, life: 0, bytes: [].into() });
            plain.insert((at, n), ());
            assert_eq!((events.next(), events.len()), (plain.first_key_value().unwrap().0.0, plain.len()));
            now = now.after(rng.below(40));
            while rng.below(30) > 0
                && let Some((at, Event::Arrive { link, .. })) = events.pop(now)
            {
                assert_eq!(plain.pop_first().unwrap().0, (at, link));
                assert!(at <= now);
            }
        }
        while let Some((at, Event::Arrive { link, .. })) = events.pop(Time(u64::MAX / 2)) {
            assert_eq!(plain.pop_first().unwrap().0, (at, link));
        }
        assert!(plain.is_empty() && events.next() == Time::NEVER);
    }
}
