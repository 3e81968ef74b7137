//! Beside iroh-docs, store to store: verified ingest, the first copy, and catching up after an absence.
//!
//! iroh-docs moves keys and hashes, datafan keys and values. datafan's ingest includes a relay between the
//! two, and the owner's writing and signing; for iroh-docs only the sync of two replicas counts, one of which
//! wrote everything before. Each is the first work of its process.

use crate::{
    child,
    figures::Figures,
    report::{Better, Report, Row, Target},
    scale::Scale,
    side::Peers,
};
use anyhow::Result;

const PEER: &str = "iroh-docs";

/// In memory, then with the receiver on a file.
///
/// # Errors
/// If a run did not finish.
pub fn measure(peers: &Peers, scale: &Scale, report: &mut Report) -> Result<()> {
    in_memory(peers, scale, report)?;
    on_file(peers, scale, report)
}

/// The figures of one run of both.
struct Turn {
    ingest: Figures,
    copy: Figures,
    reconciliations: Vec<Figures>,
    documents: Figures,
}

fn in_memory(peers: &Peers, scale: &Scale, report: &mut Report) -> Result<()> {
    let items = scale.items.to_string();
    let changed = scale.changed.map(|changed| changed.to_string());
    let mut turns = Vec::new();
    for run in 0..scale.runs {
        report.progress(&format!("documents in memory, run {run}"));
        let reconciliation = |changed: &String| child::own(&["reconciliation", &items, changed, "random"]);
        let [one, few, many] = &changed;
        turns.push(Turn {
            ingest: child::own(&["ingest", &items])?,
            copy: child::own(&["copy", &items])?,
            reconciliations: changed.iter().map(reconciliation).collect::<Result<_>>()?,
            documents: peers.measured(&["documents", &items, one, few, many])?,
        });
    }
    let n = scale.items as f64;
    let rate = pairs(&turns, |turn| {
        Ok((n / turn.ingest.get("cold_cpu_s")?, n / turn.documents.get("first_copy_cpu_s")?))
    })?;
    let row = Row::beside("ingest_memory", "items/s", PEER, Better::More, &rate);
    report.add(row.target(Target::ratio(40.0)));
    let peak = pairs(&turns, |turn| {
        Ok((turn.ingest.get("cold_peak_bytes")? / MB, turn.documents.get("first_copy_peak_bytes")? / MB))
    })?;
    report.add(Row::beside("ingest_memory_peak", "MB", PEER, Better::Less, &peak));
    let rate = pairs(&turns, |turn| {
        Ok((n / turn.copy.get("cold_cpu_s")?, n / turn.documents.get("first_copy_cpu_s")?))
    })?;
    report.add(Row::beside("first_copy", "items/s", PEER, Better::More, &rate));
    let bytes =
        pairs(&turns, |turn| Ok((turn.copy.get("bytes")? / n, turn.documents.get("first_copy_bytes")? / n)))?;
    report.add(Row::beside("first_copy_messages", "bytes/item", PEER, Better::Less, &bytes));
    for (index, changed) in changed.iter().enumerate() {
        catch_up(&turns, index, changed, report)?;
    }
    Ok(())
}

/// Reconciliation and items for datafan; for iroh-docs its reconciliation, which transfers entries as it
/// finds them.
fn catch_up(turns: &[Turn], index: usize, changed: &str, report: &mut Report) -> Result<()> {
    let theirs = |turn: &Turn, what: &str| turn.documents.get(&format!("reconcile_{changed}_{what}"));
    let cpu = pairs(turns, |turn| {
        Ok((turn.reconciliations[index].get("cpu_s")? * 1_000.0, theirs(turn, "cpu_s")? * 1_000.0))
    })?;
    let row = Row::beside(format!("catch_up_{changed}_cpu"), "ms", PEER, Better::Less, &cpu);
    report.add(row.target(Target::ratio(50.0)));
    let bytes = pairs(turns, |turn| Ok((turn.reconciliations[index].get("bytes")?, theirs(turn, "bytes")?)))?;
    report.add(Row::beside(format!("catch_up_{changed}_messages"), "bytes", PEER, Better::Less, &bytes));
    Ok(())
}

fn on_file(peers: &Peers, scale: &Scale, report: &mut Report) -> Result<()> {
    let (n, items) = (scale.items as f64, scale.items.to_string());
    let mut rates = Vec::new();
    for run in 0..scale.runs {
        report.progress(&format!("documents on file, run {run}"));
        let rate = |figures: Figures, name: &str| Ok::<_, anyhow::Error>(n / figures.get(name)?);
        let directory = tempfile::tempdir()?;
        let path = directory.path().to_string_lossy();
        let own = rate(child::own(&["ingest-on-file", &items, &path])?, "wall_s")?;
        let theirs = peers.measured(&["documents-on-file", &items, &path])?;
        rates.push((own, rate(theirs, "first_copy_wall_s")?));
    }
    let row = Row::beside("ingest_file", "items/s", PEER, Better::More, &rates);
    report.add(row.target(Target::ratio(10.0)));
    Ok(())
}

fn pairs(turns: &[Turn], pair: impl Fn(&Turn) -> Result<(f64, f64)>) -> Result<Vec<(f64, f64)>> {
    turns.iter().map(pair).collect()
}

const MB: f64 = 1_000_000.0;
