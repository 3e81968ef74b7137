//! First copy: a new member joins one that holds everything.

use crate::{
    child::{self, Cost},
    cpu::Stopwatch,
    data,
    figures::Figures,
    mesh::Mesh,
    report::{Report, Row, Target, median},
    scale::Scale,
};
use anyhow::Result;
use datafan_core::limits::COMMIT_WRITES_MAX;
use datafan_store_mem::MemStore;

/// Rates, bytes of messages, and growth of the cost.
///
/// # Errors
/// If a run did not finish.
pub fn measure(scale: &Scale, report: &mut Report) -> Result<()> {
    let few = copies(scale.items, scale.runs, report)?;
    let many = copies(scale.items_many, scale.runs, report)?;
    report.row("first_copy_cost_of_ten_times_the_items", "times", &[many.warm / few.warm]);
    report.row("first_copy_cost_of_ten_times_the_items_on_new_memory", "times", &[many.cold / few.cold]);
    Ok(())
}

fn copies(items: u64, runs: u32, report: &mut Report) -> Result<Cost> {
    report.progress(&format!("first copy of {items} items"));
    let (mut seconds, mut bytes, mut cold) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        let figures = child::own(&["copy", &items.to_string()])?;
        seconds.push(figures.get("cpu_s")?);
        bytes.push(figures.get("bytes")?);
        cold.push(figures.get("cold_cpu_s")?);
    }
    let rate = |seconds: &Vec<f64>| seconds.iter().map(|seconds| items as f64 / seconds).collect::<Vec<_>>();
    let per_item: Vec<f64> = bytes.iter().map(|bytes| bytes / items as f64).collect();
    let needed = (data::data_bytes(items) + 8 * items) as f64;
    let overhead: Vec<f64> = bytes.iter().map(|bytes| 100.0 * (bytes / needed - 1.0)).collect();
    report.row(format!("first_copy_{items}"), "items/s", &rate(&seconds));
    report.row(format!("first_copy_{items}_on_new_memory"), "items/s", &rate(&cold));
    let messages = Row::new(format!("first_copy_{items}_messages"), "bytes/item", &per_item);
    report.add(messages.target(Target::at_most(allowed(items))));
    report.row(format!("first_copy_{items}_over_data_and_timestamps"), "percent", &overhead);
    Ok(Cost { warm: median(&seconds), cold: median(&cold) })
}

/// Bytes of messages that the design allows per item: key and value plus 10 %, and 8.
pub fn allowed(items: u64) -> f64 {
    (1.1 * data::data_bytes(items) as f64) / items as f64 + 8.0
}

/// Processor time of both engines in one thread, and bytes of messages in both directions.
///
/// # Errors
/// If the copy did not finish.
pub fn copy(items: u64) -> Result<Figures> {
    // On virtual clocks, waiting costs nothing.
    let mut mesh = Mesh::on_virtual_time();
    mesh.add(data::config(0)?, MemStore::new())?;
    mesh.add(data::config(1)?, MemStore::new())?;
    for commit in data::commits(items, COMMIT_WRITES_MAX as u64) {
        mesh.commit(0, commit)?;
    }
    let watch = Stopwatch::start();
    mesh.link(0, 1);
    mesh.until("the new member holds all", |mesh| mesh.holds(1, 0))?;
    let mut figures = Figures::default();
    figures.add_times(&watch);
    figures.add("bytes", (mesh.bytes(0, 1) + mesh.bytes(1, 0)) as f64);
    Ok(figures)
}
