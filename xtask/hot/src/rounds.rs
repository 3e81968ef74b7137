//! Rounds of a member that holds many shards.

use crate::{
    data,
    heads::Lonely,
    meter::Meter,
    net::{self, Net},
};
use anyhow::{Context, Result, ensure};
use datafan_core::{engine::Input, id::MemberId, message::Message};
use std::sync::Arc;

/// Receives a root that equals its own.
pub fn equal(meter: &mut Meter) -> Result<()> {
    let mut many = Many::new()?;
    let (_, root) = many.round()?.pop().context("no round began")?;
    for _ in 0..OPERATIONS {
        many.net.pass(1);
        let inputs = vec![net::from(many.teller, root.clone())];
        meter.measure(|| many.net.turn(0, inputs));
        ensure!(many.net.sent(0)?.is_empty(), "equal roots need no answer");
    }
    Ok(())
}

/// Begins a round after each change.
pub fn begun(meter: &mut Meter) -> Result<()> {
    let mut many = Many::new()?;
    for n in 0..OPERATIONS {
        let at = data::random(n, OWNERS.into()) as usize;
        many.owners[at].commit();
        many.tell(at)?;
        // A peer that is silent for some rounds is probed, and must answer.
        let alive = Message::Alive.frame().bytes;
        many.net.turn(0, vec![net::from(many.silent, alive)]);
        many.net.pass(ROUND_MICROS);
        meter.measure(|| many.net.turn(0, vec![Input::Wake]));
        ensure!(many.rounds_sent()?.len() == 2, "a round on each of 2 links");
    }
    Ok(())
}

/// A member with two links, one of which has told it of a thousand owners with an item each.
struct Many {
    net: Net,
    owners: Vec<Lonely>,
    teller: MemberId,
    /// The peer on the other link.
    silent: MemberId,
}

impl Many {
    fn new() -> Result<Self> {
        let numbers = 1..=OWNERS;
        let mut net = Net::founded(data::config(0)?, numbers.clone())?;
        let teller = net.greet(0, 1)?;
        let silent = net.greet(0, 2)?;
        let mut many = Self { net, owners: numbers.map(Lonely::new).collect(), teller, silent };
        (0..many.owners.len()).try_for_each(|at| many.tell(at))?;
        // The first round hashes all heads, later ones only the changed ones.
        many.round()?;
        Ok(many)
    }

    /// The member receives a push of an owner.
    fn tell(&mut self, at: usize) -> Result<()> {
        let applied = self.net.engine(0).stats().applied;
        self.net.turn(0, vec![net::from(self.teller, self.owners[at].push().into())]);
        ensure!(self.net.engine(0).stats().applied == applied + 1, "a commit is taken in");
        self.net.sent(0).map(drop)
    }

    /// Lets a round begin.
    fn round(&mut self) -> Result<Vec<(MemberId, Arc<[u8]>)>> {
        self.net.pass(ROUND_MICROS);
        self.net.turn(0, vec![Input::Wake]);
        self.rounds_sent()
    }

    /// The rounds that were sent.
    fn rounds_sent(&mut self) -> Result<Vec<(MemberId, Arc<[u8]>)>> {
        let mut sent = self.net.sent(0)?;
        sent.retain(|(_, bytes)| matches!(Message::decode(bytes), Ok(Message::Round(_))));
        Ok(sent)
    }
}

const OWNERS: u32 = 1_000;
const OPERATIONS: u64 = 32;
/// After this time a round has certainly begun.
const ROUND_MICROS: u64 = 2_000_000;
