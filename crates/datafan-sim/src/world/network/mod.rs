//! All links, and everything in flight.

mod dials;
mod lines;
mod places;

use super::{
    dial::Dial,
    events::{Event, Events, Rare},
    happening::{Happening, Noted},
    ids::Ids,
    link::{Link, LinkProfile, Traffic, hits, lane_index},
    trace::Trace,
};
use datafan_core::{
    connector::{Frame, Lane, SendError},
    engine::Input,
    id::MemberId,
    limits::{MESSAGE_BYTES_MAX, SMALL_BYTES_MAX},
    time::Time,
};
use datafan_testkit::rng::Rng;
pub use places::BRIDGES;
use places::Places;
use std::sync::Arc;

/// A message about to be sent, as an interceptor sees it.
pub struct Passing<'a> {
    /// Its sender.
    pub from: usize,
    /// Its receiver.
    pub to: usize,
    /// Its lane.
    pub lane: Lane,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// The time.
    pub time: Time,
}

/// The decision of an interceptor.
pub enum Fate {
    /// The message is sent.
    Pass,
    /// The message is lost.
    Lose,
    /// Other bytes are sent instead.
    Become(Vec<u8>),
    /// The message arrives this many microseconds later, behind later messages.
    Delay(u64),
    /// The message arrives twice.
    Twice,
    /// The message is sent, followed by these.
    Followed(Vec<Vec<u8>>),
}

/// A possible peer of a member. Every message needs one, so its fields lie together.
#[derive(Clone, Copy)]
struct Neighbour {
    peer: u32,
    link: u32,
    /// The first bytes of its id. Ids are practically random, so this tells neighbours apart.
    id: u64,
}

