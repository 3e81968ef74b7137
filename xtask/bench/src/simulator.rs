//! The speed of the simulator, and its count of redundant copies.
//!
//! Ten thousand members take half an hour and are left to `cargo xtask simulate --scenario ten_thousand`,
//! which reports its memory.

use crate::{
    report::{Report, Row, Target},
    scale::Scale,
};
use anyhow::{Result, ensure};
use datafan_sim::{Outcome, Scenario, run::Unwatched, simulate};

/// Deliveries per second, virtual time per second with a thousand members, redundant copies.
///
/// # Errors
/// If a property is violated in a simulation.
pub fn measure(scale: &Scale, report: &mut Report) -> Result<()> {
    let (mut deliveries, mut speed, mut redundant) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..scale.runs.min(3) {
        let seed = u64::from(run) + 1;
        let shipped =
            |name: &str| Ok::<_, anyhow::Error>(Scenario::load(name)?.with_members(scale.simulated(name)));
        report.progress(&format!("simulator, seed {seed}"));
        deliveries.push(outcome(&shipped("deliveries")?, seed)?.deliveries_per_second() as f64);
        let thousand = outcome(&shipped("thousand")?, seed)?;
        speed.push(thousand.virtual_micros as f64 / thousand.busy_micros() as f64);
        redundant.push(redundant_percent(scale.members, seed)?);
    }
    report.add(Row::new("simulator_deliveries", "1/s", &deliveries).target(Target::at_least(100_000.0)));
    report.add(Row::new("simulator_thousand_members", "s/s", &speed).target(Target::at_least(1.0)));
    report.add(Row::new("redundant_copies_degree_6", "percent", &redundant).target(Target::at_most(5.0)));
    Ok(())
}

/// Copies beyond the one that each delivery needs, once all members know each other and have written, with
/// six links each on average: the difference between a longer and a shorter run.
fn redundant_percent(members: u32, seed: u64) -> Result<f64> {
    let counts = |seconds: u32| {
        let text = format!(
            "name = \"steady\"\nabout = \"100 B values, no faults\"\nmembers = {members}\n\
             topology = \"random:3\"\nseconds = {seconds}\n\n[workload]\n\
             updates_per_minute = 1200\nvalue_bytes = [100, 100]\n\
             deletes_per_mille = 0\nlarge_per_mille = 0\nexpiring_per_mille = 0\n"
        );
        Ok::<_, anyhow::Error>(outcome(&Scenario::parse(&text)?, seed)?.counts)
    };
    let (short, long) = (counts(30)?, counts(90)?);
    let needed = (long.deliveries - short.deliveries) as f64;
    let sent = (long.data_messages - short.data_messages) as f64;
    Ok(100.0 * (sent / needed - 1.0))
}

fn outcome(scenario: &Scenario, seed: u64) -> Result<Outcome> {
    let outcome = simulate(scenario, seed, &mut Unwatched)?;
    ensure!(outcome.holds(), "{} with seed {seed}: {:?}", scenario.name, outcome.failure);
    Ok(outcome)
}
