//! A new member gets the shards of many owners: wall-clock time, including waiting.

use crate::{
    child,
    cpu::Stopwatch,
    data,
    figures::Figures,
    hops,
    mesh::{Heads, Mesh},
    report::{Report, Row, Target},
    scale::Scale,
};
use anyhow::Result;
use datafan_core::store::Store;
use datafan_driver::BlockOn;
use datafan_store_mem::MemStore;
use datafan_store_redb::{Options, RedbStore};
use std::path::Path;
use tokio::runtime::Builder;

/// In memory, and on redb over loopback QUIC.
///
/// # Errors
/// If it does not get everything.
pub fn measure(scale: &Scale, report: &mut Report) -> Result<()> {
    let (shards, keys) = (scale.shards.to_string(), scale.shard_keys.to_string());
    let (mut memory, mut redb) = (Vec::new(), Vec::new());
    for run in 0..scale.runs {
        report.progress(&format!("a new member gets {shards} shards, run {run}"));
        memory.push(child::own(&["join", &shards, &keys])?.get("wall_s")?);
        let directory = tempfile::tempdir()?;
        let path = directory.path().to_string_lossy();
        redb.push(child::own(&["join-on-file", &shards, &keys, &path])?.get("wall_s")?);
    }
    report.add(Row::new("join_memory", "s", &memory).target(Target::at_most(1.0)));
    report.add(Row::new("join_redb_quic", "s", &redb).target(Target::at_most(3.0)));
    Ok(())
}

/// Engines in memory, connected by queues.
///
/// # Errors
/// If the new member does not get everything.
pub fn in_memory(shards: u32, keys: u64) -> Result<Figures> {
    let mut mesh = holder(shards, keys, Mesh::new(), MemStore::new())?;
    let new = mesh.add(data::config(shards)?, MemStore::new())?;
    let owners: Vec<usize> = (0..new).collect();
    let watch = Stopwatch::start();
    mesh.link(new, 0);
    mesh.until("the new member holds all", |mesh| owners.iter().all(|owner| mesh.equal(new, 0, *owner)))?;
    let mut figures = Figures::default();
    figures.add_times(&watch);
    figures.add("bytes", (mesh.bytes(0, new) + mesh.bytes(new, 0)) as f64);
    Ok(figures)
}

/// Two members with their drivers, on redb, over loopback QUIC.
///
/// # Errors
/// If the new member does not get everything.
pub fn on_file(shards: u32, keys: u64, directory: &Path) -> Result<Figures> {
    let file = directory.join("holder.redb");
    let heads = held(shards, keys, 1, &file)?;
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut config = data::config(0)?;
    config.new_mesh = false;
    let (old, address) = hops::member(&runtime, config, RedbStore::open(&file, Options::default())?)?;
    let store = RedbStore::open(directory.join("new.redb"), Options::default())?;
    let (new, _) = hops::member(&runtime, data::config(shards)?, store)?;
    let watch = Stopwatch::start_process();
    new.connect(address.as_str(), Some(old.id())).block_on()?;
    heads.iter().try_for_each(|(owner, timestamp)| hops::soon(&new, new.wait_for(*owner, *timestamp)))?;
    let mut figures = Figures::default();
    figures.add_times(&watch);
    figures.add("bytes", new.traffic().block_on()?.received as f64);
    new.stop().block_on()?;
    old.stop().block_on()?;
    Ok(figures)
}

/// A file of member 0 that holds `shards` shards of `keys` items each, and has admitted `more` members.
///
/// # Errors
/// If the store fails.
pub fn held(shards: u32, keys: u64, more: u32, file: &Path) -> Result<Heads> {
    let store = RedbStore::open(file, Options::default())?;
    let mut mesh = holder(shards, keys, Mesh::on_virtual_time(), store)?;
    for number in shards..shards + more {
        // Only for its id; its store is not used.
        mesh.add(data::config(number)?, MemStore::new())?;
    }
    mesh.sync(0)?;
    Ok(mesh.heads(0))
}

/// Member 0 holds `shards` shards of `keys` items each; their owners are gone.
fn holder<S: Store>(shards: u32, keys: u64, mut mesh: Mesh, store: S) -> Result<Mesh> {
    mesh.add(data::config(0)?, store)?;
    mesh.commit(0, (0..keys).map(data::write).collect())?;
    for number in 1..shards {
        let owner = mesh.add(data::config(number)?, MemStore::new())?;
        mesh.link(owner, 0);
        let first = u64::from(number) * keys;
        mesh.commit(owner, (first..first + keys).map(data::write).collect())?;
        mesh.until("the holder has what an owner wrote", |mesh| mesh.holds(0, owner))?;
        mesh.retire(owner, 0);
    }
    Ok(mesh)
}
