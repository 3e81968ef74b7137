//! The cost of an idle link: bytes of messages per direction and round.

use crate::{
    data,
    mesh::Mesh,
    report::{Report, Row, Target},
    scale::Scale,
};
use anyhow::Result;
use datafan_core::time::SECOND;
use datafan_store_mem::MemStore;

/// With few and with many owners.
///
/// # Errors
/// If the members did not become equal.
pub fn measure(scale: &Scale, report: &mut Report) -> Result<()> {
    for owners in scale.owners {
        report.progress(&format!("idle link, {owners} owners"));
        let bytes = idle_bytes(owners)?;
        let row = Row::new(format!("idle_link_{owners}_owners"), "bytes/round", &[bytes]);
        report.add(row.target(Target::at_most(64.0)));
    }
    Ok(())
}

/// The mean over both directions and a minute of virtual time; the same in every run.
fn idle_bytes(owners: u32) -> Result<f64> {
    let mut mesh = Mesh::on_virtual_time();
    mesh.add(data::config(0)?, MemStore::new())?;
    mesh.commit(0, vec![data::write(0)])?;
    for number in 1..owners {
        let owner = mesh.add(data::config(number)?, MemStore::new())?;
        mesh.link(owner, 0);
        mesh.commit(owner, vec![data::write(0)])?;
        mesh.until("the first member holds what a new one wrote", |mesh| mesh.holds(0, owner))?;
        mesh.retire(owner, 0);
    }
    let other = mesh.add(data::config(owners)?, MemStore::new())?;
    mesh.link(other, 0);
    let owners: Vec<usize> = (0..other).collect();
    mesh.until("both hold all", |mesh| owners.iter().all(|owner| mesh.equal(other, 0, *owner)))?;
    // Activity after the greeting ends.
    mesh.pass(60 * SECOND)?;
    let rounds = mesh.n_rounds(0) + mesh.n_rounds(other);
    let bytes = mesh.bytes(0, other) + mesh.bytes(other, 0);
    mesh.pass(60 * SECOND)?;
    let rounds = mesh.n_rounds(0) + mesh.n_rounds(other) - rounds;
    let bytes = mesh.bytes(0, other) + mesh.bytes(other, 0) - bytes;
    Ok(bytes as f64 / rounds as f64)
}
