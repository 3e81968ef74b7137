//! `cargo xtask mutants`: breaks the engine on purpose, one small patch at a time, and checks that a checker
//! of the simulator notices.
//!
//! Everything happens in a copy of the working tree below `target/mutants`, with its own target directory, so
//! that only what depends on the changed crate is built again.

mod patch;
mod tree;

use crate::{programs, workspace};
use anyhow::{Context, Result, bail, ensure};
use patch::Mutant;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};
use tree::Tree;

/// The mutants to try.
#[derive(clap::Args)]
pub struct Arguments {
    /// Mutants by name; all of them by default
    names: Vec<String>,
    /// Print only data on standard output: one object per mutant, and the summary in the last line
    #[arg(long)]
    json: bool,
}

/// Seeds with which a mutant must be caught, both ends included.
const SEEDS: (u64, u64) = (1, 100);
/// A scenario that takes longer has caught nothing.
const PLAY_SECONDS_MAX: Duration = Duration::from_secs(600);

/// What exists.
struct Known {
    mutants: Vec<Mutant>,
    /// Names of the simulator's checkers.
    checkers: BTreeSet<String>,
}

/// A checker that failed.
struct Caught {
    checker: String,
    scenario: String,
    seed: u64,
    what: String,
}

/// The result of running a scenario.
enum Played {
    Passed,
    Caught(Caught),
    /// It took longer than [`PLAY_SECONDS_MAX`].
    Late,
}

/// Checks that the unchanged tree passes, then tries each mutant.
///
/// # Errors
/// If a patch does not apply or build, the unchanged tree fails, a mutant is not caught, or, if all are
/// tried, a checker caught none.
pub fn run(arguments: &Arguments) -> Result<()> {
    let root = workspace::enter()?;
    let Known { mutants, checkers } = Known::read(&root)?;
    let mutants = chosen(mutants, &arguments.names)?;
    let tree = Tree::new(&root)?;
    check_unchanged(arguments, &tree, &mutants)?;
    if !arguments.json {
        println!("{:<29} {:<19} {:<9} {:>4} {:>8}", "mutant", "caught by", "scenario", "seed", "seconds");
    }
    let (mut survivors, mut idle) = (Vec::new(), checkers);
    for mutant in &mutants {
        let began = Instant::now();
        let caught = try_mutant(&tree, mutant).with_context(|| mutant.name.clone())?;
        show(arguments, mutant, caught.as_ref(), began.elapsed().as_secs_f64());
        match &caught {
            Some(caught) => drop(idle.remove(&caught.checker)),
            None => survivors.push(mutant.name.as_str()),
        }
    }
    let idle: Vec<_> = idle.into_iter().filter(|_| arguments.names.is_empty()).collect();
    if arguments.json {
        let caught = mutants.len() - survivors.len();
        println!(
            "{}",
            json!({
                "mutants": mutants.len(), "caught": caught,
                "survivors": survivors, "checkers_idle": idle,
            })
        );
    }
    ensure!(survivors.is_empty(), "not caught: {}", survivors.join(", "));
    ensure!(idle.is_empty(), "these checkers caught none: {}", idle.join(", "));
    Ok(())
}

/// Checks that every patch is valid and still applies.
///
/// # Errors
/// Names the first that does not.
pub fn check(root: &Path) -> Result<()> {
    for mutant in Known::read(root)?.mutants {
        patch::check_applies(root, &mutant)?;
    }
    Ok(())
}

fn chosen(mut mutants: Vec<Mutant>, names: &[String]) -> Result<Vec<Mutant>> {
    for name in names {
        ensure!(
            mutants.iter().any(|mutant| mutant.name == *name),
            "unknown mutant {name:?}: use one of {}",
            mutants.iter().map(|mutant| mutant.name.as_str()).collect::<Vec<_>>().join(", ")
        );
    }
    mutants.retain(|mutant| names.is_empty() || names.contains(&mutant.name));
    Ok(mutants)
}

