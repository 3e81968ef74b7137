//! Engines in one thread, connected by queues: no driver, no connector, no copy. So only the engines are
//! measured.

use crate::{data, trace::Trace};
use anyhow::{Context, Error, Result, bail, ensure};
use datafan_core::{
    connector::Direction,
    engine::{Answer, Command, Config, Effect, Engine, Input, OwnChange, Ticket, Write},
    id::{MemberId, Name},
    identity::Strict,
    limits::COMMIT_WRITES_MAX,
    store::Store,
    time::{Now, Time, Timestamp},
};
use datafan_store_mem::MemStore;
use datafan_testkit::engines::{Engines, Running, trouble};
use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

/// Members of one mesh. Member 0 founds it.
pub struct Mesh {
    engines: Engines<Box<dyn Running>>,
    /// The record of each member.
    members: Vec<Member>,
    /// Bytes of messages from one to another.
    traffic: BTreeMap<(usize, usize), u64>,
    clock: Clock,
    /// The trace of messages, if one is being made.
    trace: Option<Trace>,
}

#[derive(Default)]
struct Member {
    answers: VecDeque<Answer>,
    heads: BTreeMap<MemberId, Timestamp>,
    n_ready: usize,
    /// Time spent in the engine and its store.
    busy: Duration,
}

/// The time of the engines' clocks.
enum Clock {
    /// That of the machine.
    Real(Instant),
    /// A fixed time.
    Virtual(Now),
}

/// Owners, and how far each is held.
pub type Heads = Vec<(MemberId, Timestamp)>;

impl Mesh {
    /// No members, on the machine's clocks.
    pub fn new() -> Self {
        Self::on(Clock::Real(Instant::now()))
    }

    /// No members, on clocks that stand still while any member has something to do.
    pub fn on_virtual_time() -> Self {
        Self::on(Clock::Virtual(Now { time: Time(1), wall: Timestamp(data::wall_micros()) }))
    }

    /// Two linked members in memory, on virtual time, that hold `items` items of the first one.
    ///
    /// # Errors
    /// If they do not get them.
    pub fn of_two_with(items: u64) -> Result<Self> {
        let mut mesh = Self::on_virtual_time();
        mesh.add(data::config(0)?, MemStore::new())?;
        mesh.add(data::config(1)?, MemStore::new())?;
        mesh.link(0, 1);
        mesh.until("both know the roster", |mesh| mesh.n_ready(0) == 1 && mesh.n_ready(1) == 1)?;
        for commit in data::commits(items, COMMIT_WRITES_MAX as u64) {
            mesh.commit(0, commit)?;
        }
        mesh.until("both hold all", |mesh| mesh.holds(1, 0))?;
        Ok(mesh)
    }

    fn on(clock: Clock) -> Self {
        Self { engines: Engines::new(), members: Vec::new(), traffic: BTreeMap::new(), clock, trace: None }
    }

    /// Starts another member, and admits it to the mesh.
    pub fn add<S: Store>(&mut self, config: Config, store: S) -> Result<usize> {
        let (id, name, seed) = (config.member.id(), config.name.clone(), self.members.len() as u64);
        let engine = Engine::open(config, seed, Box::new(Strict), store, self.clock.now())?;
        let number = self.engines.add(id, Box::new(engine));
        self.members.push(Member::default());
        self.command(0, OwnChange::Admit { id, name })?;
        Ok(number)
    }

    /// Links two members; [`Mesh::until`] delivers their messages.
    pub fn link(&mut self, one: usize, other: usize) {
        self.engines.link_up(one, other, Direction::Out);
        self.engines.link_up(other, one, Direction::In);
    }

    /// Cuts the link between two members.
    pub fn unlink(&mut self, one: usize, other: usize) {
        self.engines.link_down(one, other, "cut");
        self.engines.link_down(other, one, "cut");
    }

    /// Removes a member that is linked only to `peer`.
    pub fn retire(&mut self, member: usize, peer: usize) {
        self.engines.stop(member);
        self.engines.link_down(peer, member, "retired");
    }

    /// A member commits; returns when the commit is on its disk.
    pub fn commit(&mut self, member: usize, writes: Vec<Write>) -> Result<()> {
        self.command(member, OwnChange::Commit(writes))
    }

    fn command(&mut self, member: usize, command: impl Into<Command>) -> Result<()> {
        self.engines.give(member, Input::Command { ticket: Ticket(0), command: command.into() });
        self.until("a command is answered", |mesh| !mesh.members[member].answers.is_empty())?;
        match self.members[member].answers.pop_front() {
            Some(Answer::Committed(_)) => Ok(()),
            Some(Answer::Refused(error)) => Err(error.into()),
            None => bail!("the answer has gone"),
        }
    }

    /// Delivers messages until `done`, and wakes engines when they ask for it.
    pub fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> Result<()> {
        let began = Instant::now();
        while !done(self) {
            ensure!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
            if !self.step()? {
                self.wake();
            }
        }
        Ok(())
    }

    /// Delivers messages until there are none.
    pub fn settle(&mut self) -> Result<()> {
        while self.step()? {}
        Ok(())
    }

