//! A link between two members: what it costs, and what is on its way.

use datafan_core::{connector::Lane, limits::MESSAGE_BYTES_MAX, time::Time};
use std::collections::VecDeque;

/// What a link is like, the same in both directions.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Time that every message is on its way, in microseconds, at least 1; default 2 ms.
    pub latency_micros: u64,
    /// Up to this much is added by lot, in microseconds; default 500. Order within a lane is kept.
    pub jitter_micros: u64,
    /// Bytes per second of each lane; default without bound.
    pub rate: Option<u64>,
    /// Bytes that wait in a lane before it answers `Full`; one message always finds room in an empty lane.
    pub queue_bytes: usize,
}

impl Default for Terms {
    fn default() -> Self {
        Self { latency_micros: 2_000, jitter_micros: 500, rate: None, queue_bytes: 2 * MESSAGE_BYTES_MAX }
    }
}

/// What went over one direction of a link; lost messages count too.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Traffic {
    /// Messages.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that have arrived by now.
    pub arrived_bytes: u64,
}

/// One direction of one lane.
#[derive(Default)]
pub(super) struct Pipe {
    /// Messages that did not leave yet: when they will have left, and their bytes.
    leaving: VecDeque<(Time, usize)>,
    /// When the last one has left.
    free_at: Time,
    /// When the last one arrives.
    arrived_at: Time,
    /// `Full` was answered, and `Room` not yet.
    pub full: bool,
}

/// Two members that may be linked. Direction 0 is from the lower number to the higher.
#[derive(Default)]
pub(super) struct Link {
    pub terms: Terms,
    /// Who dials again whenever the link is down; `None`: only when an engine dials.
    pub dialler: Option<usize>,
    /// Nothing gets through, dials fail.
    pub cut: bool,
    pub up: bool,
    /// Names one life of the link: what belongs to an earlier one is lost.
    pub life: u64,
    pub pipes: [[Pipe; 2]; 2],
    pub traffic: [Traffic; 2],
}

impl Pipe {
    /// When a message of `bytes` handed over now would arrive, or when there will be room.
    pub fn carry(&mut self, now: Time, terms: &Terms, jitter: u64, bytes: usize) -> Result<Time, Time> {
        while self.leaving.front().is_some_and(|(at, _)| *at <= now) {
            self.leaving.pop_front();
        }
        let waiting: usize = self.leaving.iter().map(|(_, bytes)| bytes).sum();
        if waiting > 0 && waiting + bytes > terms.queue_bytes {
            return Err(self.free_at);
        }
        let spent = terms.rate.map_or(0, |rate| (bytes as u64 * 1_000_000).div_ceil(rate));
        self.free_at = self.free_at.max(now).after(spent);
        self.leaving.push_back((self.free_at, bytes));
        self.arrived_at = self.arrived_at.max(self.free_at.after(terms.latency_micros.max(1) + jitter));
        Ok(self.arrived_at)
    }

    /// When all that was handed over has arrived.
    pub fn arrived_at(&self) -> Time {
        self.arrived_at
    }
}

impl Link {
    /// A new life of the link, up or down, with empty lanes.
    pub fn renew(&mut self, up: bool) {
        self.up = up;
        self.life += 1;
        self.pipes = Default::default();
    }
}

pub(super) fn lane_index(lane: Lane) -> usize {
    match lane {
        Lane::Small => 0,
        Lane::Bulk => 1,
    }
}
