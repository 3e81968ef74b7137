//! Memory per item of the store in memory, beyond key and value: the resident pages of a child process that
//! holds nothing else.

use crate::{
    child, data,
    figures::{Figures, memory},
    mesh::Mesh,
    report::{Report, Row, Target},
    scale::Scale,
};
use anyhow::Result;
use datafan_core::limits::COMMIT_WRITES_MAX;
use datafan_store_mem::MemStore;

/// With many items.
///
/// # Errors
/// If a child fails.
pub fn measure(scale: &Scale, report: &mut Report) -> Result<()> {
    let items = scale.items_many;
    let mut values = Vec::new();
    for _ in 0..scale.runs.min(3) {
        values.push(child::own(&["memory", &items.to_string()])?.get("bytes_per_item")?);
    }
    let row = Row::new(format!("memory_beyond_key_and_value_{items}"), "bytes/item", &values);
    report.add(row.target(Target::at_most(160.0)));
    Ok(())
}

/// Memory of an engine with `items` items beyond that of an empty one, without keys and values.
///
/// # Errors
/// If the engine fails, or the system does not report memory.
pub fn bytes_per_item(items: u64) -> Result<Figures> {
    let mut mesh = Mesh::new();
    mesh.add(data::config(0)?, MemStore::new())?;
    let before = memory("VmRSS")?;
    for commit in data::commits(items, COMMIT_WRITES_MAX as u64) {
        mesh.commit(0, commit)?;
    }
    let taken = memory("VmRSS")?.saturating_sub(before);
    let mut figures = Figures::default();
    figures.add("bytes_per_item", (taken as f64 - data::data_bytes(items) as f64) / items as f64);
    Ok(figures)
}
