//! Runs a scenario on the simulator, with one seed or many.

use crate::revision::revision;
use anyhow::{Context, Result, bail, ensure};
use datafan_core::time::Time;
use datafan_sim::{
    Outcome, Scenario,
    report::{self, failure, progress},
    run::{Observer, Standing},
    simulate,
    topology::Topology,
};
use std::{
    fs::File,
    io::{BufWriter, IsTerminal, Write},
    path::PathBuf,
    str::FromStr,
    time::{Duration, Instant},
};

/// What to simulate, and which results to show.
#[derive(clap::Args)]
pub struct Arguments {
    /// A shipped scenario (small, churn, partition, lossy, wan, byzantine, restore, thousand, ten_thousand,
    /// deliveries, or the number of a scenario such as a15) or a file ending in .toml
    #[arg(long, value_name = "NAME|FILE", default_value = "small")]
    scenario: String,
    /// Number of members, overriding the scenario
    #[arg(long, value_name = "N")]
    members: Option<usize>,
    /// Topology, overriding the scenario: line, line2, ring, ring2, grid, tree, random:K, random:A..B, full
    /// or a file ending in .toml
    #[arg(long, value_name = "TOPOLOGY")]
    topology: Option<Topology>,
    /// The seed that determines everything
    #[arg(long, value_name = "S", conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Run the seeds from A to B inclusive; stop at the first failure
    #[arg(long, value_name = "A..B")]
    seeds: Option<Seeds>,
    /// Print only data on standard output, one object per seed, the last one in the last line
    #[arg(long)]
    json: bool,
    /// Write a picture of convergence and topology (of the last seed)
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write one page with result and pictures (of the last seed)
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the topology for graphviz (of the last seed)
    #[arg(long, value_name = "FILE")]
    dot: Option<PathBuf>,
    /// Write every event, one per line
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

/// A range of seeds, both ends included.
#[derive(Clone, Copy)]
struct Seeds(u64, u64);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ends = text.split_once("..").and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        let (first, last) = ends.ok_or("write A..B, as in 1..100")?;
        if first > last {
            return Err(format!("{first} is greater than {last}: put the smaller seed first"));
        }
        Ok(Self(first, last))
    }
}

/// Simulates, and prints the outcome.
///
/// # Errors
/// If a check failed, or a file could not be written.
pub fn run(arguments: &Arguments) -> Result<()> {
    let mut scenario = Scenario::load(&arguments.scenario)?;
    if let Some(members) = arguments.members {
        scenario = scenario.with_members(members);
    }
    scenario.topology = arguments.topology.clone().unwrap_or(scenario.topology);
    scenario.check()?;
    let Seeds(first, last) = arguments.seeds.unwrap_or_else(|| {
        let seed = arguments.seed.unwrap_or(1);
        Seeds(seed, seed)
    });
    for seed in first..=last {
        let mut watcher = Watcher::new(arguments)?;
        let outcome = simulate(&scenario, seed, &mut watcher)?;
        watcher.finish()?;
        show(arguments, &scenario, &outcome, first == last)?;
        if let Some(told) = failure(&outcome, &scenario, &arguments.scenario, &revision()) {
            eprint!("{told}");
            bail!("seed {seed}: {} does not hold", outcome.failure.map_or_else(String::new, |it| it.checker));
        }
    }
    if first != last && !arguments.json {
        println!("{} seeds, all checks hold", last - first + 1);
    }
    Ok(())
}

fn show(arguments: &Arguments, scenario: &Scenario, outcome: &Outcome, alone: bool) -> Result<()> {
    let command = format!(
        "cargo xtask simulate --scenario {} --members {} --topology {} --seed {}",
        arguments.scenario, scenario.members, scenario.topology, outcome.seed
    );
    write_to(arguments.svg.as_ref(), || report::svg(outcome))?;
    write_to(arguments.dot.as_ref(), || report::dot(&outcome.picture))?;
    write_to(arguments.html.as_ref(), || report::html(outcome, &command))?;
    if arguments.json {
        println!("{}", report::json(outcome));
    } else if alone {
        print!("{}", report::text(outcome));
    } else {
        println!("{}", report::text(outcome).lines().take(2).collect::<Vec<_>>().join("; "));
    }
    Ok(())
}

fn write_to(path: Option<&PathBuf>, text: impl FnOnce() -> String) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    std::fs::write(path, text()).with_context(|| format!("writing {}", path.display()))
}

/// Shows progress on a terminal, and writes the trace.
struct Watcher {
    shown: Option<Instant>,
    terminal: bool,
    trace: Option<BufWriter<File>>,
    failed: Option<std::io::Error>,
}

impl Watcher {
    fn new(arguments: &Arguments) -> Result<Self> {
        let create =
            |path: &PathBuf| File::create(path).with_context(|| format!("writing {}", path.display()));
        let trace = arguments.trace.as_ref().map(create).transpose()?.map(BufWriter::new);
        Ok(Self { shown: None, terminal: std::io::stderr().is_terminal(), trace, failed: None })
    }

    fn finish(mut self) -> Result<()> {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
        if let Some(trace) = &mut self.trace {
            trace.flush()?;
        }
        ensure!(self.failed.is_none(), "writing the trace: {:?}", self.failed);
        Ok(())
    }
}

impl Observer for Watcher {
    fn on_progress(&mut self, standing: &Standing) {
        let due = self.shown.is_none_or(|shown| shown.elapsed() > Duration::from_millis(200));
        if self.terminal && due {
            eprint!("\r\x1b[K{}", progress(standing));
            self.shown = Some(Instant::now());
        }
    }

    fn on_event(&mut self, _: Time, text: &str) {
        if let Some(trace) = &mut self.trace
            && let Err(error) = writeln!(trace, "{text}")
        {
            self.failed.get_or_insert(error);
        }
    }

    fn wants_events(&self) -> bool {
        self.trace.is_some()
    }
}