    /// Advances virtual time, with everything that happens meanwhile.
    pub fn pass(&mut self, micros: u64) -> Result<()> {
        let end = self.clock.now().time.after(micros);
        while {
            self.settle()?;
            self.engines.next_wake() <= end
        } {
            self.wake();
        }
        self.clock.set(end);
        Ok(())
    }

    /// Whether `member` holds the last commit of `owner`.
    pub fn holds(&self, member: usize, owner: usize) -> bool {
        self.equal(member, owner, owner)
    }

    /// Whether two members hold the same state of `owner`, which has committed something.
    pub fn equal(&self, one: usize, other: usize, owner: usize) -> bool {
        let head = |at: usize| self.members[at].heads.get(&self.engines.id(owner));
        head(one).is_some() && head(one) == head(other)
    }

    /// Gives one member a message as if the other had sent it, without the other's knowledge.
    pub fn hears(&mut self, member: usize, from: usize, bytes: Vec<u8>) {
        self.engines.deliver(from, member, bytes.into());
    }

    /// Admits a member that is not in this process.
    pub fn admit(&mut self, id: MemberId, name: Name) -> Result<()> {
        self.command(0, OwnChange::Admit { id, name })
    }

    /// Up to which timestamp a member has an owner's data.
    pub fn head(&self, member: usize, owner: &MemberId) -> Option<Timestamp> {
        self.members[member].heads.get(owner).copied()
    }

    /// The owners whose data a member has, and up to which timestamp.
    pub fn heads(&self, member: usize) -> Heads {
        self.members[member].heads.iter().map(|(owner, timestamp)| (*owner, *timestamp)).collect()
    }

    /// Number of a member's links that are up.
    pub fn n_ready(&self, member: usize) -> usize {
        self.members[member].n_ready
    }

    /// Syncs a member's store.
    pub fn sync(&mut self, member: usize) -> Result<()> {
        let began = Instant::now();
        self.engines.sync(member)?;
        self.members[member].busy += began.elapsed();
        Ok(())
    }

    /// Time that a member spent in its engine and store.
    pub fn busy(&self, member: usize) -> Duration {
        self.members[member].busy
    }

    /// Bytes of messages from one to the other so far.
    pub fn bytes(&self, from: usize, to: usize) -> u64 {
        self.traffic.get(&(from, to)).copied().unwrap_or_default()
    }

    /// Number of rounds that a member has begun.
    pub fn n_rounds(&self, member: usize) -> u64 {
        self.engines.engine(member).stats().rounds
    }

    /// From now on inputs are handled one at a time, and recorded in `trace`.
    pub fn begin_trace(&mut self, trace: Trace) {
        self.trace = Some(trace);
    }

    /// Ends the trace and returns it.
    pub fn end_trace(&mut self) -> Option<Trace> {
        self.trace.take()
    }

    /// Wakes the engines that are due; virtual time advances to the next one that is.
    fn wake(&mut self) {
        self.clock.set(self.engines.next_wake());
        self.engines.wake(self.clock.now().time);
    }

    /// One member handles its pending inputs, or with a trace the first of them; false if no member has any.
    fn step(&mut self) -> Result<bool> {
        let Some(number) = self.engines.waiting() else { return Ok(false) };
        let now = self.clock.now();
        let inputs = match self.trace {
            Some(_) => self.engines.take_input(number).into_iter().collect(),
            None => self.engines.take_inputs(number),
        };
        let seen = self.trace.as_ref().map(|_| Trace::begin(&inputs));
        let began = Instant::now();
        self.engines.handle(number, now, inputs)?;
        self.members[number].busy += began.elapsed();
        if let (Some(trace), Some(seen)) = (&mut self.trace, seen) {
            trace.end(seen);
        }
        for effect in self.engines.take_effects(number) {
            self.carry_out(number, effect)?;
        }
        Ok(true)
    }

    fn carry_out(&mut self, from: usize, effect: Effect) -> Result<()> {
        let member = &mut self.members[from];
        match effect {
            Effect::Send { to, frame } => {
                let to = self.engines.number(&to).context("a message to an unknown member")?;
                let bytes = match &mut self.trace {
                    Some(trace) => trace.carry(frame.bytes)?,
                    None => frame.bytes,
                };
                *self.traffic.entry((from, to)).or_default() += bytes.len() as u64;
                self.engines.deliver(from, to, bytes);
            }
            Effect::Answer { answer, .. } => member.answers.push_back(answer),
            Effect::Applied { owner, timestamp } => drop(member.heads.insert(owner, timestamp)),
            Effect::Ready { .. } => member.n_ready += 1,
            effect => trouble(&effect).map_or(Ok(()), |what| Err(Error::msg(what)))?,
        }
        Ok(())
    }
}

impl Clock {
    fn now(&self) -> Now {
        match self {
            Self::Real(began) => {
                let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                Now { time: Time(micros), wall: Timestamp(data::wall_micros()) }
            }
            Self::Virtual(now) => *now,
        }
    }

    fn set(&mut self, time: Time) {
        if let Self::Virtual(now) = self {
            now.wall = Timestamp(now.wall.0 + time.0.saturating_sub(now.time.0));
            now.time = time.max(now.time);
        }
    }
}

/// Longer than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(600);