impl Known {
    /// Reads all mutants; the checkers and scenarios that they name must exist.
    fn read(root: &Path) -> Result<Self> {
        let mutants = patch::all(root)?;
        let checkers: BTreeSet<String> =
            programs::SIMULATE.output(&["checkers"])?.lines().map(str::to_owned).collect();
        for mutant in &mutants {
            for checker in &mutant.checkers {
                ensure!(checkers.contains(checker), "{}: unknown checker {checker}", mutant.path.display());
            }
        }
        let scenarios: BTreeSet<String> =
            mutants.iter().flat_map(|mutant| mutant.scenarios.clone()).collect();
        let directory = root.join(patch::DIRECTORY);
        let files = scenarios.iter().map(|scenario| directory.join(scenario).to_string_lossy().into_owned());
        let arguments: Vec<String> = ["scenarios".into()].into_iter().chain(files).collect();
        programs::SIMULATE.output(&arguments.iter().map(String::as_str).collect::<Vec<_>>())?;
        Ok(Self { mutants, checkers })
    }
}

/// The unchanged tree must pass, so that a failure is caused by the mutant.
fn check_unchanged(arguments: &Arguments, tree: &Tree, mutants: &[Mutant]) -> Result<()> {
    let began = Instant::now();
    tree.build()?;
    let scenarios: BTreeSet<&String> = mutants.iter().flat_map(|mutant| &mutant.scenarios).collect();
    let n_scenarios = scenarios.len();
    for scenario in scenarios {
        match play(tree, scenario)? {
            Played::Passed => {}
            Played::Caught(Caught { checker, seed, what, .. }) => {
                bail!("the unchanged tree fails {scenario} with seed {seed}: {checker}: {what}")
            }
            Played::Late => bail!("the unchanged tree does not finish {scenario} in time"),
        }
    }
    if !arguments.json {
        let (first, last) = SEEDS;
        println!(
            "the unchanged tree passes {n_scenarios} scenarios with seeds {first} to {last}, \
             built and played in {:.0} s\n",
            began.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

fn try_mutant(tree: &Tree, mutant: &Mutant) -> Result<Option<Caught>> {
    let changed = tree.apply(mutant)?;
    tree.build()?;
    for scenario in &mutant.scenarios {
        if let Played::Caught(caught) = play(tree, scenario)? {
            changed.restore()?;
            return Ok(Some(caught));
        }
    }
    changed.restore()?;
    Ok(None)
}

/// Runs a scenario with all seeds until a checker fails.
fn play(tree: &Tree, scenario: &str) -> Result<Played> {
    let Some(said) = tree.play(scenario, SEEDS, PLAY_SECONDS_MAX)? else {
        eprintln!("{scenario} did not finish within {} s", PLAY_SECONDS_MAX.as_secs());
        return Ok(Played::Late);
    };
    let said: Value = serde_json::from_str(&said).with_context(|| format!("the simulator said {said:?}"))?;
    let failure = &said["failure"];
    let Some(seed) = failure["seed"].as_u64() else { return Ok(Played::Passed) };
    let text = |field: &str| failure[field].as_str().unwrap_or_default().to_owned();
    Ok(Played::Caught(Caught {
        checker: text("checker"),
        scenario: scenario.into(),
        seed,
        what: text("what"),
    }))
}

fn show(arguments: &Arguments, mutant: &Mutant, caught: Option<&Caught>, seconds: f64) {
    let name = &mutant.name;
    if arguments.json {
        let caught = caught.map(
            |it| json!({ "checker": it.checker, "scenario": it.scenario, "seed": it.seed, "what": it.what }),
        );
        println!("{}", json!({ "mutant": name, "caught": caught, "seconds": seconds }));
        return;
    }
    let Some(Caught { checker, scenario, seed, .. }) = caught else {
        println!("{name:<29} NOT CAUGHT          {:<14} {seconds:>8.1}", mutant.scenarios.join(","));
        return;
    };
    let scenario = scenario.trim_end_matches(".toml");
    let expected = mutant.checkers.contains(checker);
    let note = if expected { String::new() } else { format!("  (meant for {})", mutant.checkers.join(", ")) };
    println!("{name:<29} {checker:<19} {scenario:<9} {seed:>4} {seconds:>8.1}{note}");
}
