//! What one measurement in a process of its own found: figures by name, told as one JSON object.

use crate::cpu::Stopwatch;
use anyhow::{Context, Result};
use std::{collections::BTreeMap, fs};

/// Figures by name.
#[derive(Default)]
pub struct Figures(BTreeMap<String, f64>);

impl Figures {
    /// Reads what a child printed.
    ///
    /// # Errors
    /// If it is not one object with numbers.
    pub fn read(text: &str) -> Result<Self> {
        Ok(Self(serde_json::from_str(text.trim()).with_context(|| format!("not figures: {text}"))?))
    }

    /// Adds one.
    pub fn add(&mut self, name: &str, value: f64) {
        self.0.insert(name.to_owned(), value);
    }

    /// Adds what the stopwatch shows: seconds on the wall and on the processor.
    pub fn add_times(&mut self, watch: &Stopwatch) {
        self.add("wall_s", watch.elapsed().as_secs_f64());
        self.add("cpu_s", watch.worked().as_secs_f64());
    }

    /// One of them.
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn get(&self, name: &str) -> Result<f64> {
        self.0.get(name).copied().with_context(|| format!("no figure {name}"))
    }

    /// The object.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.0).expect("numbers by name are plain data")
    }
}

/// Bytes of memory that this process has (`VmRSS`) or had at most (`VmHWM`).
///
/// # Errors
/// If the system does not tell.
pub fn memory(which: &str) -> Result<u64> {
    let status =
        fs::read_to_string("/proc/self/status").context("only Linux tells of resident memory this way")?;
    let line = status.lines().find_map(|line| line.strip_prefix(which)).context("no such line")?;
    let kilobytes: u64 = line.trim_matches([':', ' ', '\t', 'k', 'B']).parse()?;
    Ok(kilobytes << 10)
}
