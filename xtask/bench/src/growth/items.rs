//! Cost against the items of one shard.

use super::point::{MICROS, point, runs};
use crate::{
    cpu::Stopwatch,
    data::{self, Overwritten},
    figures::Figures,
    mesh::Mesh,
    report::Report,
    scale::Scale,
    trace::{Deltas, Tag, Trace},
};
use anyhow::{Result, ensure};
use datafan_core::{
    engine::Engine,
    identity::Strict,
    limits::COMMIT_WRITES_MAX,
    time::{MILLI, Now, Time, Timestamp},
};
use datafan_store_redb::{Options, RedbStore};
use std::path::Path;

/// All curves, point by point.
///
/// # Errors
/// If a run did not finish.
pub fn measure(scale: &Scale, report: &mut Report) -> Result<()> {
    for &items in scale.growth.items {
        report.progress(&format!("{items} items"));
        let (n, each) = (items.to_string(), MICROS / items as f64);
        // Short ones are measured more often, since other processes disturb them more.
        let times = if items < 100_000 { scale.runs.max(2) } else { scale.runs };
        let writes = runs(times, &["growth-writes", &n])?;
        point(report, ("items_commit", "us"), items, &writes, ("commit_cpu_s", MICROS))?;
        point(report, ("items_push_applied", "us"), items, &writes, ("push_cpu_s", MICROS))?;
        let ingest = runs(times, &["ingest", &n])?;
        point(report, ("items_ingest", "us/item"), items, &ingest, ("cpu_s", each))?;
        let copy = runs(times, &["copy", &n])?;
        point(report, ("items_first_copy", "us/item"), items, &copy, ("cpu_s", each))?;
        point(report, ("items_first_copy_new_memory", "us/item"), items, &copy, ("cold_cpu_s", each))?;
        point(
            report,
            ("items_first_copy_messages", "bytes/item"),
            items,
            &copy,
            ("bytes", 1.0 / items as f64),
        )?;
        let reconciliation = runs(scale.runs.min(3), &["reconciliation", &n, "1", "random"])?;
        point(
            report,
            ("items_reconciliation_1_changed", "bytes"),
            items,
            &reconciliation,
            ("bytes_beyond_values", 1.0),
        )?;
        point(
            report,
            ("items_reconciliation_1_changed_cpu", "us"),
            items,
            &reconciliation,
            ("cpu_s", MICROS),
        )?;
        let memory = runs(scale.runs.min(3), &["memory", &n])?;
        point(report, ("items_memory_beyond_data", "bytes/item"), items, &memory, ("bytes_per_item", 1.0))?;
        let directory = tempfile::tempdir()?;
        let opened = runs(1, &["growth-opening", &n, &directory.path().to_string_lossy()])?;
        point(report, ("items_open_redb", "ms"), items, &opened, ("open_s", 1_000.0))?;
        point(report, ("items_open_redb_clean", "ms"), items, &opened, ("clean_open_s", 1_000.0))?;
        point(report, ("items_redb_file", "bytes/item"), items, &opened, ("file_bytes", 1.0 / items as f64))?;
    }
    Ok(())
}

/// Processor time of one commit of one put over a random item, at an owner that pushes it to a peer; and of
/// the peer that receives the delta. Means over [`WRITES`].
///
/// # Errors
/// If a push does not arrive.
pub fn writes(items: u64) -> Result<Figures> {
    let mut mesh = Mesh::of_two_with(items)?;
    let overwritten = data::overwritten(items, WRITES.min(items / 2), Overwritten::Random);
    mesh.begin_trace(Trace::new(Deltas::Carried));
    for n in 0..WRITES as usize {
        let (pass, item) = (n / overwritten.len(), overwritten[n % overwritten.len()]);
        // A new value each time: a put of an unchanged value changes nothing.
        let write = if pass.is_multiple_of(2) { data::rewrite(item) } else { data::write(item) };
        mesh.commit(0, vec![write])?;
        mesh.until("the peer has it", |mesh| mesh.holds(1, 0))?;
        // Slow enough that nobody limits the owner's rate.
        mesh.pass(PAUSE)?;
    }
    let trace = mesh.end_trace().expect("it was begun above");
    let push = trace.tally(Tag::Delta);
    ensure!(push.messages == WRITES, "{} pushes", push.messages);
    let mut figures = Figures::default();
    figures.add("commit_cpu_s", trace.tally(Tag::Command).worked.as_secs_f64() / WRITES as f64);
    figures.add("push_cpu_s", push.worked.as_secs_f64() / WRITES as f64);
    Ok(figures)
}

/// Wall-clock seconds until an engine is ready on a file with this many items: after a crash, and after a
/// clean stop. The file has just been written, so the system has it in memory.
///
/// # Errors
/// If the disk fails.
pub fn opening(items: u64, directory: &Path) -> Result<Figures> {
    let file = directory.join("store.redb");
    let mut mesh = Mesh::on_virtual_time();
    mesh.add(data::config(0)?, RedbStore::open(&file, Options::default())?)?;
    for commit in data::commits(items, COMMIT_WRITES_MAX as u64) {
        mesh.commit(0, commit)?;
    }
    // Not closed: a crash.
    drop(mesh);
    let mut figures = Figures::default();
    figures.add("file_bytes", std::fs::metadata(&file)?.len() as f64);
    opened(&file, ("open_s", "open_cpu_s"), &mut figures)?.close()?;
    drop(opened(&file, ("clean_open_s", "clean_open_cpu_s"), &mut figures)?);
    Ok(figures)
}

/// Opens an engine on a file, and records wall-clock and processor time.
fn opened(file: &Path, names: (&str, &str), figures: &mut Figures) -> Result<Engine<RedbStore>> {
    let mut config = data::config(0)?;
    config.new_mesh = false;
    let now = Now { time: Time(1), wall: Timestamp(data::wall_micros()) };
    let watch = Stopwatch::start();
    let store = RedbStore::open(file, Options::default())?;
    let engine = Engine::open(config, 0, Box::new(Strict), store, now)?;
    figures.add(names.0, watch.elapsed().as_secs_f64());
    figures.add(names.1, watch.worked().as_secs_f64());
    Ok(engine)
}

/// Enough for a stable mean.
const WRITES: u64 = 2_000;
/// Virtual time between two commits.
pub(super) const PAUSE: u64 = 20 * MILLI;
