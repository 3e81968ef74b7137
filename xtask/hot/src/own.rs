//! An owner's commit.

use crate::{
    data::{self, ITEMS},
    meter::Meter,
    net::{self, Net},
};
use anyhow::{Result, ensure};
use datafan_core::message::Message;

/// Makes commits of one put.
pub fn commit(meter: &mut Meter) -> Result<()> {
    let mut net = Net::founded(data::config(0)?, 1..=3)?;
    net.load(ITEMS)?;
    for number in 1..=3 {
        net.greet(0, number)?;
    }
    for n in 0..OPERATIONS {
        net.pass(COMMIT_MICROS);
        let inputs = vec![net::commit(vec![data::put(data::random(n, ITEMS), ITEMS + n)])];
        meter.measure(|| net.turn(0, inputs));
        let sent = net.sent(0)?;
        let pushes = sent.iter().filter(|(_, bytes)| is_push(bytes)).count();
        ensure!((pushes, sent.len()) == (3, 3), "a push for each of 3 links, and nothing else");
    }
    Ok(())
}

/// Whether a message is a push.
pub fn is_push(bytes: &[u8]) -> bool {
    matches!(Message::decode(bytes), Ok(Message::Push(_)))
}

const OPERATIONS: u64 = 32;
/// Time between commits: few enough per second for all of them to be pushed, and all before the next round.
pub const COMMIT_MICROS: u64 = 2_000;
