//! `cargo xtask bench`: what the README's table shows, as medians over runs.
//!
//! Every measurement makes what it needs anew for each run. Engines are driven directly, in one thread and without a
//! driver, where the cost of the engine itself is asked for (`mesh`); in memory that is processor time, where a disk
//! takes part the time on the wall. The rest goes through drivers, as users do.

mod bare;
pub mod child;
mod copy;
mod cpu;
mod data;
mod hops;
mod idle;
mod ingest;
mod memory;
mod mesh;
mod report;
mod writers;

use anyhow::{Result, ensure};
use report::Report;

/// What to measure, and how long.
#[derive(clap::Args)]
pub struct Arguments {
    /// One JSON object per row and line, in place of a table
    #[arg(long)]
    json: bool,
    /// Small and once, to see that it works; the figures mean nothing
    #[arg(long)]
    quick: bool,
    /// Only measurements with NAME in their name: ingest, copy, hops, idle, memory, writers
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
    /// Writes whose way is timed.
    writes: u32,
    /// Puts of each of the writers.
    puts: u32,
    runs: u32,
}

type Measure = fn(&Scale, &mut Report) -> Result<()>;

const MEASUREMENTS: &[(&str, Measure)] = &[
    ("ingest", ingest::measure),
    ("copy", copy::measure),
    ("hops", hops::measure),
    ("idle", idle::measure),
    ("memory", memory::measure),
    ("writers", writers::measure),
];

/// Makes the measurements and prints their rows.
///
/// # Errors
/// If one of them did not come to its end.
pub fn run(arguments: &Arguments) -> Result<()> {
    let scale = Scale::of(arguments);
    let wanted = |name: &str| arguments.only.as_deref().is_none_or(|only| name.contains(only));
    let mut report = Report::new(arguments.json);
    for (name, measure) in MEASUREMENTS.iter().filter(|(name, _)| wanted(name)) {
        report.progress(name);
        measure(&scale, &mut report)?;
    }
    ensure!(report.n_rows() > 0, "there is no such measurement");
    report.finish();
    Ok(())
}

impl Scale {
    fn of(arguments: &Arguments) -> Self {
        if arguments.quick {
            return Self { items: 5_000, items_many: 50_000, owners: [2, 20], writes: 50, puts: 10, runs: 1 };
        }
        Self {
            items: 100_000,
            items_many: 1_000_000,
            owners: [10, 1_000],
            writes: 1_000,
            puts: 50,
            runs: arguments.runs,
        }
    }
}
