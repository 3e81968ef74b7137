//! Cost against members, simulated: six links each on average, ten updates per second in the whole mesh.

use super::point::runs;
use crate::{
    figures::Figures,
    report::{Report, Row},
    scale::Scale,
};
use anyhow::{Result, ensure};
use datafan_sim::{Scenario, run::Unwatched, simulate};

/// All curves, point by point.
///
/// # Errors
/// If a property is violated in a simulation.
pub fn measure(scale: &Scale, report: &mut Report) -> Result<()> {
    for &members in scale.growth.members {
        // A seed always gives the same result, so each run is another seed. Many members average out by
        // themselves.
        let n_runs = if members < 1_000 { scale.runs } else { 1 };
        point(scale, report, members, n_runs, 0)?;
        // All first writes must reach all members: beyond this number it takes longer than everything else.
        if members <= SETTLED_MAX {
            point(scale, report, members, n_runs, 1)?;
        }
    }
    Ok(())
}

/// All curves at one point; with `initial` items of each member at the start, the links of the others form
/// trees for it.
fn point(scale: &Scale, report: &mut Report, members: u64, n_runs: u32, initial: u64) -> Result<()> {
    let [short, long] = if members > LONG_MAX { scale.growth.seconds_of_many } else { scale.growth.seconds };
    let mut curves: [Vec<f64>; CURVES.len()] = Default::default();
    for seed in 1..=u64::from(n_runs) {
        report.progress(&format!("{members} members, {initial} items at first, seed {seed}"));
        let run = |seconds: u32| {
            let numbers = [members, u64::from(seconds), initial, seed].map(|number| number.to_string());
            let [members, seconds, initial, seed] = &numbers;
            Ok::<_, anyhow::Error>(runs(1, &["growth-members", members, seconds, initial, seed])?.remove(0))
        };
        let (begun, ended) = (run(short)?, run(long)?);
        let more = |figure: &str| Ok::<_, anyhow::Error>(ended.get(figure)? - begun.get(figure)?);
        let (deliveries, seconds) = (more("deliveries")?, f64::from(long - short));
        let values = [
            more("messages")? / deliveries,
            more("bytes")? / deliveries,
            more("bytes")? / members as f64 / seconds,
            ended.get("p50_ms")?,
            ended.get("p99_ms")?,
            100.0 * (more("data_messages")? / deliveries - 1.0),
            ended.get("longest_path")?,
            more("cpu_s")? / seconds,
            ended.get("peak_bytes")? / members as f64 / 1_024.0,
        ];
        curves.iter_mut().zip(values).for_each(|(curve, value)| curve.push(value));
    }
    let prefix = if initial > 0 { "settled_" } else { "" };
    for ((name, unit), values) in CURVES.iter().zip(curves) {
        report.add(Row::new(format!("growth_members_{prefix}{name}"), unit, &values).at(members));
    }
    Ok(())
}

const CURVES: [(&str, &str); 9] = [
    ("messages", "messages/delivery"),
    ("bytes", "bytes/delivery"),
    ("bytes_per_second", "bytes/member/s"),
    ("delivery_p50", "virtual ms"),
    ("delivery_p99", "virtual ms"),
    ("redundant", "percent"),
    ("longest_path", "links"),
    ("cpu", "s/virtual s"),
    ("memory", "KiB/member"),
];

/// With more members, fewer seconds are simulated, because each takes much longer. There is one seed for
/// them, which may take 16 GiB of memory.
pub const LONG_MAX: u64 = 3_162;

/// Maximum number of members that have all written something before.
const SETTLED_MAX: u64 = 1_000;

/// The result of a simulation of this many members that write for this long, from the start.
///
/// # Errors
/// If a property is violated.
pub fn simulated(members: u32, seconds: u32, initial: u64, seed: u64) -> Result<Figures> {
    let text = format!(
        "name = \"growth\"\nabout = \"100 B values, no faults\"\nmembers = {members}\n\
         topology = \"random:3\"\nstart_ms = 1000\nseconds = {seconds}\nidle_rounds = 2\n\n[workload]\n\
         updates_per_minute = 600\n\
         initial_items = [{initial}, {initial}]\nwrites = [1, 1]\nvalue_bytes = [100, 100]\n\
         deletes_per_mille = 0\n"
    );
    let outcome = simulate(&Scenario::parse(&text)?, seed, &mut Unwatched)?;
    ensure!(outcome.holds(), "{members} members with seed {seed}: {:?}", outcome.failure);
    let counts = &outcome.counts;
    let mut figures = Figures::default();
    for (name, count) in [
        ("messages", counts.messages),
        ("bytes", counts.bytes),
        ("data_messages", counts.data_messages),
        ("deliveries", counts.deliveries),
        ("commits", counts.commits),
        ("longest_path", counts.hops.0),
        ("peak_bytes", outcome.memory.unwrap_or_default()),
    ] {
        figures.add(name, count as f64);
    }
    figures.add("p50_ms", outcome.deliveries.per_mille(500) as f64 / 1_000.0);
    figures.add("p99_ms", outcome.deliveries.per_mille(990) as f64 / 1_000.0);
    figures.add("cpu_s", outcome.busy_micros() as f64 / 1e6);
    Ok(figures)
}