type Interceptor = Box<dyn FnMut(&Passing<'_>) -> Fate>;

/// The properties of the link of two members.
type Describe = Box<dyn Fn(usize, usize) -> LinkProfile>;

pub(super) struct Network {
    links: Vec<Link>,
    /// The possible peers of each member, ascending, with their links. Only members that were once linked
    /// have an entry.
    neighbours: Vec<Vec<Neighbour>>,
    events: Events,
    interceptors: Vec<Interceptor>,
    ids: Vec<MemberId>,
    numbers: Ids,
    running: Vec<bool>,
    /// When each member was last started.
    started_at: Vec<Time>,
    /// Set if several processes have one key.
    has_twins: bool,
    rng: Rng,
    trace: Trace,
    n_carried: u64,
    /// The default properties of links.
    pub profile: LinkProfile,
    /// The properties of links that are made later.
    describe: Option<Describe>,
    /// The addresses of members, and the partitions.
    pub places: Places,
    /// How long a line is down until the ends of its link notice, in microseconds; 0: at once.
    pub idle_micros: u64,
    /// How long a dial waits for an answer, in microseconds; 0: one round trip.
    pub dial_micros: u64,
    /// Events not yet taken; `None` while nobody observes.
    pub happenings: Option<Vec<Noted>>,
}

impl Network {
    pub fn new(rng: Rng) -> Self {
        Self {
            links: Vec::new(),
            neighbours: Vec::new(),
            events: Events::new(),
            interceptors: Vec::new(),
            ids: Vec::new(),
            numbers: Ids::default(),
            running: Vec::new(),
            started_at: Vec::new(),
            has_twins: false,
            rng,
            trace: Trace::new(),
            n_carried: 0,
            profile: LinkProfile::default(),
            describe: None,
            places: Places::default(),
            idle_micros: 0,
            dial_micros: 0,
            happenings: None,
        }
    }

    pub fn add(&mut self, id: MemberId) {
        self.places.add(self.ids.len());
        match self.numbers.get(&id) {
            Some(_) => self.has_twins = true,
            None => self.numbers.insert(id, self.ids.len()),
        }
        self.ids.push(id);
        self.running.push(false);
        self.started_at.push(Time(0));
        self.neighbours.push(Vec::new());
    }

    pub fn intercept(&mut self, interceptor: Interceptor) {
        self.interceptors.push(interceptor);
    }

    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Number of messages sent so far.
    pub fn n_carried(&self) -> u64 {
        self.n_carried
    }

    /// Number of events in flight.
    pub fn n_under_way(&self) -> usize {
        self.events.len()
    }

    /// The number of an id; for two processes with one key, that of the first.
    pub fn index(&self, id: &MemberId) -> Option<usize> {
        self.numbers.get(id)
    }

    /// The process behind an id with which a member was last linked.
    pub fn peer(&self, member: usize, id: &MemberId) -> Option<usize> {
        Some(self.neighbour(member, id)?.peer as usize)
    }

    fn neighbour(&self, member: usize, id: &MemberId) -> Option<Neighbour> {
        let id = leading(id);
        let neighbours = &self.neighbours[member];
        let first = neighbours.iter().position(|neighbour| neighbour.id == id)?;
        let is_up = |neighbour: &&Neighbour| self.links[neighbour.link as usize].up;
        // Of two processes with one key, at most one is linked.
        let up = match self.has_twins {
            true => neighbours[first..].iter().filter(|neighbour| neighbour.id == id).find(is_up),
            false => None,
        };
        Some(*up.unwrap_or(&neighbours[first]))
    }

    /// Other processes with the key of `member`.
    fn namesakes(&self, member: usize) -> Vec<usize> {
        if !self.has_twins {
            return Vec::new();
        }
        (0..self.ids.len()).filter(|other| *other != member && self.ids[*other] == self.ids[member]).collect()
    }

    /// Records an event for observers; everything except messages also enters the trace.
    pub fn note(&mut self, time: Time, what: Happening) {
        let traced = match &what {
            Happening::Started { member } => Some((*member, 0)),
            Happening::Stopped { member, .. } => Some((*member, 0)),
            Happening::Linked { a, b, .. } => Some((*a, *b)),
            Happening::Applied { .. } | Happening::Sent { .. } | Happening::Synced { .. } => None,
            Happening::Answered { .. } | Happening::Alarmed { .. } => None,
        };
        if let Some((a, b)) = traced {
            self.trace.note(time, a, b);
        }
        if let Some(happenings) = &mut self.happenings {
            happenings.push(Noted { time, what });
        }
    }

    /// The link of two members, created at the first call.
    pub fn link(&mut self, a: usize, b: usize) -> &mut Link {
        assert_ne!(a, b, "a member has no link to itself");
        let at = match self.find(a, b) {
            Some(at) => at,
            None => self.make(a.min(b), a.max(b)),
        };
        &mut self.links[at]
    }

    fn find(&self, a: usize, b: usize) -> Option<usize> {
        let neighbours = self.neighbours.get(a)?;
        let at = neighbours.binary_search_by_key(&(b as u32), |neighbour| neighbour.peer).ok()?;
        Some(neighbours[at].link as usize)
    }

    fn make(&mut self, a: usize, b: usize) -> usize {
        let at = self.links.len();
        self.links.push(Link { profile: self.profile_between(a, b), ends: (a, b), ..Link::default() });
        for (member, peer) in [(a, b as u32), (b, a as u32)] {
            let neighbour = Neighbour { peer, link: at as u32, id: leading(&self.ids[peer as usize]) };
            let neighbours = &mut self.neighbours[member];
            let place = neighbours.partition_point(|other| other.peer < peer);
            neighbours.insert(place, neighbour);
        }
        at
    }

    /// Sets the properties of all links, including those that are made later.
    pub fn describe(&mut self, describe: Describe) {
        for link in &mut self.links {
            link.profile = describe(link.ends.0, link.ends.1);
        }
        self.describe = Some(describe);
    }

    /// The properties of the link of two members when it is made.
    fn profile_between(&self, a: usize, b: usize) -> LinkProfile {
        self.describe.as_ref().map_or(self.profile, |describe| describe(a.min(b), a.max(b)))
    }

    /// The links of a member, up or not, by the number of the peer.
    fn links_of(&self, member: usize) -> impl Iterator<Item = &Link> {
        self.neighbours[member].iter().map(|neighbour| &self.links[neighbour.link as usize])
    }

    pub fn is_up(&self, a: usize, b: usize) -> bool {
        self.find(a, b).is_some_and(|at| self.links[at].up)
    }

    /// Whether a link is up and its line works.
    pub fn carries(&self, a: usize, b: usize) -> bool {
        self.find(a, b).is_some_and(|at| self.links[at].up && self.links[at].dark_since.is_none())
    }

    pub fn traffic(&self, from: usize, to: usize) -> Traffic {
        self.find(from, to)
            .map_or_else(Traffic::default, |at| self.links[at].ways[usize::from(from > to)].traffic)
    }

    /// The members to which a member is linked, ascending.
    pub fn peers(&self, member: usize) -> Vec<usize> {
        let up = self.links_of(member).filter(|link| link.up);
        up.map(|link| link.ends.0 + link.ends.1 - member).collect()
    }

    /// All links that ever existed, in the order of their creation: their ends and whether they are up.
    pub fn all(&self) -> impl Iterator<Item = ((usize, usize), bool)> {
        self.links.iter().map(|link| (link.ends, link.up))
    }

    /// When the next event is due.
    pub fn next(&self) -> Time {
        self.events.next()
    }

    /// Sends a frame of a member to a peer.
    pub fn send(&mut self, now: Time, from: usize, to: &MemberId, frame: Frame) -> Result<(), SendError> {
        let limit = if frame.lane == Lane::Small { SMALL_BYTES_MAX } else { MESSAGE_BYTES_MAX };
        assert!(frame.bytes.len() <= limit, "member {from} sends {frame:?}, limit {limit}");
        let Some(neighbour) = self.neighbour(from, to) else { return Err(SendError::Down) };
        let (to, at) = (neighbour.peer as usize, neighbour.link as usize);
        let link = &mut self.links[at];
        if !link.up {
            return Err(SendError::Down);
        }
        let (life, profile, direction) = (link.life, link.profile, usize::from(from > to));
        let delay = profile.delay(&mut self.rng);
        let way = &mut link.ways[direction];
        let pipe = &mut way.pipes[lane_index(frame.lane)];
        let arrival = match pipe.carry(now, &profile, delay, frame.bytes.len()) {
            Ok(arrival) => arrival,
            Err(room) => {
                if !std::mem::replace(&mut pipe.full, true) {
                    let direction = direction as u8;
                    let event = Event::Room { link: at as u32, direction, life, lane: frame.lane };
                    self.events.at(room, event);
                }
                return Err(SendError::Full(frame));
            }
        };
        way.traffic.messages += 1;
        way.traffic.bytes += frame.bytes.len() as u64;
        let deaf = way.deaf || link.blocked;
        if self.happenings.is_some() {
            let bytes = frame.bytes.clone();
            self.note(now, Happening::Sent { from, to, lane: frame.lane, bytes });
        }
        let carry = |network: &mut Self, time: Time, bytes: Arc<[u8]>| {
            if !deaf {
                network.n_carried += 1;
                network.trace.carry(time, from, to, &bytes);
                let (link, direction) = (at as u32, direction as u8);
                network.events.at(time, Event::Arrive { link, direction, life, bytes });
            }
        };
        let may_happen = profile.loss_ppm | profile.late_ppm | profile.twice_ppm > 0;
        if !may_happen && self.interceptors.is_empty() {
            carry(self, arrival, frame.bytes);
            return Ok(());
        }
        for (time, bytes) in self.fate(now, (from, to), frame, &profile, arrival) {
            carry(self, time, bytes);
        }
        Ok(())
    }

    /// When which bytes arrive.
    fn fate(
        &mut self,
        now: Time,
        (from, to): (usize, usize),
        frame: Frame,
        profile: &LinkProfile,
        arrival: Time,
    ) -> Vec<(Time, Arc<[u8]>)> {
        let Frame { lane, mut bytes } = frame;
        let rng = &mut self.rng;
        if hits(profile.loss_ppm, rng) {
            return Vec::new();
        }
        let late = if hits(profile.late_ppm, rng) { rng.below(profile.late_micros + 1) } else { 0 };
        let mut arrivals = vec![arrival.after(late)];
        if hits(profile.twice_ppm, rng) {
            arrivals.push(arrival.after(1));
        }
        let mut more = Vec::new();
        for interceptor in &mut self.interceptors {
            match interceptor(&Passing { from, to, lane, bytes: &bytes, time: now }) {
                Fate::Pass => {}
                Fate::Lose => return Vec::new(),
                Fate::Become(other) => bytes = other.into(),
                Fate::Delay(micros) => arrivals[0] = arrival.after(micros),
                Fate::Twice => arrivals.push(arrival.after(1)),
                Fate::Followed(others) => more.extend(others),
            }
        }
        let after = arrival.after(1);
        let more = more.into_iter().map(|bytes| (after, bytes.into()));
        arrivals.into_iter().map(|at| (at, bytes.clone())).chain(more).collect()
    }

    /// The events up to `now`, in order: the member, and its input.
    pub fn happened(&mut self, now: Time, inputs: &mut Vec<(usize, Input)>) {
        while let Some((at, event)) = self.events.pop(now) {
            match event {
                Event::Arrive { link, direction, life, bytes } => {
                    let link = &mut self.links[link as usize];
                    if link.up && link.life == life && !link.blocked {
                        let direction = usize::from(direction);
                        link.ways[direction].traffic.arrived_bytes += bytes.len() as u64;
                        let (from, to) = ends(link, direction);
                        inputs.push((to, Input::Message { from: self.ids[from], bytes }));
                    }
                }
                Event::Room { link, direction, life, lane } => {
                    let link = &mut self.links[link as usize];
                    if link.up && link.life == life {
                        let direction = usize::from(direction);
                        link.ways[direction].pipes[lane_index(lane)].full = false;
                        let (from, to) = ends(link, direction);
                        inputs.push((from, Input::Room { peer: self.ids[to], lane }));
                    }
                }
                Event::Rare(rare) => inputs.extend(self.happen(at, *rare)),
            }
        }
    }

    fn happen(&mut self, now: Time, rare: Rare) -> Vec<(usize, Input)> {
        match rare {
            Rare::Down { from, to, life, reason } => self.closed(now, from, to, life, &reason),
            Rare::Noticed { a, b, life } => self.noticed(a, b, life),
            Rare::Idle { a, b, life, since } => self.idle(now, (a, b), life, since),
            Rare::Redial { from, to } if self.reaches(from, to) => self.bring_up(now, from, to),
            Rare::Redial { .. } => Vec::new(),
            Rare::Dialled(dial) => self.dialled(now, dial),
        }
    }

    fn rare(&mut self, at: Time, rare: Rare) {
        self.events.at(at, Event::Rare(Box::new(rare)));
    }
}

fn leading(id: &MemberId) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = id.0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// Sender and receiver of a direction of a link.
fn ends(link: &Link, direction: usize) -> (usize, usize) {
    let (low, high) = link.ends;
    if direction == 0 { (low, high) } else { (high, low) }
}
