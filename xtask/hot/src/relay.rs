//! Pushes of another owner: applied and forwarded, or redundant.

use crate::{
    data::{self, ITEMS},
    meter::Meter,
    net::{self, Net},
    own::{COMMIT_MICROS, is_push},
};
use anyhow::{Context, Result, bail, ensure};
use datafan_core::{id::MemberId, message::Message};
use std::sync::Arc;

/// Applies pushes and forwards each.
pub fn push(meter: &mut Meter) -> Result<()> {
    let mut line = Line::new()?;
    for n in 0..OPERATIONS {
        let bytes = line.commit(n)?;
        let inputs = vec![net::from(line.net.id(0), bytes)];
        meter.measure(|| line.net.turn(1, inputs));
        let sent = line.net.sent(1)?;
        let pushes = sent.iter().filter(|(to, bytes)| line.others.contains(to) && is_push(bytes)).count();
        ensure!((pushes, sent.len()) == (2, 2), "a push for each of 2 links, and nothing else");
    }
    Ok(())
}

/// Receives each push a second time.
pub fn redundant(meter: &mut Meter) -> Result<()> {
    let mut line = Line::new()?;
    for n in 0..OPERATIONS {
        let bytes = line.commit(n)?;
        line.net.turn(1, vec![net::from(line.net.id(0), bytes.clone())]);
        line.net.sent(1)?;
        let verified = line.net.engine(1).stats().verified;
        let inputs = vec![net::from(line.others[0], bytes)];
        meter.measure(|| line.net.turn(1, inputs));
        let sent = line.net.sent(1)?;
        let [(to, bytes)] = &sent[..] else { bail!("one message, and nothing else") };
        let prunes = matches!(Message::decode(bytes), Ok(Message::Prune(_)));
        ensure!(prunes && *to == line.others[0], "the link that is not needed is pruned");
        ensure!(line.net.engine(1).stats().verified == verified, "no signature is verified");
    }
    Ok(())
}

/// An owner (0), a member that is linked with it (1), and two more that are linked with that one.
struct Line {
    net: Net,
    others: [MemberId; 2],
}

impl Line {
    fn new() -> Result<Self> {
        let mut net = Net::founded(data::config(0)?, 1..=3)?;
        net.load(ITEMS)?;
        let member = net.join(1)?;
        let others = [net.greet(member, 2)?, net.greet(member, 3)?];
        Ok(Self { net, others })
    }

    /// The owner replaces an item; returns its push.
    fn commit(&mut self, n: u64) -> Result<Arc<[u8]>> {
        self.net.pass(COMMIT_MICROS);
        self.net.turn(0, vec![net::commit(vec![data::put(data::random(n, ITEMS), ITEMS + n)])]);
        let sent = self.net.sent(0)?;
        sent.into_iter().map(|(_, bytes)| bytes).find(|bytes| is_push(bytes)).context("nothing was pushed")
    }
}

const OPERATIONS: u64 = 32;
