//! Reads by users.

use crate::{
    data::{self, ITEMS},
    meter::Meter,
    net::Net,
};
use anyhow::{Result, ensure};
use datafan_core::{read::Snapshot, store::StoreReader};
use std::hint::black_box;

/// Reads keys in no order.
pub fn key(meter: &mut Meter) -> Result<()> {
    let net = loaded()?;
    let snapshot = Snapshot::new(net.engine(0).reader().snapshot()?, data::mesh(), data::WALL);
    let owner = net.id(0);
    for n in 0..1_000 {
        let key = data::key(data::random(n, ITEMS));
        let read = meter.measure(|| snapshot.get(black_box(&owner), key.as_str()))?;
        ensure!(read.is_some_and(|item| item.value.len() == 100), "a key that is there");
    }
    Ok(())
}

/// Reads all items.
pub fn all(meter: &mut Meter) -> Result<()> {
    let net = loaded()?;
    let snapshot = Snapshot::new(net.engine(0).reader().snapshot()?, data::mesh(), data::WALL);
    let owner = net.id(0);
    for _ in 0..3 {
        let bytes = meter.measure(|| {
            let mut bytes = 0;
            for entry in snapshot.items_of(black_box(&owner)) {
                bytes += entry?.item.value.len();
            }
            anyhow::Ok(bytes)
        })?;
        ensure!(bytes == 100 * ITEMS as usize, "all items");
    }
    Ok(())
}

fn loaded() -> Result<Net> {
    let mut net = Net::founded(data::config(0)?, [])?;
    net.load(ITEMS)?;
    Ok(net)
}
