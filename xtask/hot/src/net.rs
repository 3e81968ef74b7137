//! Engines in one thread, with fixed clocks, and simulated peers: they greet, and messages to them are
//! dropped.

use crate::data;
use anyhow::{Error, Result};
use datafan_core::{
    connector::Direction,
    engine::{Answer, Command, Config, Effect, Engine, Input, OwnChange, Ticket, Write},
    id::MemberId,
    identity::Strict,
    limits::COMMIT_WRITES_MAX,
    message::{Hello, Message},
    roster::{GrantChange, RosterChange},
    runs::RunId,
    time::{Now, Time, Timestamp},
};
use datafan_store_mem::MemStore;
use datafan_testkit::engines::{Engines, trouble};
use std::sync::Arc;

/// Members by number; 0 has founded the mesh.
pub struct Net {
    engines: Engines<Engine<MemStore>>,
    now: Now,
}

impl Net {
    /// A founder, and the `admitted` in its roster.
    pub fn founded(founder: Config, admitted: impl IntoIterator<Item = u32>) -> Result<Self> {
        let now = Now { time: Time(1), wall: data::WALL };
        let mut net = Self { engines: Engines::new(), now };
        net.start(founder)?;
        let admit = |number: u32| {
            let (id, name) = (data::identity(number).id(), format!("member-{number}").parse()?);
            Ok(RosterChange::Admit { id, name, terms: GrantChange::default() })
        };
        let admitted = [0].into_iter().chain(admitted).map(admit).collect::<Result<_>>()?;
        net.turn(0, vec![command(OwnChange::ChangeRoster(admitted))]);
        net.settle()?;
        Ok(net)
    }

    /// Starts another member, links it with the founder, and waits until it has all data of the founder.
    pub fn join(&mut self, number: u32) -> Result<usize> {
        let member = self.start(data::config(number)?)?;
        self.engines.link_up(0, member, Direction::Out);
        self.engines.link_up(member, 0, Direction::In);
        self.settle()?;
        // An owner discovered in a round may still be pushed, so it is not pulled at once.
        self.pass(GRACE_MICROS);
        self.engines.give(member, Input::Wake);
        self.settle()?;
        Ok(member)
    }

    /// Links a member with a simulated peer that sends only what brings the link up.
    pub fn greet(&mut self, member: usize, number: u32) -> Result<MemberId> {
        let peer = data::identity(number).id();
        let hello = Message::Hello(Box::new(Hello {
            mesh: data::mesh(),
            name: format!("member-{number}").parse()?,
            roster: None,
            yours: Vec::new(),
            wall: self.now.wall,
            run: RunId([7; 8]),
            age_micros: 0,
            addresses: Vec::new(),
            below_minimum: true,
        }));
        let up = Input::LinkUp { peer, address: None, direction: Direction::In };
        let said = [hello, Message::Welcome].map(|message| from(peer, message.frame().bytes));
        [up].into_iter().chain(said).for_each(|input| self.engines.give(member, input));
        self.settle()?;
        Ok(peer)
    }

    /// The founder writes that many items, in as few commits as possible.
    pub fn load(&mut self, items: u64) -> Result<()> {
        let numbers: Vec<u64> = (0..items).collect();
        for some in numbers.chunks(COMMIT_WRITES_MAX) {
            self.turn(0, vec![commit(some.iter().map(|n| data::put(*n, *n)).collect())]);
            self.settle()?;
        }
        Ok(())
    }

    /// Does what a driver does with pending inputs: one call, and a sync if requested. The effects stay for
    /// [`Net::sent`] or [`Net::settle`].
    pub fn turn(&mut self, member: usize, inputs: Vec<Input>) {
        self.engines.handle(member, self.now, inputs).expect("memory does not fail");
    }

    /// Carries out the effects of the engines, and passes on the results, until there are none.
    pub fn settle(&mut self) -> Result<()> {
        loop {
            for member in 0..self.engines.n_members() {
                for (to, bytes) in self.sent(member)? {
                    self.give(member, to, bytes);
                }
            }
            let Some(member) = self.engines.waiting() else { return Ok(()) };
            let inputs = self.engines.take_inputs(member);
            self.turn(member, inputs);
        }
    }

    /// Passes a member's messages to their receivers, if these are engines.
    pub fn give(&mut self, member: usize, to: MemberId, bytes: Arc<[u8]>) {
        if let Some(to) = self.engines.number(&to) {
            self.engines.deliver(member, to, bytes);
        }
    }

    /// Takes the messages that a member sends; its other effects do not matter, if all is well.
    pub fn sent(&mut self, member: usize) -> Result<Vec<(MemberId, Arc<[u8]>)>> {
        let mut sent = Vec::new();
        for effect in self.engines.take_effects(member) {
            match effect {
                Effect::Send { to, frame } => sent.push((to, frame.bytes)),
                Effect::Answer { answer: Answer::Refused(error), .. } => return Err(error.into()),
                effect => trouble(&effect).map_or(Ok(()), |what| Err(Error::msg(what)))?,
            }
        }
        Ok(sent)
    }

    /// Advances the time.
    pub fn pass(&mut self, micros: u64) {
        self.now.time = self.now.time.after(micros);
        self.now.wall = Timestamp(self.now.wall.0 + micros);
    }

    /// The engine of a member.
    pub fn engine(&self, member: usize) -> &Engine<MemStore> {
        self.engines.engine(member)
    }

    /// The id of a member.
    pub fn id(&self, member: usize) -> MemberId {
        self.engines.id(member)
    }

    fn start(&mut self, config: Config) -> Result<usize> {
        let (id, seed) = (config.member.id(), self.engines.n_members() as u64);
        let engine = Engine::open(config, seed, Box::new(Strict), MemStore::new(), self.now)?;
        Ok(self.engines.add(id, engine))
    }
}

/// More than a member waits for a push, and less than the time between rounds.
const GRACE_MICROS: u64 = 250_000;

/// A message as an input.
pub fn from(peer: MemberId, bytes: Arc<[u8]>) -> Input {
    Input::Message { from: peer, bytes }
}

/// A commit as an input.
pub fn commit(writes: Vec<Write>) -> Input {
    command(OwnChange::Commit(writes))
}

fn command(command: impl Into<Command>) -> Input {
    Input::Command { ticket: Ticket(0), command: command.into() }
}
