//! Engines in one thread, on clocks that are set. Beside them peers that are none: they greet, and what is sent to them is
//! gone.

use crate::data;
use anyhow::{Result, bail};
use datafan_core::{
    connector::Direction,
    engine::{Answer, Command, Config, Effect, Engine, Input, Outbox, Ticket, Write},
    id::MemberId,
    identity::Strict,
    limits::COMMIT_WRITES_MAX,
    message::{Hello, Message},
    roster::{RosterChange, Terms},
    runs::RunId,
    time::{Now, Time, Timestamp},
};
use datafan_store_mem::MemStore;
use std::{collections::BTreeMap, sync::Arc};

/// Members by number; 0 has founded the mesh.
pub struct Net {
    members: Vec<Member>,
    numbers: BTreeMap<MemberId, usize>,
    now: Now,
}

struct Member {
    id: MemberId,
    engine: Engine<MemStore>,
    outbox: Outbox,
    inbox: Vec<Input>,
}

impl Net {
    /// A founder, and the `admitted` in its roster.
    pub fn founded(founder: Config, admitted: impl IntoIterator<Item = u32>) -> Result<Self> {
        let now = Now { time: Time(1), wall: data::WALL };
        let mut net = Self { members: Vec::new(), numbers: BTreeMap::new(), now };
        net.start(founder)?;
        let admit = |number: u32| {
            let (id, name) = (data::identity(number).id(), format!("member-{number}").parse()?);
            Ok(RosterChange::Admit { id, name, terms: Terms::default() })
        };
        let admitted = [0].into_iter().chain(admitted).map(admit).collect::<Result<_>>()?;
        net.turn(0, vec![command(Command::Roster(admitted))]);
        net.settle()?;
        Ok(net)
    }

    /// Starts another member, joins it with the founder, and waits until it has all that the founder has.
    pub fn join(&mut self, number: u32) -> Result<usize> {
        let member = self.start(data::config(number)?)?;
        for (to, peer, direction) in [(0, member, Direction::Out), (member, 0, Direction::In)] {
            let peer = self.members[peer].id;
            self.members[to].inbox.push(Input::LinkUp { peer, address: None, direction });
        }
        self.settle()?;
        // What is heard of in a round may yet be pushed: it is not pulled at once.
        self.pass(GRACE_MICROS);
        self.members[member].inbox.push(Input::Wake);
        self.settle()?;
        Ok(member)
    }

    /// Joins a member with a peer that says no more than what has to be said for a link to be up.
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
        self.members[member].inbox.extend([up].into_iter().chain(said));
        self.settle()?;
        Ok(peer)
    }

    /// The founder writes that many items, in as few commits as may be.
    pub fn load(&mut self, items: u64) -> Result<()> {
        let numbers: Vec<u64> = (0..items).collect();
        for some in numbers.chunks(COMMIT_WRITES_MAX) {
            self.turn(0, vec![commit(some.iter().map(|n| data::put(*n, *n)).collect())]);
            self.settle()?;
        }
        Ok(())
    }

    /// What a driver does once inputs wait: one call, and a sync if it is asked for. What the engine wants waits for
    /// [`Net::sent`] or [`Net::settle`].
    pub fn turn(&mut self, member: usize, inputs: Vec<Input>) {
        let Member { engine, outbox, .. } = &mut self.members[member];
        outbox.wants_sync = false;
        engine.handle(self.now, inputs, outbox).expect("memory does not fail");
        if outbox.wants_sync {
            engine.sync(outbox).expect("memory does not fail");
        }
    }

    /// Carries out what engines want, and gives them what comes of it, until nothing does.
    pub fn settle(&mut self) -> Result<()> {
        loop {
            for member in 0..self.members.len() {
                for (to, bytes) in self.sent(member)? {
                    self.give(member, to, bytes);
                }
            }
            let Some(member) = self.members.iter().position(|member| !member.inbox.is_empty()) else {
                return Ok(());
            };
            let inputs = std::mem::take(&mut self.members[member].inbox);
            self.turn(member, inputs);
        }
    }

    /// Hands what a member has sent to whom it is for, if that is an engine.
    pub fn give(&mut self, member: usize, to: MemberId, bytes: Arc<[u8]>) {
        if let Some(to) = self.numbers.get(&to) {
            let from = from(self.members[member].id, bytes);
            self.members[*to].inbox.push(from);
        }
    }

    /// Takes out what a member wants to send; nothing else that it wants is of interest, if all is well.
    pub fn sent(&mut self, member: usize) -> Result<Vec<(MemberId, Arc<[u8]>)>> {
        let mut sent = Vec::new();
        for effect in std::mem::take(&mut self.members[member].outbox.now) {
            match effect {
                Effect::Send { to, frame } => sent.push((to, frame.bytes)),
                Effect::Answer { answer: Answer::Committed(_), .. } => {}
                Effect::Answer { answer: Answer::Refused(error), .. } => return Err(error.into()),
                Effect::Applied { .. } | Effect::Ready { .. } | Effect::Dial { .. } => {}
                Effect::Close { reason, .. } => bail!("a link was closed: {reason}"),
                Effect::Refused(refused) => bail!("{refused}"),
                Effect::Alarm(alarm) => bail!("an alarm: {alarm:?}"),
            }
        }
        Ok(sent)
    }

    /// Time goes on.
    pub fn pass(&mut self, micros: u64) {
        self.now.time = self.now.time.after(micros);
        self.now.wall = Timestamp(self.now.wall.0 + micros);
    }

    /// A member's engine.
    pub fn engine(&self, member: usize) -> &Engine<MemStore> {
        &self.members[member].engine
    }

    /// A member's id.
    pub fn id(&self, member: usize) -> MemberId {
        self.members[member].id
    }

    fn start(&mut self, config: Config) -> Result<usize> {
        let (id, number) = (config.member.id(), self.members.len());
        let engine = Engine::open(config, number as u64, Box::new(Strict), MemStore::new(), self.now)?;
        self.members.push(Member { id, engine, outbox: Outbox::new(), inbox: Vec::new() });
        self.numbers.insert(id, number);
        Ok(number)
    }
}

/// More than a member waits for a push, and less than there is between rounds.
const GRACE_MICROS: u64 = 250_000;

/// A message as an input.
pub fn from(peer: MemberId, bytes: Arc<[u8]>) -> Input {
    Input::Message { from: peer, bytes }
}

/// A commit as an input.
pub fn commit(writes: Vec<Write>) -> Input {
    command(Command::Commit(writes))
}

fn command(command: Command) -> Input {
    Input::Command { ticket: Ticket(0), command }
}
