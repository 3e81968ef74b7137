//! The links, the messages in flight, and the effect of each step.

use super::{
    check,
    script::{Op, Script},
    setting::{self, BEGINNING, FOUNDER, Signed, VICTIM, Who, put, setting},
    side::{Engines, Side, Trust, handle},
    violator::Violator,
};
use datafan_core::{
    connector::{Direction, Lane},
    engine::{Answer, Command, Effect, Input, OwnChange, OwnState, Ticket, Write},
    id::MemberId,
    item::{Key, SYSTEM_PREFIX},
    message::Message,
    read::Snapshot,
    store::StoreReader,
    time::{Now, SECOND, Time, Timestamp},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

pub struct World {
    trust: Trust,
    time: Time,
    /// Offset of the victim's clock from the founder's, in seconds.
    clock_seconds: i64,
    sides: [Side; 2],
    engines: Engines,
    linked: bool,
    /// Further peers that are linked with the victim.
    others: BTreeSet<MemberId>,
    /// Messages in flight to each of the two.
    under_way: [VecDeque<Arc<[u8]>>; 2],
    /// Earlier messages, for replays.
    seen: VecDeque<(usize, Arc<[u8]>)>,
    violator: Violator,
    /// States that the founder signed.
    signed: BTreeSet<Signed>,
    /// Writes of the victim, by the number of their ticket.
    asked: BTreeMap<u64, Write>,
    /// Writes of the victim that were acknowledged.
    own: BTreeMap<Key, Arc<[u8]>>,
    n_tickets: u64,
}

/// Maximum number of messages that are kept for replays, and that are in flight.
const SEEN_MAX: usize = 64;
const UNDER_WAY_MAX: usize = 1_024;

impl World {
    /// The first byte of a script: the disk of the victim, how signatures are checked, the links.
    pub fn new(mode: u8) -> Self {
        let setting = setting();
        let trust = if mode & 4 == 0 { Trust::Strict } else { Trust::Any };
        let now = setting::at(setting.time);
        let victim = setting.victims[usize::from(mode & 3) % 3].copy();
        let mut engines = Engines::new();
        let sides = [(Who::Founder, setting.founder.copy()), (Who::Victim, victim)].map(|(who, disk)| {
            let mut side = Side::new(setting::config(who), disk, trust);
            side.join(&mut engines, now);
            side
        });
        let mut world = Self {
            trust,
            time: setting.time,
            clock_seconds: 0,
            sides,
            engines,
            linked: false,
            others: BTreeSet::new(),
            under_way: [VecDeque::new(), VecDeque::new()],
            seen: VecDeque::new(),
            violator: Violator::new(),
            signed: setting.signed.clone(),
            asked: BTreeMap::new(),
            own: BTreeMap::new(),
            n_tickets: 0,
        };
        world.link();
        world.link_other(Who::Violator);
        world.link_other(Who::Stranger);
        world.handle_all();
        world
    }

    pub fn step(&mut self, op: Op, script: &mut Script<'_>) {
        match op {
            Op::Pass => self.pass(script.byte(), true),
            Op::Gather => self.pass(script.byte(), false),
            Op::Alter | Op::Cut | Op::Drop | Op::Repeat | Op::Late => self.tamper(op, script),
            Op::Replay => {
                let at = script.below(SEEN_MAX);
                if let Some((to, bytes)) = self.seen.get(at).cloned() {
                    self.arrive(to, bytes);
                }
            }
            Op::Invent => {
                let to = usize::from(script.byte() % 2);
                let bytes = script.bytes();
                self.arrive(to, bytes.into());
            }
            Op::Raw => {
                let who = other(script);
                let bytes = script.bytes();
                self.say(who, bytes);
            }
            Op::Greet => self.greet(other(script)),
            Op::Craft => {
                let bytes = self.violator.craft(script, self.now(VICTIM).wall);
                self.say(Who::Violator, bytes);
            }
            Op::Violator => {
                let answer = self.violator.answer(script);
                let altered = script.byte();
                if let Some(mut bytes) = answer {
                    alter(&mut bytes, usize::from(altered) * 3, altered & 0x0f);
                    self.say(Who::Violator, bytes);
                }
            }
            Op::Time => self.wait(WAITS[usize::from(script.byte()) % WAITS.len()]),
            // Half an hour to either side: less than a head may be ahead.
            Op::Clock => self.clock_seconds = (i64::from(script.byte()) - 128) * 14,
            Op::Link => self.change_link(script.byte()),
            Op::Crash => self.crash(usize::from(script.byte() % 2)),
            Op::Write => self.write(script),
            Op::Commit => self.commit(script),
            Op::Room => self.change_room(script.byte()),
        }
        self.handle_all();
    }

    /// Ends all faults. At the end both are consistent, and, if signatures are checked, equal, and hold what
    /// was signed.
    pub fn heal(&mut self) {
        for who in [Who::Violator, Who::Stranger] {
            self.unlink_other(setting::identity(who).id());
        }
        self.clock_seconds = 0;
        self.unlink();
        self.handle_all();
        // Misbehaving peers are backed off for at most ten minutes.
        self.wait(601 * SECOND);
        self.handle_all();
        self.link();
        for _ in 0..ROUNDS_MAX {
            self.pass(u8::MAX, true);
            self.wait(SECOND);
            self.handle_all();
            if self.is_equal() && !self.victim_checks() {
                break;
            }
        }
        [FOUNDER, VICTIM].iter().for_each(|side| check::is_sound(self.engines.engine(*side)));
        if self.trust == Trust::Strict {
            assert!(self.is_equal(), "not equal {ROUNDS_MAX} rounds after all faults");
            assert_eq!(self.engines.engine(VICTIM).status().own, OwnState::Confirmed);
            assert_eq!(self.victims_items(), self.own, "what was told to be on disk is there, and no more");
        }
        for side in [FOUNDER, VICTIM] {
            self.restart(side);
            check::is_sound(self.engines.engine(side));
        }
    }

    /// Whether the victim, which lost its store, checks whether another process has its key.
    fn victim_checks(&self) -> bool {
        matches!(self.engines.engine(VICTIM).status().own, OwnState::Checking { .. })
    }

    fn now(&self, side: usize) -> Now {
        let clock = if side == VICTIM { self.clock_seconds * SECOND as i64 } else { 0 };
        let wall = BEGINNING.saturating_add(self.time.0).saturating_add_signed(clock);
        Now { time: self.time, wall: Timestamp(wall) }
    }

    /// Handles the inputs in the inboxes until there are none.
    fn handle_all(&mut self) {
        while let Some(side) = [FOUNDER, VICTIM].into_iter().find(|side| self.engines.has_input(*side)) {
            let (now, inputs) = (self.now(side), self.engines.take_inputs(side));
            let effects = handle(&mut self.engines, side, now, inputs);
            effects.into_iter().for_each(|effect| self.carry_out(side, effect));
        }
    }

    fn carry_out(&mut self, side: usize, effect: Effect) {
        match effect {
            Effect::Send { to, frame } => self.send(side, to, frame.bytes),
            Effect::Close { peer, .. } if peer == self.engines.id(1 - side) => self.unlink(),
            Effect::Close { peer, .. } => self.unlink_other(peer),
            Effect::Dial { address, expected } => {
                let error = "nobody answers".into();
                self.engines.give(side, Input::DialFailed { address, expected, error });
            }
            Effect::Answer { ticket, answer } => self.on_answer(side, ticket, &answer),
            Effect::Applied { .. } => self.on_applied(side),
            Effect::Ready { .. } | Effect::Refused(_) | Effect::Alarm(_) => {}
        }
    }

    fn on_answer(&mut self, side: usize, ticket: Ticket, answer: &Answer) {
        if let (VICTIM, Some(write)) = (side, self.asked.remove(&ticket.0))
            && let Answer::Committed(_) = answer
        {
            match write {
                Write::Put { key, value, .. } => drop(self.own.insert(key, value)),
                Write::Delete { key } => drop(self.own.remove(&key)),
            }
        }
    }

    /// Only what the founder signed is ever visible.
    fn on_applied(&mut self, side: usize) {
        match side {
            FOUNDER => self.signed.extend(setting::signed(&self.engines, FOUNDER)),
            _ if self.trust == Trust::Any => {}
            _ => {
                let unsigned =
                    setting::signed(&self.engines, VICTIM).find(|state| !self.signed.contains(state));
                assert_eq!(unsigned, None, "nobody signed this");
            }
        }
    }

    fn send(&mut self, side: usize, to: MemberId, bytes: Arc<[u8]>) {
        if to == self.engines.id(1 - side) {
            if self.linked && self.under_way[1 - side].len() < UNDER_WAY_MAX {
                self.seen.push_back((1 - side, bytes.clone()));
                self.seen.drain(..self.seen.len().saturating_sub(SEEN_MAX));
                self.under_way[1 - side].push_back(bytes);
            }
        } else if to == setting::identity(Who::Violator).id() {
            self.violator.hear(bytes);
        } else if self.trust == Trust::Strict {
            let message = Message::decode(&bytes).expect("checked before");
            let fine = check::is_for_strangers(&message, setting().mesh.authority());
            assert!(fine, "a stranger is told {message:?}");
        }
    }

    fn arrive(&mut self, to: usize, bytes: Arc<[u8]>) {
        if self.linked {
            self.engines.deliver(1 - to, to, bytes);
        }
    }

    /// Delivers at most `n` messages each way, and those that they cause, within the same limit.
    fn pass(&mut self, n: u8, one_by_one: bool) {
        let mut left = [n, n];
        while let Some(to) = (0..2).find(|to| left[*to] > 0 && !self.under_way[*to].is_empty()) {
            left[to] -= 1;
            if let Some(bytes) = self.under_way[to].pop_front() {
                self.arrive(to, bytes);
            }
            if one_by_one {
                self.handle_all();
            }
        }
    }

    fn tamper(&mut self, op: Op, script: &mut Script<'_>) {
        let to = usize::from(script.byte() % 2);
        let Some(mut bytes) = self.under_way[to].pop_front().map(|bytes| bytes.to_vec()) else { return };
        match op {
            Op::Alter => {
                let (at, by) = (script.below(usize::MAX), script.byte());
                alter(&mut bytes, at, by);
            }
            Op::Cut => bytes.truncate(script.below(bytes.len() + 1)),
            Op::Drop => return,
            Op::Repeat => self.under_way[to].push_back(bytes.clone().into()),
            _ => {
                self.under_way[to].push_back(bytes.into());
                return;
            }
        }
        self.arrive(to, bytes.into());
    }

    fn say(&mut self, who: Who, bytes: Vec<u8>) {
        let from = setting::identity(who).id();
        if self.others.contains(&from) {
            self.engines.give(VICTIM, Input::Message { from, bytes: bytes.into() });
        }
    }

    fn greet(&mut self, who: Who) {
        self.link_other(who);
        let (_, record) = self
            .engines
            .engine(FOUNDER)
            .reader()
            .snapshot()
            .and_then(|view| datafan_core::store::StoreSnapshot::whole(&view, &setting().mesh.authority()))
            .expect("the store works")
            .expect("the founder has the roster");
        for bytes in Violator::greeting(who, record.head().copied(), self.now(VICTIM).wall) {
            self.say(who, bytes);
        }
    }

    /// Time passes, and both do what is due.
    fn wait(&mut self, micros: u64) {
        self.time = self.time.after(micros);
        for _ in 0..WAKES_MAX {
            [FOUNDER, VICTIM].into_iter().for_each(|side| self.engines.give(side, Input::Wake));
            self.handle_all();
            if self.engines.next_wake() > self.time {
                return;
            }
        }
    }

    fn link(&mut self) {
        if std::mem::replace(&mut self.linked, true) {
            return;
        }
        self.engines.link_up(FOUNDER, VICTIM, Direction::In);
        self.engines.link_up(VICTIM, FOUNDER, Direction::Out);
    }

    fn unlink(&mut self) {
        if !std::mem::replace(&mut self.linked, false) {
            return;
        }
        for side in [FOUNDER, VICTIM] {
            let peer = self.engines.id(1 - side);
            self.under_way[side].clear();
            // A connector reports nothing more of a link that is down.
            self.engines.retain_inputs(side, |input| !is_from(input, peer));
            self.engines.link_down(side, 1 - side, "down");
        }
    }

    fn link_other(&mut self, who: Who) {
        let peer = setting::identity(who).id();
        if self.others.insert(peer) {
            let up = Input::LinkUp { peer, address: Some("host:2".into()), direction: Direction::In };
            self.engines.give(VICTIM, up);
        }
    }

    fn unlink_other(&mut self, peer: MemberId) {
        if self.others.remove(&peer) {
            self.engines.retain_inputs(VICTIM, |input| !is_from(input, peer));
            self.engines.give(VICTIM, Input::LinkDown { peer, reason: "down".into() });
        }
    }

    fn change_link(&mut self, which: u8) {
        match which % 5 {
            0 | 1 => self.link(),
            2 => self.unlink(),
            3 => self.link_other(Who::Violator),
            _ => self.unlink_other(setting::identity(Who::Violator).id()),
        }
    }

    fn change_room(&mut self, which: u8) {
        let (side, lane) = (usize::from(which & 1), if which & 2 == 0 { Lane::Small } else { Lane::Bulk });
        let peer = self.engines.id(1 - side);
        if self.linked {
            let full = Input::Full { peer, lane };
            self.engines.give(side, if which & 4 == 0 { Input::Room { peer, lane } } else { full });
        }
    }

    fn crash(&mut self, side: usize) {
        self.unlink();
        if side == VICTIM {
            self.others.clear();
            self.asked.clear();
        }
        self.restart(side);
    }

    fn restart(&mut self, side: usize) {
        let now = self.now(side);
        self.sides[side].restart(&mut self.engines, side, now);
    }

    fn write(&mut self, script: &mut Script<'_>) {
        let (key, len) = (format!("v{}", script.byte() % 8), script.byte());
        let write = match len {
            0 => Write::Delete { key: Key::new(&key).expect("a key") },
            len => put(&key, &vec![len; usize::from(len)]),
        };
        self.n_tickets += 1;
        self.asked.insert(self.n_tickets, write.clone());
        self.command(VICTIM, OwnChange::Commit(vec![write]));
    }

    fn commit(&mut self, script: &mut Script<'_>) {
        let (n, which) = (script.byte() % 8, script.byte());
        let writes = (0..n).map(|at| match (which >> at) & 1 {
            0 => put(&format!("n{at}-{}", which % 25), &[which; 30]),
            _ => Write::Delete { key: Key::new(format!("n{at}-{}", which % 25)).expect("a key") },
        });
        self.n_tickets += 1;
        self.command(FOUNDER, OwnChange::Commit(writes.collect()));
    }

    fn command(&mut self, side: usize, command: impl Into<Command>) {
        let ticket = Ticket(self.n_tickets);
        self.engines.give(side, Input::Command { ticket, command: command.into() });
    }

    /// Whether both hold the same shards of the founder and of the victim.
    fn is_equal(&self) -> bool {
        let heads = |side: usize| {
            let view = self.engines.engine(side).reader().snapshot().expect("the store works");
            let snapshot = Snapshot::new(view, setting().mesh, self.now(side).wall);
            [Who::Authority, Who::Founder, Who::Victim]
                .map(|who| snapshot.head(&setting::identity(who).id()).expect("the store works"))
        };
        heads(FOUNDER) == heads(VICTIM)
    }

    fn victims_items(&self) -> BTreeMap<Key, Arc<[u8]>> {
        let view = self.engines.engine(VICTIM).reader().snapshot().expect("the store works");
        let snapshot = Snapshot::new(view, setting().mesh, self.now(VICTIM).wall);
        let items = snapshot.items_of(&self.engines.id(VICTIM));
        let items = items.map(|entry| entry.expect("the store works").item);
        items
            .filter(|item| !item.key.as_str().starts_with(SYSTEM_PREFIX))
            .map(|item| (item.key.clone(), item.value.clone()))
            .collect()
    }
}

fn other(script: &mut Script<'_>) -> Who {
    if script.byte().is_multiple_of(2) { Who::Violator } else { Who::Stranger }
}

fn is_from(input: &Input, peer: MemberId) -> bool {
    matches!(input, Input::Message { from, .. } if *from == peer)
}

fn alter(bytes: &mut [u8], at: usize, by: u8) {
    if !bytes.is_empty() {
        bytes[at % bytes.len()] ^= by;
    }
}

/// Maximum duration of a step.
const WAITS: [u64; 8] =
    [1_000, 200_000, SECOND, 2 * SECOND, 6 * SECOND, 16 * SECOND, 120 * SECOND, 1_000 * SECOND];
/// Number of calls that a member may make at one moment before time passes.
const WAKES_MAX: usize = 100;
/// Rounds after which two honest members are equal.
const ROUNDS_MAX: usize = 200;
