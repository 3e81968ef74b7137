//! A link between two members: its properties, and the messages in flight.

use datafan_core::{connector::Lane, limits::MESSAGE_BYTES_MAX, time::Time};
use datafan_testkit::rng::Rng;
use std::collections::VecDeque;

/// The properties of a link, the same in both directions.
#[derive(Clone, Copy, Debug)]
pub struct LinkProfile {
    /// Latency of every message in microseconds, at least 1; default 2 ms.
    pub latency_micros: u64,
    /// Up to this much is added at random, in microseconds; default 500. The order within a lane is kept.
    pub jitter_micros: u64,
    /// How many of a million messages take longer still; default none. The order within a lane is kept.
    pub tail_ppm: u32,
    /// Minimum extra latency of such a message in microseconds; one in ten takes ten times as long, one in a
    /// hundred a hundred times.
    pub tail_micros: u64,
    /// Bytes per second of each lane; default unlimited.
    pub rate: Option<u64>,
    /// Bytes that wait in a lane before it answers `Full`; an empty lane always takes one message.
    pub queue_bytes: usize,
    /// How many of a million messages are lost; default none.
    pub loss_ppm: u32,
    /// How many of a million messages arrive twice; default none.
    pub twice_ppm: u32,
    /// How many of a million messages are overtaken by later ones; default none.
    pub late_ppm: u32,
    /// Maximum delay of these, in microseconds.
    pub late_micros: u64,
}

impl Default for LinkProfile {
    fn default() -> Self {
        Self {
            latency_micros: 2_000,
            jitter_micros: 500,
            tail_ppm: 0,
            tail_micros: 0,
            rate: None,
            queue_bytes: 2 * MESSAGE_BYTES_MAX,
            loss_ppm: 0,
            twice_ppm: 0,
            late_ppm: 0,
            late_micros: 0,
        }
    }
}

impl LinkProfile {
    /// Extra latency of a message, at random.
    pub(super) fn delay(&self, rng: &mut Rng) -> u64 {
        let jitter = rng.next_u64() % (self.jitter_micros + 1);
        if !hits(self.tail_ppm, rng) {
            return jitter;
        }
        // Discrete and heavy-tailed: 1, 10 or 100 times, with probabilities of 90, 9 and 1 %.
        let factor = match rng.below(100) {
            0 => 100,
            1..10 => 10,
            _ => 1,
        };
        jitter + self.tail_micros * factor
    }
}

/// True with a probability of so many in a million. Draws no random number if that is 0.
pub(super) fn hits(ppm: u32, rng: &mut Rng) -> bool {
    ppm > 0 && rng.below(1_000_000) < u64::from(ppm)
}

/// Traffic over one direction of a link; lost messages count too.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Traffic {
    /// Messages.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that have arrived so far.
    pub arrived_bytes: u64,
}

/// One direction of one lane.
#[derive(Default)]
pub(super) struct Pipe {
    /// Only if there is a rate.
    leaving: Option<Box<Leaving>>,
    /// When the last message has left.
    free_at: Time,
    /// When the last message arrives.
    arrived_at: Time,
    /// `Full` was answered, and `Room` not yet.
    pub full: bool,
}

/// Messages that have not left yet: when they will have left, and their bytes.
#[derive(Default)]
struct Leaving(VecDeque<(Time, usize)>);

/// One direction of a link. The fields that every message needs lie together.
#[derive(Default)]
pub(super) struct Way {
    pub traffic: Traffic,
    /// Nothing gets through, and nobody notices.
    pub deaf: bool,
    pub pipes: [Pipe; 2],
}

/// Two members that may be linked. Direction 0 is from the lower number to the higher one.
#[derive(Default)]
pub(super) struct Link {
    /// The lower number and the higher.
    pub ends: (usize, usize),
    pub profile: LinkProfile,
    /// The member that dials again whenever the link is down; `None`: only engines dial.
    pub dialler: Option<usize>,
    /// Nothing gets through, dials fail.
    pub cut: bool,
    pub up: bool,
    /// Which ends were told that it is up, and not yet that it is down: that of the lower number and that of
    /// the higher one.
    pub believed: [bool; 2],
    /// It is cut, or a partition lies between its ends: nothing gets through.
    pub blocked: bool,
    /// Since when its line is down without anybody having noticed.
    pub dark_since: Option<Time>,
    /// Identifies one life of the link: events of an earlier life are dropped.
    pub life: u32,
    pub ways: [Way; 2],
}

impl Pipe {
    /// When a message of `bytes` that is sent now arrives, or when there will be room.
    pub fn carry(
        &mut self,
        now: Time,
        profile: &LinkProfile,
        delay: u64,
        bytes: usize,
    ) -> Result<Time, Time> {
        if let Some(rate) = profile.rate {
            let Leaving(leaving) = &mut **self.leaving.get_or_insert_default();
            while leaving.front().is_some_and(|(at, _)| *at <= now) {
                leaving.pop_front();
            }
            let waiting: usize = leaving.iter().map(|(_, bytes)| bytes).sum();
            if waiting > 0 && waiting + bytes > profile.queue_bytes {
                return Err(self.free_at);
            }
            let spent = (bytes as u64 * 1_000_000).div_ceil(rate);
            self.free_at = self.free_at.max(now).after(spent);
            leaving.push_back((self.free_at, bytes));
        } else {
            self.free_at = self.free_at.max(now);
        }
        self.arrived_at = self.arrived_at.max(self.free_at.after(profile.latency_micros.max(1) + delay));
        Ok(self.arrived_at)
    }

    /// When everything sent so far has arrived.
    pub fn arrived_at(&self) -> Time {
        self.arrived_at
    }
}

impl Link {
    /// Starts a new life of the link, up or down, with empty lanes.
    pub fn renew(&mut self, up: bool) {
        self.up = up;
        self.dark_since = None;
        if up {
            (self.believed, self.blocked) = ([true; 2], false);
        }
        self.life += 1;
        self.ways.iter_mut().for_each(|way| way.pipes = Default::default());
    }
}

pub(super) fn lane_index(lane: Lane) -> usize {
    match lane {
        Lane::Small => 0,
        Lane::Bulk => 1,
    }
}
