//! Cost against the bytes of a value, at an owner and one peer, in memory.

use super::point::{MICROS, point, runs};
use crate::{
    data,
    figures::Figures,
    mesh::Mesh,
    report::Report,
    scale::Scale,
    trace::{Deltas, Tag, Trace},
};
use anyhow::Result;
use datafan_core::engine::Write;
use datafan_store_mem::MemStore;
use datafan_testkit::workload;

/// All curves, point by point.
///
/// # Errors
/// If a run did not finish.
pub fn measure(scale: &Scale, report: &mut Report) -> Result<()> {
    for &bytes in scale.growth.values {
        report.progress(&format!("values of {bytes} bytes"));
        let carried = runs(scale.runs, &["growth-values", &bytes.to_string()])?;
        let curves = [
            ("commit", "us", "commit_cpu_s", MICROS),
            ("delivered", "us", "delivered_cpu_s", MICROS),
            ("wire_over_value", "times", "wire_over_value", 1.0),
            ("messages", "messages/value", "messages", 1.0),
        ];
        for (name, unit, figure, factor) in curves {
            point(report, (&format!("values_{name}"), unit), bytes, &carried, (figure, factor))?;
        }
    }
    Ok(())
}

/// Successive commits of one put: the cost of each for its owner, and the cost of its delivery for both, with
/// all messages.
///
/// # Errors
/// If a value does not arrive.
pub fn carried(bytes: u64) -> Result<Figures> {
    let mut mesh = Mesh::on_virtual_time();
    mesh.add(data::config(0)?, MemStore::new())?;
    mesh.add(data::config(1)?, MemStore::new())?;
    mesh.link(0, 1);
    mesh.until("both know the roster", |mesh| mesh.n_ready(0) == 1 && mesh.n_ready(1) == 1)?;
    for n in 0..KEYS {
        mesh.commit(0, vec![write(n, bytes)])?;
        mesh.until("the peer has it", |mesh| mesh.holds(1, 0))?;
    }
    let values = (BYTES / bytes).clamp(50, 2_000);
    // Made in advance, because making them costs more than everything else.
    let writes: Vec<_> = (KEYS..KEYS + values).map(|n| write(n, bytes)).collect();
    mesh.begin_trace(Trace::new(Deltas::Carried));
    for write in writes {
        mesh.commit(0, vec![write])?;
        mesh.until("the peer has it", |mesh| mesh.holds(1, 0))?;
    }
    let trace = mesh.end_trace().expect("it was begun above");
    let (commit, all) = (trace.tally(Tag::Command), trace.messages());
    let per_value = 1.0 / values as f64;
    let mut figures = Figures::default();
    figures.add("commit_cpu_s", commit.worked.as_secs_f64() * per_value);
    figures.add("delivered_cpu_s", all.worked.as_secs_f64() * per_value);
    figures.add("wire_over_value", all.bytes as f64 * per_value / bytes as f64);
    figures.add("messages", all.messages as f64 * per_value);
    Ok(figures)
}

fn write(n: u64, bytes: u64) -> Write {
    let key = workload::key(n % KEYS);
    let value: Vec<u8> = data::value(n).into_iter().cycle().take(bytes as usize).collect();
    Write::Put { key, value: value.into(), expiry: None }
}

/// Keys that are overwritten in turn.
const KEYS: u64 = 16;
/// Total bytes to deliver, which determine the number of values.
const BYTES: u64 = 100 << 20;
