//! `cargo xtask bench`: the figures of the README's table, as medians over runs.
//!
//! Every measurement creates its data again for each run. To measure the cost of the engine itself, engines
//! are driven directly, in one thread and without a driver (`mesh`); this is processor time in memory, and
//! wall-clock time with a disk. The other measurements use drivers, like users do.

mod bare;
mod bare_quic;
mod beside_bulk;
mod child;
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
mod scale;
mod side;
mod simulator;
mod subject;
mod table;
mod trace;
mod writers;

use anyhow::{Result, ensure};
use clap::Parser;
use report::Report;
use scale::{Measure, Scale};
use side::Peers;
use std::{path::PathBuf, process::ExitCode};

/// The allocator of the binary `datafan`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures speed, bytes and memory
#[derive(Parser)]
#[command(
    bin_name = "cargo xtask bench",
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(flatten)]
    bench: Bench,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Run one measurement in a separate process
    #[command(hide = true)]
    Child(subject::Arguments),
}

/// What to measure, and how long.
#[derive(clap::Args)]
struct Bench {
    /// Print one JSON object per row and line instead of a table
    #[arg(long)]
    json: bool,
    /// Measure nothing; print the rows in FILE, the output of a run with --json, as a Markdown table
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "quick", "peers", "only"])]
    table: Option<PathBuf>,
    /// Measure nothing; draw the rows in FILE as pictures into DIR
    #[arg(long, value_name = "DIR", requires = "rows")]
    #[arg(conflicts_with_all = ["json", "quick", "peers", "only", "table"])]
    plots: Option<PathBuf>,
    /// Rows to draw, the output of runs with --json
    #[arg(long, value_name = "FILE", requires = "plots")]
    rows: Option<PathBuf>,
    /// Instead of all others, measure the points of the growth curves: cost against items, owners, members,
    /// bytes of a value
    #[arg(long, conflicts_with = "peers")]
    growth: bool,
    /// Run small measurements once, to see that they work; the figures are meaningless
    #[arg(long)]
    quick: bool,
    /// Also measure the peers, each beside datafan at the same work; builds them first
    #[arg(long)]
    peers: bool,
    /// Only measurements with NAME in their name: ingest, copy, first-copy-million, reconcile, hops,
    /// beside-bulk, crowd, join, idle, idle-cpu, memory, writers, reads, flood, simulator; with --peers
    /// peers-sets, peers-documents, peers-gossip, peers-live, peers-memory; with --growth growth-items,
    /// growth-owners, growth-members, growth-values
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Number of runs of each measurement; the median is reported
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

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

fn main() -> ExitCode {
    let Arguments { bench, command } = Arguments::parse();
    let done = match command {
        None => run(&bench),
        Some(Command::Child(arguments)) => subject::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // An error for people, without a backtrace, whatever the environment says.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Makes the measurements and prints their rows.
fn run(arguments: &Bench) -> Result<()> {
    if let Some(file) = &arguments.table {
        print!("{}", table::markdown(file)?);
        return Ok(());
    }
    if let (Some(directory), Some(rows)) = (&arguments.plots, &arguments.rows) {
        return plots::draw(directory, rows);
    }
    let scale = if arguments.quick { Scale::QUICK } else { Scale::full(arguments.runs) };
    let own = if arguments.growth { growth::MEASUREMENTS } else { MEASUREMENTS };
    let of_peers = if arguments.peers { peers::MEASUREMENTS } else { &[] };
    let wanted = |name: &str| arguments.only.as_deref().is_none_or(|only| name.contains(only));
    let names = || own.iter().map(|(name, _)| *name).chain(of_peers.iter().map(|(name, _)| *name));
    ensure!(
        names().any(wanted),
        "no measurement has {:?} in its name; use one of {}, or see --peers and --growth",
        arguments.only.as_deref().unwrap_or_default(),
        names().collect::<Vec<_>>().join(", ")
    );
    let mut report = Report::new(arguments.json);
    for (name, measure) in own.iter().filter(|(name, _)| wanted(name)) {
        report.progress(name);
        measure(&scale, &mut report)?;
    }
    if of_peers.iter().any(|(name, _)| wanted(name)) {
        let peers = Peers::build()?;
        for (name, measure) in of_peers.iter().filter(|(name, _)| wanted(name)) {
            report.progress(name);
            measure(&peers, &scale, &mut report)?;
        }
    }
    report.finish();
    Ok(())
}
