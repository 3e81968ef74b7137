//! Memory of an item in the store in memory, beyond its key and value: by the resident pages of a child process that
//! holds nothing else.

use super::{
    Scale,
    child::{Subject, measured},
    data,
    mesh::Mesh,
    report::Report,
};
use anyhow::{Context, Result};
use datafan_core::limits::COMMIT_WRITES_MAX;
use datafan_store_mem::MemStore;
use std::fs;

/// For many items.
///
/// # Errors
/// If a child fails.
pub fn measure(scale: &Scale, report: &mut Report) -> Result<()> {
    let items = scale.items_many;
    let mut values = Vec::new();
    for _ in 0..scale.runs.min(3) {
        let [value] = measured(Subject::Memory, items)?;
        values.push(value);
    }
    report.row(format!("memory_beyond_key_and_value_{items}"), "bytes/item", &values);
    Ok(())
}

/// What an engine with `items` items takes beyond one without any, less keys and values.
///
/// # Errors
/// If the engine fails or the system tells nothing of memory.
pub fn bytes_per_item(items: u64) -> Result<f64> {
    let mut mesh = Mesh::new();
    mesh.add(data::config(0)?, MemStore::new())?;
    let before = resident_bytes()?;
    for commit in data::commits(items, COMMIT_WRITES_MAX as u64) {
        mesh.commit(0, commit)?;
    }
    let taken = resident_bytes()?.saturating_sub(before);
    Ok((taken as f64 - data::data_bytes(items) as f64) / items as f64)
}

fn resident_bytes() -> Result<u64> {
    let status =
        fs::read_to_string("/proc/self/status").context("only Linux tells of resident memory this way")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes << 10)
}
