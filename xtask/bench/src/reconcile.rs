//! A member that was away while items were overwritten: the cost of catching up, by a delta, and by
//! reconciliation if there is no delta.

use crate::{
    child,
    data::{self, Overwritten},
    figures::Figures,
    mesh::Mesh,
    report::{Report, Row, Target},
    scale::Scale,
    trace::{Deltas, Tag, Tally, Trace},
};
use anyhow::{Result, ensure};
use datafan_core::{limits::COMMIT_WRITES_MAX, time::SECOND};
use std::time::Duration;

/// Bytes of a delta beyond keys and values, and how often it was requested.
///
/// # Errors
/// If a run did not finish.
pub fn measure(scale: &Scale, report: &mut Report) -> Result<()> {
    for changed in scale.changed {
        report.progress(&format!("{} items, {changed} overwritten", scale.items));
        let (mut beyond, mut asked, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..scale.runs {
            let figures = child::own(&["delta", &scale.items.to_string(), &changed.to_string(), "random"])?;
            beyond.push(figures.get("bytes_beyond_data")?);
            asked.push(figures.get("round_trips")?);
            cpu.push(figures.get("cpu_s")? * 1_000.0);
        }
        let name = |what: &str| format!("delta_{changed}_of_{}_{what}", scale.items);
        let allowed = 250.0 + 16.0 * changed as f64;
        report.add(Row::new(name("beyond_data"), "bytes", &beyond).target(Target::at_most(allowed)));
        report.add(Row::new(name("round_trips"), "times", &asked).target(Target::at_most(1.0)));
        report.row(name("cpu"), "ms", &cpu);
    }
    Ok(())
}

/// Both have `items` items; then one is away while the other overwrites `changed` of them. Measures the
/// messages from the time when both are linked again until they are equal.
///
/// # Errors
/// If they do not become equal, or not in the requested way.
pub fn reconcile(items: u64, changed: u64, place: Overwritten, deltas: Deltas) -> Result<Figures> {
    let mut mesh = Mesh::of_two_with(items)?;
    mesh.unlink(0, 1);
    mesh.pass(SECOND)?;
    let overwritten = data::overwritten(items, changed, place);
    for commit in overwritten.chunks(COMMIT_WRITES_MAX) {
        mesh.commit(0, commit.iter().map(|n| data::rewrite(*n)).collect())?;
    }
    ensure!(!mesh.holds(1, 0), "it was to be behind");
    mesh.begin_trace(Trace::new(deltas));
    mesh.link(0, 1);
    mesh.until("both hold all again", |mesh| mesh.holds(1, 0))?;
    let trace = mesh.end_trace().expect("it was begun above");
    let (pull, delta) = (trace.tally(Tag::Pull), trace.tally(Tag::Delta));
    let mut figures = Figures::default();
    match deltas {
        Deltas::Carried => {
            ensure!(trace.tally(Tag::Nodes).messages == 0, "there was a reconciliation");
            add(&mut figures, &[pull, delta], changed * (data::KEY_BYTES + data::VALUE_BYTES));
            // Pushes were not requested.
            figures.add("round_trips", pull.messages as f64);
        }
        Deltas::Withheld => {
            ensure!(
                trace.tally(Tag::Nodes).messages > 0 && delta.messages == 0,
                "there was no reconciliation"
            );
            reconciled(&trace, &mut figures);
        }
    }
    Ok(figures)
}

fn reconciled(trace: &Trace, figures: &mut Figures) {
    let ranges = trace.tally(Tag::Ranges);
    let parts = [Tag::AskNodes, Tag::Nodes, Tag::AskRanges].map(|tag| trace.tally(tag));
    add(figures, &[&parts[..], &[ranges]].concat(), ranges.key_bytes + ranges.value_bytes);
    // Keys count: a new item replaces the old one of its key, so the old one need not be named.
    figures.add("bytes_beyond_values", figures_bytes(&parts) + (ranges.bytes - ranges.value_bytes) as f64);
    for (name, tag) in [
        ("delta_unavailable_cpu_s", Tag::DeltaUnavailable),
        ("ask_nodes_cpu_s", Tag::AskNodes),
        ("nodes_cpu_s", Tag::Nodes),
        ("ask_ranges_cpu_s", Tag::AskRanges),
        ("ranges_cpu_s", Tag::Ranges),
    ] {
        figures.add(name, trace.tally(tag).worked.as_secs_f64());
    }
    let begun = trace.tally(Tag::DeltaUnavailable).worked;
    let reconciliation: Duration = parts.iter().map(|tally| tally.worked).sum();
    figures.add("cpu_s", (begun + reconciliation + ranges.worked).as_secs_f64());
    // The last answer ends the reconciliation, and everything found is written: the difference is known when
    // that answer arrives.
    figures.add("reconciliation_cpu_s", (begun + reconciliation - trace.last(Tag::Nodes)).as_secs_f64());
    figures.add("round_trips", (parts[0].messages + parts[2].messages) as f64);
}

fn figures_bytes(tallies: &[Tally]) -> f64 {
    tallies.iter().map(|tally| tally.bytes).sum::<u64>() as f64
}

fn add(figures: &mut Figures, tallies: &[Tally], data_bytes: u64) {
    let bytes: u64 = tallies.iter().map(|tally| tally.bytes).sum();
    let worked: Duration = tallies.iter().map(|tally| tally.worked).sum();
    figures.add("bytes", bytes as f64);
    figures.add("bytes_beyond_data", bytes.saturating_sub(data_bytes) as f64);
    figures.add("cpu_s", worked.as_secs_f64());
}
