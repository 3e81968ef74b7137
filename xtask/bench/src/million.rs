//! First copy of many items like users have it: from one member to a new one, both on redb, over loopback
//! QUIC, with drivers. [`crate::copy`] does the same with engines alone.

use crate::{
    child,
    copy::allowed,
    cpu::Stopwatch,
    data,
    figures::{Figures, memory},
    hops,
    mesh::Mesh,
    report::{Report, Row, Target},
    scale::Scale,
};
use anyhow::Result;
use datafan_core::{limits::COMMIT_WRITES_MAX, time::Timestamp};
use datafan_driver::BlockOn;
use datafan_store_mem::MemStore;
use datafan_store_redb::{Options, RedbStore};
use std::path::Path;
use tokio::runtime::Builder;

/// Time, bytes of messages, and the memory of the process with both members.
///
/// # Errors
/// If a run did not finish.
pub fn measure(scale: &Scale, report: &mut Report) -> Result<()> {
    let items = scale.items_many;
    let (mut seconds, mut bytes, mut peak) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..scale.runs.min(RUNS_MAX) {
        report.progress(&format!("first copy of {items} items on redb, run {run}"));
        let directory = tempfile::tempdir()?;
        let (n, path) = (items.to_string(), directory.path().to_string_lossy());
        let last = child::own(&["fill-file", &n, &path])?.get("timestamp")? as u64;
        let figures = child::own(&["copy-on-file", &last.to_string(), &path])?;
        seconds.push(figures.get("wall_s")?);
        bytes.push(figures.get("bytes")? / items as f64);
        peak.push(figures.get("peak_bytes")? / 1e6);
    }
    let name = |what: &str| format!("first_copy_{items}_redb_quic{what}");
    report.row(name(""), "s", &seconds);
    let messages = Row::new(name("_messages"), "bytes/item", &bytes);
    report.add(messages.target(Target::at_most(allowed(items))));
    report.row(name("_peak"), "MB", &peak);
    Ok(())
}

/// Creates the file of a member that holds this many items and has admitted another one.
///
/// # Errors
/// If the store fails.
pub fn fill(items: u64, directory: &Path) -> Result<Figures> {
    let watch = Stopwatch::start();
    let mut mesh = Mesh::on_virtual_time();
    mesh.add(data::config(0)?, RedbStore::open(directory.join(HOLDER), Options::default())?)?;
    // Only for its id; its store is not used.
    mesh.add(data::config(1)?, MemStore::new())?;
    for commit in data::commits(items, COMMIT_WRITES_MAX as u64) {
        mesh.commit(0, commit)?;
    }
    mesh.sync(0)?;
    let last = mesh.head(0, &data::config(0)?.member.id()).unwrap_or_default();
    let mut figures = Figures::default();
    figures.add_times(&watch);
    figures.add("timestamp", last.0 as f64);
    Ok(figures)
}

/// Copies the shard of that member to a new one, until it can be read there up to `last`.
///
/// # Errors
/// If the copy did not finish.
pub fn copy(last: u64, directory: &Path) -> Result<Figures> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut config = data::config(0)?;
    config.new_mesh = false;
    let store = RedbStore::open(directory.join(HOLDER), Options::default())?;
    let (old, address) = hops::member(&runtime, config, store)?;
    let store = RedbStore::open(directory.join("new.redb"), Options::default())?;
    let (new, _) = hops::member(&runtime, data::config(1)?, store)?;
    let watch = Stopwatch::start_process();
    new.connect(address.as_str(), Some(old.id())).block_on()?;
    hops::soon(&new, new.wait_for(old.id(), Timestamp(last)))?;
    let mut figures = Figures::default();
    figures.add_times(&watch);
    let traffic = new.traffic().block_on()?;
    figures.add("bytes", (traffic.sent + traffic.received) as f64);
    figures.add("peak_bytes", memory("VmHWM")? as f64);
    new.stop().block_on()?;
    old.stop().block_on()?;
    Ok(figures)
}

const HOLDER: &str = "holder.redb";
/// Filling a file takes long.
const RUNS_MAX: u32 = 3;
