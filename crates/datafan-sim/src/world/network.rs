//! All links, and everything that is on its way.

use super::{
    events::{Event, Events, Rare},
    happening::{Happening, Noted},
    ids::Ids,
    link::{Link, Terms, Traffic, hits, lane_index},
    trace::Trace,
};
use datafan_core::{
    connector::{Address, Direction, Frame, Lane, SendError},
    engine::Input,
    id::MemberId,
    limits::{MESSAGE_BYTES_MAX, SMALL_BYTES_MAX},
    time::{SECOND, Time},
};
use datafan_testkit::rng::Rng;
use std::sync::Arc;

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
    /// It goes on, and after it these arrive too.
    Followed(Vec<Vec<u8>>),
}

/// A possible peer of a member. Every message that is sent asks for one, so what it takes lies together.
#[derive(Clone, Copy)]
struct Neighbour {
    peer: u32,
    link: u32,
    /// The first bytes of its id. Ids are as good as drawn by lot: that tells neighbours apart.
    id: u64,
}

type Interceptor = Box<dyn FnMut(&Passing<'_>) -> Fate>;

pub(super) struct Network {
    links: Vec<Link>,
    /// Of each member its possible peers, ascending, and the link to them. Only who was linked once has an entry.
    neighbours: Vec<Vec<Neighbour>>,
    events: Events,
    interceptors: Vec<Interceptor>,
    ids: Vec<MemberId>,
    numbers: Ids,
    running: Vec<bool>,
    rng: Rng,
    trace: Trace,
    n_carried: u64,
    /// What links are like that nobody has described.
    pub terms: Terms,
    /// What happened and was not yet taken; `None` while nobody watches.
    pub happenings: Option<Vec<Noted>>,
}

/// How long the world waits before it dials again for a link that it keeps up.
const REDIAL_MICROS: u64 = SECOND;
/// After how long without an answer a connector gives a link up.
const IDLE_TIMEOUT_MICROS: u64 = 15 * SECOND;

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
            rng,
            trace: Trace::new(),
            n_carried: 0,
            terms: Terms::default(),
            happenings: None,
        }
    }

    pub fn add(&mut self, id: MemberId) {
        self.numbers.insert(id, self.ids.len());
        self.ids.push(id);
        self.running.push(false);
        self.neighbours.push(Vec::new());
    }

    pub fn intercept(&mut self, interceptor: Interceptor) {
        self.interceptors.push(interceptor);
    }

    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Messages that were carried so far.
    pub fn n_carried(&self) -> u64 {
        self.n_carried
    }

    /// How much is on its way.
    pub fn n_under_way(&self) -> usize {
        self.events.len()
    }

    pub fn index(&self, id: &MemberId) -> Option<usize> {
        self.numbers.get(id)
    }

    /// Notes what happened, for whoever watches; what is not a message counts in the trace.
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

    /// The link of two members; made when first asked for.
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
        self.links.push(Link { terms: self.terms, ends: (a, b), ..Link::default() });
        for (member, peer) in [(a, b as u32), (b, a as u32)] {
            let neighbour = Neighbour { peer, link: at as u32, id: leading(&self.ids[peer as usize]) };
            let neighbours = &mut self.neighbours[member];
            let place = neighbours.partition_point(|other| other.peer < peer);
            neighbours.insert(place, neighbour);
        }
        at
    }

    /// Links of a member, up or not, by the number of the peer.
    fn links_of(&self, member: usize) -> impl Iterator<Item = &Link> {
        self.neighbours[member].iter().map(|neighbour| &self.links[neighbour.link as usize])
    }

    pub fn is_up(&self, a: usize, b: usize) -> bool {
        self.find(a, b).is_some_and(|at| self.links[at].up)
    }

    pub fn traffic(&self, from: usize, to: usize) -> Traffic {
        self.find(from, to)
            .map_or_else(Traffic::default, |at| self.links[at].ways[usize::from(from > to)].traffic)
    }

    /// Members that a member is linked to, ascending.
    pub fn peers(&self, member: usize) -> Vec<usize> {
        let up = self.links_of(member).filter(|link| link.up);
        up.map(|link| link.ends.0 + link.ends.1 - member).collect()
    }

    /// All links that ever were, in the order of their making: their ends and whether they are up.
    pub fn all(&self) -> impl Iterator<Item = ((usize, usize), bool)> {
        self.links.iter().map(|link| (link.ends, link.up))
    }

    /// When the next thing happens.
    pub fn next(&self) -> Time {
        self.events.next()
    }

    /// `dialler` keeps a link to `dialled` from now on.
    pub fn keep_link(&mut self, now: Time, dialler: usize, dialled: usize) {
        self.link(dialler, dialled).dialler = Some(dialler);
        self.rare(now, Rare::Redial { from: dialler, to: dialled });
    }

    /// Takes the link down at once, for ever if nobody dials or heals: what is on its way is lost.
    pub fn break_link(&mut self, now: Time, a: usize, b: usize, reason: &str) -> Vec<(usize, Input)> {
        let (a, b) = (a.min(b), a.max(b));
        let link = self.link(a, b);
        if !link.up {
            return Vec::new();
        }
        link.renew(false);
        self.note(now, Happening::Linked { a, b, up: false });
        let down = |peer: MemberId| Input::LinkDown { peer, reason: reason.to_owned() };
        let told = vec![(a, down(self.ids[b])), (b, down(self.ids[a]))];
        told.into_iter().filter(|(member, _)| self.running[*member]).collect()
    }

    /// The member's engine came up: links that are kept to or by it are dialled.
    pub fn started(&mut self, now: Time, member: usize) {
        self.running[member] = true;
        self.note(now, Happening::Started { member });
        self.redial_all(now, member);
    }

    /// The member's engine is gone, and its links with it.
    pub fn stopped(&mut self, now: Time, member: usize, error: Option<String>) -> Vec<(usize, Input)> {
        self.running[member] = false;
        self.note(now, Happening::Stopped { member, error });
        let mut told = Vec::new();
        for peer in self.peers(member) {
            told.extend(self.break_link(now, member, peer, "the peer is gone"));
        }
        self.redial_all(now.after(REDIAL_MICROS), member);
        told
    }

    /// The member's engine is gone, and nobody hears of it: its links stay until their connectors give them up.
    pub fn vanished(&mut self, now: Time, member: usize) {
        self.running[member] = false;
        self.note(now, Happening::Stopped { member, error: None });
        for peer in self.peers(member) {
            let life = self.link(member, peer).life;
            let reason = "no answer".into();
            self.rare(now.after(IDLE_TIMEOUT_MICROS), Rare::Down { from: peer, to: member, life, reason });
        }
    }

    /// Takes down the links that a member had when it vanished: it is about to start.
    pub fn end_vanished(&mut self, now: Time, member: usize) -> Vec<(usize, Input)> {
        let peers = self.peers(member).into_iter();
        peers.flat_map(|peer| self.break_link(now, member, peer, "the peer restarted")).collect()
    }

    pub fn heal(&mut self, now: Time, a: usize, b: usize) {
        let link = self.link(a, b);
        link.cut = false;
        if let Some(from) = link.dialler {
            self.rare(now, Rare::Redial { from, to: a + b - from });
        }
    }

    fn redial_all(&mut self, at: Time, member: usize) {
        let kept = self.links_of(member).filter_map(|link| Some((link.dialler?, link.ends.0 + link.ends.1)));
        for (from, sum) in kept.collect::<Vec<_>>() {
            self.rare(at, Rare::Redial { from, to: sum - from });
        }
    }

    /// What a member hands over for a peer.
    pub fn send(&mut self, now: Time, from: usize, to: &MemberId, frame: Frame) -> Result<(), SendError> {
        let limit = if frame.lane == Lane::Small { SMALL_BYTES_MAX } else { MESSAGE_BYTES_MAX };
        assert!(frame.bytes.len() <= limit, "member {from} sends {frame:?}, limit {limit}");
        let id = leading(to);
        let Some(&neighbour) = self.neighbours[from].iter().find(|neighbour| neighbour.id == id) else {
            return Err(SendError::Down);
        };
        let (to, at) = (neighbour.peer as usize, neighbour.link as usize);
        let link = &mut self.links[at];
        if !link.up {
            return Err(SendError::Down);
        }
        let (life, terms, direction) = (link.life, link.terms, usize::from(from > to));
        let delay = terms.delay(&mut self.rng);
        let way = &mut link.ways[direction];
        let pipe = &mut way.pipes[lane_index(frame.lane)];
        let arrival = match pipe.carry(now, &terms, delay, frame.bytes.len()) {
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
        let deaf = way.deaf;
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
        let may_happen = terms.loss_ppm | terms.late_ppm | terms.twice_ppm > 0;
        if !may_happen && self.interceptors.is_empty() {
            carry(self, arrival, frame.bytes);
            return Ok(());
        }
        for (time, bytes) in self.fate(now, (from, to), frame, &terms, arrival) {
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
        terms: &Terms,
        arrival: Time,
    ) -> Vec<(Time, Arc<[u8]>)> {
        let Frame { lane, mut bytes } = frame;
        let rng = &mut self.rng;
        if hits(terms.loss_ppm, rng) {
            return Vec::new();
        }
        let late = if hits(terms.late_ppm, rng) { rng.below(terms.late_micros + 1) } else { 0 };
        let mut arrivals = vec![arrival.after(late)];
        if hits(terms.twice_ppm, rng) {
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

    /// An engine dials.
    pub fn dial(&mut self, now: Time, from: usize, address: Address, expected: Option<MemberId>) {
        let to = address.strip_prefix('m').and_then(|n| n.parse().ok()).filter(|n| *n < self.ids.len());
        let terms = self.terms;
        let at = now.after(2 * terms.latency_micros.max(1));
        let fail =
            |error: &str| Rare::Failed { from, address: address.clone(), expected, error: error.into() };
        let event = match to {
            None => fail("no such address"),
            Some(to) if to == from => fail("that is ourselves"),
            Some(to) => Rare::Dialled { from, to, address, expected },
        };
        self.rare(at, event);
    }

    /// An engine closes a link: what it sent before arrives.
    pub fn close(&mut self, now: Time, from: usize, to: usize, reason: &str) {
        let link = self.link(from, to);
        let life = link.life;
        let last = link.ways[usize::from(from > to)].pipes[lane_index(Lane::Small)].arrived_at();
        self.rare(last.max(now).after(1), Rare::Down { from, to, life, reason: reason.into() });
    }

    /// What happened up to `now`, in order: the member, and what it learns.
    pub fn happened(&mut self, now: Time, inputs: &mut Vec<(usize, Input)>) {
        while let Some((at, event)) = self.events.pop(now) {
            match event {
                Event::Arrive { link, direction, life, bytes } => {
                    let link = &mut self.links[link as usize];
                    if link.up && link.life == life {
                        let direction = usize::from(direction);
                        link.ways[direction].traffic.arrived_bytes += bytes.len() as u64;
                        let (from, to) = ends(link, direction);
                        if self.running[to] {
                            inputs.push((to, Input::Message { from: self.ids[from], bytes }));
                        }
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
            Rare::Down { from, to, life, reason } => {
                let link = self.link(from, to);
                if !link.up || link.life != life {
                    return Vec::new();
                }
                if let Some(from) = link.dialler {
                    let to = link.ends.0 + link.ends.1 - from;
                    self.rare(now.after(REDIAL_MICROS), Rare::Redial { from, to });
                }
                self.break_link(now, from, to, &reason)
            }
            Rare::Redial { from, to } if self.reaches(from, to) => self.bring_up(now, from, to),
            Rare::Redial { .. } => Vec::new(),
            Rare::Failed { from, address, expected, error } => self.failed(from, address, expected, &error),
            Rare::Dialled { from, to, address, expected } => {
                if !self.reaches(from, to) {
                    return self.failed(from, address, expected, "no answer");
                }
                if expected.is_some_and(|expected| expected != self.ids[to]) {
                    return self.failed(from, address, expected, "somebody else answers there");
                }
                if self.is_up(from, to) {
                    let input = Input::DialFound { address, expected, peer: self.ids[to] };
                    return vec![(from, input)];
                }
                self.bring_up(now, from, to)
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

    fn bring_up(&mut self, now: Time, dialler: usize, dialled: usize) -> Vec<(usize, Input)> {
        let link = self.link(dialler, dialled);
        if link.up {
            return Vec::new();
        }
        link.renew(true);
        self.note(now, Happening::Linked { a: dialler.min(dialled), b: dialler.max(dialled), up: true });
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
