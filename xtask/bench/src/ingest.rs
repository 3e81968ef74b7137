//! Verified ingest: an owner commits, a relay forwards, and a receiver that trusts neither stores.

use crate::{
    bare,
    child::{self, Cost},
    cpu::Stopwatch,
    data,
    figures::{Figures, memory},
    mesh::Mesh,
    report::{Report, Row, Target, median},
    scale::Scale,
};
use anyhow::Result;
use datafan_core::store::Store;
use datafan_store_mem::MemStore;
use datafan_store_redb::{Options, RedbStore};
use std::{path::Path, time::Duration};

/// Rates in memory and on redb, and the latter beside bare tables.
///
/// # Errors
/// If a run did not finish.
pub fn measure(scale: &Scale, report: &mut Report) -> Result<()> {
    let items = scale.items;
    let few = in_memory_of_children(items, scale.runs, report)?;
    let many = in_memory_of_children(scale.items_many, scale.runs.min(3), report)?;
    report.row("ingest_cost_of_ten_times_the_items", "times", &[many.warm / few.warm]);
    report.row("ingest_cost_of_ten_times_the_items_on_new_memory", "times", &[many.cold / few.cold]);
    report.progress("ingest on redb");
    let redb = runs(scale, |directory| to_file(items, directory.path()))?;
    report.row("ingest_redb", "items/s", &rates(items, &redb, |taken| taken.all));
    report.row("ingest_redb_receiver", "items/s", &rates(items, &redb, |taken| taken.receiver));
    let bare = runs(scale, |directory| bare::insert(items, directory.path()))?;
    report.row("bare_redb", "items/s", &bare.iter().map(|time| rate(items, *time)).collect::<Vec<_>>());
    // Run by run, because the speed of a shared machine changes.
    let over = |part: fn(&Taken) -> Duration| {
        let pairs = redb.iter().zip(&bare);
        pairs.map(|(taken, bare)| part(taken).as_secs_f64() / bare.as_secs_f64()).collect::<Vec<_>>()
    };
    report.row("ingest_redb_over_bare_redb", "times", &over(|taken| taken.all));
    let receiver = Row::new("ingest_redb_receiver_over_bare_redb", "times", &over(|taken| taken.receiver));
    report.add(receiver.target(Target::at_most(1.5)));
    Ok(())
}

/// Time of all engines in one thread, and bytes between receiver and relay.
///
/// # Errors
/// If the receiver did not get everything.
pub fn in_memory(items: u64) -> Result<Figures> {
    Ok(ingest(items, Mesh::on_virtual_time(), MemStore::new())?.figures())
}

/// The same with the receiver on redb, until everything is on its disk.
///
/// # Errors
/// If it did not get everything.
pub fn on_file(items: u64, directory: &Path) -> Result<Figures> {
    Ok(to_file(items, directory)?.figures())
}

fn to_file(items: u64, directory: &Path) -> Result<Taken> {
    let store = RedbStore::open(directory.join("store.redb"), Options::default())?;
    ingest(items, Mesh::new(), store)
}

/// Rates, and the times behind them.
fn in_memory_of_children(items: u64, runs: u32, report: &mut Report) -> Result<Cost> {
    report.progress(&format!("ingest of {items} items"));
    let (mut warm, mut cold) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let figures = child::own(&["ingest", &items.to_string()])?;
        warm.push(figures.get("cpu_s")?);
        cold.push(figures.get("cold_cpu_s")?);
    }
    let rate = |seconds: &[f64]| seconds.iter().map(|seconds| items as f64 / seconds).collect::<Vec<_>>();
    report.row(format!("ingest_memory_{items}"), "items/s", &rate(&warm));
    report.row(format!("ingest_memory_{items}_on_new_memory"), "items/s", &rate(&cold));
    Ok(Cost { warm: median(&warm), cold: median(&cold) })
}

/// The figures of one run, from the first commit until the receiver has the last one on its disk.
struct Taken {
    /// Wall-clock time of all three engines in one thread.
    all: Duration,
    /// Processor time of them.
    worked: Duration,
    /// Wall-clock time in the receiver's engine and store.
    receiver: Duration,
    /// Bytes of messages between relay and receiver.
    bytes: u64,
    /// Peak memory of the process.
    peak: u64,
}

impl Taken {
    fn figures(&self) -> Figures {
        let mut figures = Figures::default();
        figures.add("wall_s", self.all.as_secs_f64());
        figures.add("cpu_s", self.worked.as_secs_f64());
        figures.add("bytes", self.bytes as f64);
        figures.add("peak_bytes", self.peak as f64);
        figures
    }
}

fn ingest<S: Store>(items: u64, mut mesh: Mesh, receiver: S) -> Result<Taken> {
    mesh.add(data::config(0)?, MemStore::new())?;
    mesh.add(data::config(1)?, MemStore::new())?;
    mesh.add(data::config(2)?, receiver)?;
    mesh.link(0, 1);
    mesh.link(1, 2);
    mesh.until("all know the roster", |mesh| {
        mesh.n_ready(0) == 1 && mesh.n_ready(1) == 2 && mesh.n_ready(2) == 1
    })?;
    let commits: Vec<_> = data::commits(items, data::COMMIT_WRITES).collect();
    let (before, carried, watch) = (mesh.busy(2), mesh.bytes(1, 2) + mesh.bytes(2, 1), Stopwatch::start());
    for commit in commits {
        mesh.commit(0, commit)?;
        mesh.settle()?;
    }
    mesh.until("the receiver holds all", |mesh| mesh.holds(2, 0))?;
    mesh.sync(2)?;
    Ok(Taken {
        all: watch.elapsed(),
        worked: watch.worked(),
        receiver: mesh.busy(2) - before,
        bytes: mesh.bytes(1, 2) + mesh.bytes(2, 1) - carried,
        peak: memory("VmHWM").unwrap_or_default(),
    })
}

fn runs<T>(scale: &Scale, mut run: impl FnMut(&tempfile::TempDir) -> Result<T>) -> Result<Vec<T>> {
    (0..scale.runs).map(|_| run(&tempfile::tempdir()?)).collect()
}

fn rates(items: u64, all: &[Taken], part: fn(&Taken) -> Duration) -> Vec<f64> {
    all.iter().map(|taken| rate(items, part(taken))).collect()
}

fn rate(items: u64, time: Duration) -> f64 {
    items as f64 / time.as_secs_f64()
}
