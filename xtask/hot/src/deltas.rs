//! Catching up: by a delta, or by reconciliation.

use crate::{
    data::{self, ITEMS},
    meter::Meter,
    net::{self, Net},
    own::COMMIT_MICROS,
};
use anyhow::{Context, Result, ensure};
use datafan_core::{
    engine::Write,
    limits::COMMIT_WRITES_MAX,
    store::{StoreReader, StoreSnapshot},
};
use std::sync::Arc;

/// Which side of a pull is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The receiver of the delta.
    Asker,
    /// The sender of the delta.
    Answerer,
}

/// One side of pulls.
pub fn pull(meter: &mut Meter, side: Side) -> Result<()> {
    let mut net = Net::founded(data::config(0)?, [1])?;
    net.load(ITEMS)?;
    net.join(1)?;
    for n in 0..PULLS {
        net.pass(COMMIT_MICROS);
        let from = ITEMS + n * COMMIT_WRITES_MAX as u64;
        let writes = (from..from + COMMIT_WRITES_MAX as u64).map(|n| data::put(n, n)).collect();
        // Too large to be pushed, so it is announced and pulled.
        net.turn(0, vec![net::commit(writes)]);
        let (announced, owner, member) = (one(&mut net, 0)?, net.id(0), net.id(1));
        net.turn(1, vec![net::from(owner, announced)]);
        let pulled = vec![net::from(member, one(&mut net, 1)?)];
        match side {
            Side::Answerer => meter.measure(|| net.turn(0, pulled)),
            Side::Asker => net.turn(0, pulled),
        }
        let delta = vec![net::from(owner, one(&mut net, 0)?)];
        match side {
            Side::Asker => meter.measure(|| net.turn(1, delta)),
            Side::Answerer => net.turn(1, delta),
        }
        net.settle()?;
        ensure!(are_equal(&net)?, "the delta is taken in");
    }
    Ok(())
}

/// Both sides of reconciliations.
pub fn reconciliation(meter: &mut Meter) -> Result<()> {
    let mut founder = data::config(0)?;
    // Tombstones are dropped at once, so there is no delta.
    founder.tombstones_max = TOMBSTONES;
    let mut net = Net::founded(founder, [1])?;
    net.load(ITEMS)?;
    net.join(1)?;
    for n in 0..RECONCILIATIONS {
        net.pass(COMMIT_MICROS);
        let numbers: Vec<u64> = (n * CHANGES..(n + 1) * CHANGES).map(scattered).collect();
        let (deleted, replaced) = numbers.split_at(2 * TOMBSTONES as usize);
        let deleted = deleted.iter().map(|n| Write::Delete { key: data::key(*n) });
        let replaced = replaced.iter().map(|n| data::put(*n, ITEMS + n));
        let writes = deleted.chain(replaced).collect();
        net.turn(0, vec![net::commit(writes)]);
        let gaps = net.engine(0).stats().deltas_unavailable;
        meter.measure(|| net.settle())?;
        ensure!(net.engine(0).stats().deltas_unavailable == gaps + 1, "there is no delta");
        ensure!(are_equal(&net)?, "all changes are found");
    }
    Ok(())
}

/// The only message that a member sends.
fn one(net: &mut Net, member: usize) -> Result<Arc<[u8]>> {
    let mut sent = net.sent(member)?;
    ensure!(sent.len() == 1, "{} messages instead of one", sent.len());
    Ok(sent.pop().context("one message")?.1)
}

/// Whether both hold the same data of the founder.
fn are_equal(net: &Net) -> Result<bool> {
    let head = |member| -> Result<_> {
        let whole = net.engine(member).reader().snapshot()?.whole(&net.id(0))?;
        Ok(whole.and_then(|(_, record)| record.head().copied()))
    };
    Ok(head(0)?.is_some() && head(0)? == head(1)?)
}

/// A different item for each `n` below [`ITEMS`], in no order: 7,919 is prime and does not divide it.
fn scattered(n: u64) -> u64 {
    n * 7_919 % ITEMS
}

/// Number of operations; few, because each of them is long.
const PULLS: u64 = 2;
const RECONCILIATIONS: u64 = 4;
/// Items that are changed at once; some of them are deleted, twice as many as there are tombstones kept.
const CHANGES: u64 = 100;
const TOMBSTONES: u64 = 8;
