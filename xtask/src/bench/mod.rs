//! `cargo xtask bench`: what the README's table shows, as medians over runs.
//!
//! Every measurement makes what it needs anew for each run. Engines are driven directly, in one thread and without a
//! driver, where the cost of the engine itself is asked for (`mesh`); in memory that is processor time, where a disk
//! takes part the time on the wall. The rest goes through drivers, as users do.

mod bare;
mod bare_quic;
mod beside_bulk;
pub mod child;
mod copy;
mod cpu;
mod crowd;
mod data;
mod figures;
mod flood;
mod growth;
mod hops;
mod idle;
mod idle_cpu;
mod ingest;
mod join;
mod memory;
mod mesh;
mod million;
mod peers;
mod plots;
mod reads;
mod reconcile;
mod report;
mod side;
mod simulator;
mod table;
mod trace;
mod writers;

use crate::ci;
use anyhow::{Result, ensure};
use report::Report;
use side::Peers;
use std::path::PathBuf;

/// What to measure, and how long.
#[derive(clap::Args)]
pub struct Arguments {
    /// One JSON object per row and line, in place of a table
    #[arg(long)]
    json: bool,
    /// Measures nothing: prints the rows of FILE, which a run with --json has printed, as a table in Markdown
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "quick", "peers", "only"])]
    table: Option<PathBuf>,
    /// Measures nothing: draws the rows of FILE as pictures into DIR
    #[arg(long, value_name = "DIR", requires = "rows", conflicts_with_all = ["json", "quick", "peers", "only", "table"])]
    plots: Option<PathBuf>,
    /// What to draw: rows that runs with --json have printed
    #[arg(long, value_name = "FILE", requires = "plots")]
    rows: Option<PathBuf>,
    /// In place of all others the points of the growth curves: cost against items, owners, members, bytes of a value
    #[arg(long, conflicts_with = "peers")]
    growth: bool,
    /// Small and once, to see that it works; the figures mean nothing
    #[arg(long)]
    quick: bool,
    /// Also the peers that the design's figures speak of, each beside datafan at the same work; builds them first
    #[arg(long)]
    peers: bool,
    /// Only measurements with NAME in their name: ingest, copy, first-copy-million, reconcile, hops, beside-bulk, crowd,
    /// join, idle, idle-cpu, memory, writers, reads, flood, simulator; with --peers peers-sets, peers-documents, peers-gossip, peers-live,
    /// peers-memory; with --growth growth-items, growth-owners, growth-members, growth-values
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Runs of each measurement; the median counts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

/// How large the measurements are.
#[derive(Clone, Copy)]
struct Scale {
    /// Items that count as many.
    items: u64,
    /// Ten times as many.
    items_many: u64,
    /// Owners, few and many.
    owners: [u32; 2],
    /// How many of the items are overwritten while a member is away.
    changed: [u64; 3],
    /// Writes whose way is timed.
    writes: u32,
    /// Items of 1 KiB that are copied while somebody writes.
    bulk_items: u64,
    /// Members of one process, the writes that go to all of them.
    members: u32,
    spread_writes: u32,
    /// What a new member gets: so many shards, so many keys in each.
    shards: u32,
    shard_keys: u64,
    /// Reads whose time is taken.
    reads: u32,
    /// Puts of each of the writers.
    puts: u32,
    /// Commits per second of an owner that does not rest, and for how long.
    flood_rate: u32,
    flood_seconds: u32,
    /// For how long nothing happens.
    idle_seconds: u32,
    runs: u32,
    /// Where the points of the curves are.
    growth: growth::Extent,
}

type Measure = fn(&Scale, &mut Report) -> Result<()>;

const MEASUREMENTS: &[(&str, Measure)] = &[
    ("ingest", ingest::measure),
    ("copy", copy::measure),
    ("first-copy-million", million::measure),
    ("reconcile", reconcile::measure),
    ("hops", hops::measure),
    ("beside-bulk", beside_bulk::measure),
    ("crowd", crowd::measure),
    ("join", join::measure),
    ("idle", idle::measure),
    ("idle-cpu", idle_cpu::measure),
    ("memory", memory::measure),
    ("writers", writers::measure),
    ("reads", reads::measure),
    ("flood", flood::measure),
    ("simulator", simulator::measure),
];

/// Makes the measurements and prints their rows.
///
/// # Errors
/// If one of them did not come to its end.
pub fn run(arguments: &Arguments) -> Result<()> {
    if let Some(file) = &arguments.table {
        print!("{}", table::markdown(file)?);
        return Ok(());
    }
    if let (Some(directory), Some(rows)) = (&arguments.plots, &arguments.rows) {
        return plots::draw(directory, rows);
    }
    let scale = Scale::of(arguments);
    let own = if arguments.growth { growth::MEASUREMENTS } else { MEASUREMENTS };
    let of_peers = if arguments.peers { peers::MEASUREMENTS } else { &[] };
    let wanted = |name: &str| arguments.only.as_deref().is_none_or(|only| name.contains(only));
    let names = || own.iter().map(|(name, _)| *name).chain(of_peers.iter().map(|(name, _)| *name));
    ensure!(
        names().any(wanted),
        "there is no measurement with {:?} in its name among {}; --peers and --growth have others",
        arguments.only.as_deref().unwrap_or_default(),
        names().collect::<Vec<_>>().join(", ")
    );
    let mut report = Report::new(arguments.json);
    for (name, measure) in own.iter().filter(|(name, _)| wanted(name)) {
        report.progress(name);
        measure(&scale, &mut report)?;
    }
    if of_peers.iter().any(|(name, _)| wanted(name)) {
        let peers = Peers::build(&ci::root()?)?;
        for (name, measure) in of_peers.iter().filter(|(name, _)| wanted(name)) {
            report.progress(name);
            measure(&peers, &scale, &mut report)?;
        }
    }
    report.finish();
    Ok(())
}

impl Scale {
    /// Members of a shipped scenario.
    fn simulated(&self, scenario: &str) -> usize {
        let members = if scenario == "thousand" { 10 * self.members } else { self.members };
        members as usize
    }

    fn of(arguments: &Arguments) -> Self {
        if arguments.quick {
            return Self {
                items: 5_000,
                items_many: 50_000,
                owners: [2, 20],
                changed: [1, 10, 100],
                writes: 50,
                bulk_items: 100_000,
                members: 20,
                spread_writes: 10,
                shards: 20,
                shard_keys: 100,
                reads: 500,
                puts: 10,
                flood_rate: 1_000,
                flood_seconds: 2,
                idle_seconds: 3,
                runs: 1,
                growth: growth::Extent::SMALL,
            };
        }
        Self {
            items: 100_000,
            items_many: 1_000_000,
            owners: [10, 1_000],
            changed: [1, 100, 10_000],
            writes: 1_000,
            bulk_items: 200_000,
            members: 100,
            spread_writes: 50,
            shards: 100,
            shard_keys: 1_000,
            reads: 100_000,
            puts: 50,
            flood_rate: 10_000,
            flood_seconds: 20,
            idle_seconds: 20,
            runs: arguments.runs,
            growth: growth::Extent::FULL,
        }
    }
}
