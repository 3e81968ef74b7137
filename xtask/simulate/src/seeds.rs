//! A few hundred seeds of small simulated worlds, on all processors.

use crate::revision::revision;
use anyhow::{Result, anyhow, bail};
use datafan_sim::{Scenario, report::failure, run::Unwatched, scenario::SHIPPED, simulate};
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// Larger scenarios, with the number of members used here and the seeds of each.
const SMALLER: &[(&str, usize, u64)] = &[
    ("small", 8, 100),
    ("churn", 20, 25),
    ("partition", 12, 25),
    ("lossy", 10, 25),
    ("wan", 16, 15),
    ("byzantine", 12, 25),
    ("restore", 15, 20),
    ("restore_and_part", 12, 15),
    ("everything_at_once", 12, 22),
    ("a51_halves_of_500", 300, 1),
    ("a51_many_dead", 208, 1),
    ("a51_parted_for_a_day", 8, 1),
    ("thousand", 40, 5),
    ("ten_thousand", 200, 3),
    ("deliveries", 20, 5),
];
/// Seeds of each of the other scenarios, which run as shipped.
const SEEDS: u64 = 5;

/// One seed of a scenario.
struct Play<'a> {
    name: &'a str,
    scenario: &'a Scenario,
    seed: u64,
}

/// Runs all of them.
///
/// # Errors
/// The failures, and how to reproduce them.
pub fn check() -> Result<()> {
    let mut scenarios = Vec::new();
    for (name, _) in SHIPPED {
        let mut scenario = Scenario::load(name)?;
        let smaller = SMALLER.iter().find(|(known, ..)| known == name);
        let seeds = smaller.map_or(SEEDS, |(_, _, seeds)| *seeds);
        if let Some((_, members, _)) = smaller {
            scenario = scenario.with_members(*members);
        }
        scenarios.push((*name, scenario, seeds));
    }
    let plays: Vec<Play<'_>> = scenarios
        .iter()
        .flat_map(|(name, scenario, seeds)| (1..=*seeds).map(|seed| Play { name, scenario, seed }))
        .collect();
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let told = Mutex::new(Vec::new());
    let failed: Vec<String> = thread::scope(|scope| {
        let worker = || -> Result<()> {
            while let Some(play) = plays.get(next.fetch_add(1, Ordering::Relaxed)) {
                told.lock().unwrap_or_else(PoisonError::into_inner).extend(play.go()?);
            }
            Ok(())
        };
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        let ended = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("a panic")));
        ended.filter_map(Result::err).map(|error| format!("{error:#}")).collect()
    });
    let told = told.into_inner().unwrap_or_else(PoisonError::into_inner);
    let told: Vec<String> = told.into_iter().chain(failed).collect();
    if told.is_empty() { Ok(()) } else { Err(anyhow!(told.join("\n"))) }
}

impl Play<'_> {
    /// Describes a failure.
    fn go(&self) -> Result<Option<String>> {
        let outcome = simulate(self.scenario, self.seed, &mut Unwatched)?;
        Ok(failure(&outcome, self.scenario, self.name, &revision()))
    }
}
