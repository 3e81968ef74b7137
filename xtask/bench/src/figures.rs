//! The figures of one measurement process, by name, printed as one JSON object.

use crate::cpu::Stopwatch;
use anyhow::{Context, Result};
use std::{collections::BTreeMap, fs};

/// Figures by name.
#[derive(Default)]
pub struct Figures(BTreeMap<String, f64>);

impl Figures {
    /// Parses the output of a child.
    ///
    /// # Errors
    /// If it is not an object of numbers.
    pub fn read(text: &str) -> Result<Self> {
        Ok(Self(serde_json::from_str(text.trim()).with_context(|| format!("not figures: {text}"))?))
    }

    /// Adds one.
    pub fn add(&mut self, name: &str, value: f64) {
        self.0.insert(name.to_owned(), value);
    }

    /// Adds wall-clock and processor seconds of a stopwatch.
    pub fn add_times(&mut self, watch: &Stopwatch) {
        self.add("wall_s", watch.elapsed().as_secs_f64());
        self.add("cpu_s", watch.worked().as_secs_f64());
    }

    /// A figure.
    ///
    /// # Errors
    /// If there is none with this name.
    pub fn get(&self, name: &str) -> Result<f64> {
        self.0.get(name).copied().with_context(|| format!("no figure {name}"))
    }

    /// The figures as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.0).expect("numbers by name are plain data")
    }
}

/// Current (`VmRSS`) or peak (`VmHWM`) memory of this process, in bytes.
///
/// # Errors
/// If the system does not report it.
pub fn memory(which: &str) -> Result<u64> {
    let status =
        fs::read_to_string("/proc/self/status").context("only Linux reports resident memory this way")?;
    let line = status.lines().find_map(|line| line.strip_prefix(which)).context("no such line")?;
    let kilobytes: u64 = line.trim_matches([':', ' ', '\t', 'k', 'B']).parse()?;
    Ok(kilobytes << 10)
}
