//! All links, and everything that is on its way.

use super::link::{Link, Terms, Traffic, lane_index};
use datafan_core::{
    connector::{Address, Direction, Frame, Lane, SendError},
    engine::Input,
    hash::Hasher,
    id::MemberId,
    limits::{MESSAGE_BYTES_MAX, SMALL_BYTES_MAX},
    time::{SECOND, Time},
};
use datafan_testkit::rng::Rng;
use std::{collections::BTreeMap, sync::Arc};

/// A message that is about to be carried, as an interceptor sees it.
pub struct Passing<'a> {
    /// Its sender.
    pub from: usize,
    /// Its receiver.
    pub to: usize,
    /// Its lane.
    pub lane: Lane,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Now.
    pub time: Time,
}

/// What an interceptor does with a message.
pub enum Fate {
    /// It goes on.
    Pass,
    /// It is lost.
    Lose,
    /// Other bytes arrive in its place.
    Become(Vec<u8>),
    /// It arrives this many microseconds later, behind messages that were sent after it.
    Delay(u64),
    /// It arrives twice.
    Twice,
}

type Interceptor = Box<dyn FnMut(&Passing<'_>) -> Fate>;

pub(super) struct Network {
    links: BTreeMap<(usize, usize), Link>,
    /// What will happen, by time and then in the order of its cause.
    events: BTreeMap<(Time, u64), Event>,
    n_events: u64,
    interceptors: Vec<Interceptor>,
    ids: Vec<MemberId>,
    running: Vec<bool>,
    rng: Rng,
    trace: Hasher,
    /// What links are like that nobody has described.
    pub terms: Terms,
}

enum Event {
    Arrive { from: usize, to: usize, life: u64, bytes: Arc<[u8]> },
    Room { from: usize, to: usize, life: u64, lane: Lane },
    Down { from: usize, to: usize, life: u64, reason: String },
    Dialled { from: usize, to: usize, address: Address, expected: Option<MemberId> },
    Redial { from: usize, to: usize },
    Failed { from: usize, address: Address, expected: Option<MemberId>, error: String },
}

/// How long the world waits before it dials again for a link that it keeps up.
const REDIAL_MICROS: u64 = SECOND;

impl Network {
    pub fn new(rng: Rng) -> Self {
        Self {
            links: BTreeMap::new(),
            events: BTreeMap::new(),
            n_events: 0,
            interceptors: Vec::new(),
            ids: Vec::new(),
            running: Vec::new(),
            rng,
            trace: Hasher::new(0xff),
            terms: Terms::default(),
        }
    }

    pub fn add(&mut self, id: MemberId) {
        self.ids.push(id);
        self.running.push(false);
    }

    pub fn intercept(&mut self, interceptor: Interceptor) {
        self.interceptors.push(interceptor);
    }

    pub fn trace(&self) -> &Hasher {
        &self.trace
    }

    pub fn index(&self, id: &MemberId) -> Option<usize> {
        self.ids.iter().position(|known| known == id)
    }

    /// The link of two members; made when first asked for.
    pub fn link(&mut self, a: usize, b: usize) -> &mut Link {
        assert_ne!(a, b, "a member has no link to itself");
        let terms = self.terms;
        self.links.entry((a.min(b), a.max(b))).or_insert_with(|| Link { terms, ..Link::default() })
    }

    pub fn is_up(&self, a: usize, b: usize) -> bool {
        self.links.get(&(a.min(b), a.max(b))).is_some_and(|link| link.up)
    }

    pub fn traffic(&self, from: usize, to: usize) -> Traffic {
        let link = self.links.get(&(from.min(to), from.max(to)));
        link.map_or_else(Traffic::default, |link| link.traffic[usize::from(from > to)])
    }

    /// Pairs of linked members, lower number first.
    pub fn up(&self) -> impl Iterator<Item = (usize, usize)> {
        self.links.iter().filter(|(_, link)| link.up).map(|(pair, _)| *pair)
    }

    /// When the next thing happens.
    pub fn next(&self) -> Time {
        self.events.first_key_value().map_or(Time::NEVER, |((at, _), _)| *at)
    }

    /// `dialler` keeps a link to `dialled` from now on.
    pub fn keep_link(&mut self, now: Time, dialler: usize, dialled: usize) {
        self.link(dialler, dialled).dialler = Some(dialler);
        self.at(now, Event::Redial { from: dialler, to: dialled });
    }

    /// Takes the link down at once, for ever if nobody dials or heals: what is on its way is lost.
    pub fn break_link(&mut self, a: usize, b: usize, reason: &str) -> Vec<(usize, Input)> {
        let (a, b) = (a.min(b), a.max(b));
        let link = self.link(a, b);
        if !link.up {
            return Vec::new();
        }
        link.renew(false);
        let down = |peer: MemberId| Input::LinkDown { peer, reason: reason.to_owned() };
        let told = vec![(a, down(self.ids[b])), (b, down(self.ids[a]))];
        told.into_iter().filter(|(member, _)| self.running[*member]).collect()
    }

    /// The member's engine came up: links that are kept to or by it are dialled.
    pub fn started(&mut self, now: Time, member: usize) {
        self.running[member] = true;
        self.redial(now, |a, b| a == member || b == member);
    }

    /// The member's engine is gone, and its links with it.
    pub fn stopped(&mut self, now: Time, member: usize) -> Vec<(usize, Input)> {
        self.running[member] = false;
        let lost: Vec<_> = self.up().filter(|(a, b)| *a == member || *b == member).collect();
        let told = lost.into_iter().flat_map(|(a, b)| self.break_link(a, b, "the peer is gone")).collect();
        self.redial(now.after(REDIAL_MICROS), |a, b| a == member || b == member);
        told
    }

    pub fn heal(&mut self, now: Time, a: usize, b: usize) {
        self.link(a, b).cut = false;
        self.redial(now, |x, y| (x, y) == (a.min(b), a.max(b)));
    }

    fn redial(&mut self, at: Time, which: impl Fn(usize, usize) -> bool) {
        let kept = self.links.iter().filter(|((a, b), _)| which(*a, *b));
        let kept: Vec<_> = kept.filter_map(|((a, b), link)| Some((link.dialler?, a + b))).collect();
        for (from, sum) in kept {
            self.at(at, Event::Redial { from, to: sum - from });
        }
    }

    pub fn send(&mut self, now: Time, from: usize, to: usize, frame: Frame) -> Result<(), SendError> {
        let limit = if frame.lane == Lane::Small { SMALL_BYTES_MAX } else { MESSAGE_BYTES_MAX };
        assert!(frame.bytes.len() <= limit, "member {from} sends {frame:?}, limit {limit}");
        let lot = self.rng.next_u64();
        let link = self.link(from, to);
        if !link.up {
            return Err(SendError::Down);
        }
        let (life, terms, direction) = (link.life, link.terms, usize::from(from > to));
        let jitter = lot % (terms.jitter_micros + 1);
        let pipe = &mut link.pipes[direction][lane_index(frame.lane)];
        let carried = pipe.carry(now, &terms, jitter, frame.bytes.len());
        let arrival = match carried {
            Ok(arrival) => arrival,
            Err(room) => {
                if !std::mem::replace(&mut pipe.full, true) {
                    self.at(room, Event::Room { from, to, life, lane: frame.lane });
                }
                return Err(SendError::Full(frame));
            }
        };
        link.traffic[direction].messages += 1;
        link.traffic[direction].bytes += frame.bytes.len() as u64;
        let mut bytes = frame.bytes;
        for (at, other) in self.fate(now, from, to, frame.lane, &mut bytes, arrival) {
            self.trace.u64(at.0).u64(from as u64).u64(to as u64).u64(other.len() as u64).bytes(&other);
            self.at(at, Event::Arrive { from, to, life, bytes: other });
        }
        Ok(())
    }

    /// When which bytes arrive.
    fn fate(
        &mut self,
        now: Time,
        from: usize,
        to: usize,
        lane: Lane,
        bytes: &mut Arc<[u8]>,
        arrival: Time,
    ) -> Vec<(Time, Arc<[u8]>)> {
        let mut arrivals = vec![arrival];
        for interceptor in &mut self.interceptors {
            match interceptor(&Passing { from, to, lane, bytes, time: now }) {
                Fate::Pass => {}
                Fate::Lose => return Vec::new(),
                Fate::Become(other) => *bytes = other.into(),
                Fate::Delay(micros) => arrivals[0] = arrival.after(micros),
                Fate::Twice => arrivals.push(arrival.after(1)),
            }
        }
        arrivals.into_iter().map(|at| (at, bytes.clone())).collect()
    }

    /// An engine dials.
    pub fn dial(&mut self, now: Time, from: usize, address: Address, expected: Option<MemberId>) {
        let to = address.strip_prefix('m').and_then(|n| n.parse().ok()).filter(|n| *n < self.ids.len());
        let terms = self.terms;
        let at = now.after(2 * terms.latency_micros.max(1));
        let fail =
            |error: &str| Event::Failed { from, address: address.clone(), expected, error: error.into() };
        let event = match to {
            None => fail("no such address"),
            Some(to) if to == from => fail("that is ourselves"),
            Some(to) => Event::Dialled { from, to, address, expected },
        };
        self.at(at, event);
    }

    /// An engine closes a link: what it sent before arrives.
    pub fn close(&mut self, now: Time, from: usize, to: usize, reason: &str) {
        let link = self.link(from, to);
        let life = link.life;
        let last = link.pipes[usize::from(from > to)][lane_index(Lane::Small)].arrived_at();
        self.at(last.max(now).after(1), Event::Down { from, to, life, reason: reason.into() });
    }

    /// What happened up to `now`, in order: the member, and what it learns.
    pub fn happened(&mut self, now: Time) -> Vec<(usize, Input)> {
        let mut inputs = Vec::new();
        while self.next() <= now {
            let ((at, _), event) = self.events.pop_first().expect("a next event has a time");
            inputs.extend(self.happen(at, event));
        }
        inputs
    }

    fn happen(&mut self, now: Time, event: Event) -> Vec<(usize, Input)> {
        match event {
            Event::Arrive { from, to, life, bytes } if self.lives(from, to, life) => {
                self.link(from, to).traffic[usize::from(from > to)].arrived_bytes += bytes.len() as u64;
                vec![(to, Input::Message { from: self.ids[from], bytes })]
            }
            Event::Room { from, to, life, lane } if self.lives(from, to, life) => {
                self.link(from, to).pipes[usize::from(from > to)][lane_index(lane)].full = false;
                vec![(from, Input::Room { peer: self.ids[to], lane })]
            }
            Event::Down { from, to, life, reason } if self.lives(from, to, life) => {
                self.redial(now.after(REDIAL_MICROS), |a, b| (a, b) == (from.min(to), from.max(to)));
                self.break_link(from, to, &reason)
            }
            Event::Arrive { .. } | Event::Room { .. } | Event::Down { .. } => Vec::new(),
            Event::Redial { from, to } => {
                if self.reaches(from, to) {
                    self.bring_up(from, to)
                } else {
                    Vec::new()
                }
            }
            Event::Failed { from, address, expected, error } => self.failed(from, address, expected, &error),
            Event::Dialled { from, to, address, expected } => {
                if !self.reaches(from, to) {
                    return self.failed(from, address, expected, "no answer");
                }
                if expected.is_some_and(|expected| expected != self.ids[to]) {
                    return self.failed(from, address, expected, "somebody else answers there");
                }
                self.bring_up(from, to)
            }
        }
    }

    fn failed(
        &self,
        from: usize,
        address: Address,
        expected: Option<MemberId>,
        error: &str,
    ) -> Vec<(usize, Input)> {
        let input = Input::DialFailed { address, expected, error: error.to_owned() };
        if self.running[from] { vec![(from, input)] } else { Vec::new() }
    }

    fn bring_up(&mut self, dialler: usize, dialled: usize) -> Vec<(usize, Input)> {
        let link = self.link(dialler, dialled);
        if link.up {
            return Vec::new();
        }
        link.renew(true);
        let up = |peer: usize, direction| Input::LinkUp {
            peer: self.ids[peer],
            address: Some(format!("m{peer}").into()),
            direction,
        };
        vec![(dialler, up(dialled, Direction::Out)), (dialled, up(dialler, Direction::In))]
    }

    fn reaches(&mut self, a: usize, b: usize) -> bool {
        self.running[a] && self.running[b] && !self.link(a, b).cut
    }

    fn lives(&mut self, a: usize, b: usize, life: u64) -> bool {
        let link = self.link(a, b);
        link.up && link.life == life
    }

    fn at(&mut self, time: Time, event: Event) {
        self.n_events += 1;
        self.events.insert((time, self.n_events), event);
    }
}
