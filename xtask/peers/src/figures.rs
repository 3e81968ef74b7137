//! The figures of a measurement, and the clocks.

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value};
use std::{
    fs,
    time::{Duration, Instant},
};

/// Figures by name.
#[derive(Default)]
pub struct Figures(Map<String, Value>);

impl Figures {
    /// Adds a figure.
    pub fn add(&mut self, name: impl Into<String>, value: f64) {
        self.0.insert(name.into(), value.into());
    }

    /// Adds wall-clock and processor seconds of a stopwatch.
    ///
    /// # Errors
    /// If the system does not report them.
    pub fn add_times(&mut self, prefix: &str, watch: &Stopwatch) -> Result<()> {
        let worked = watch.worked()?;
        self.add(format!("{prefix}wall_s"), watch.began.elapsed().as_secs_f64());
        self.add(format!("{prefix}cpu_s"), worked.as_secs_f64());
        Ok(())
    }

    /// Adds the median and the 99th percentile of these times, in milliseconds.
    pub fn add_percentiles(&mut self, prefix: &str, times: &mut [f64]) {
        times.sort_by(f64::total_cmp);
        for percent in [50, 99] {
            let rank = (times.len() - 1) as f64 * f64::from(percent) / 100.0;
            let (low, high) = (times[rank.floor() as usize], times[rank.ceil() as usize]);
            self.add(format!("{prefix}p{percent}_ms"), low + (high - low) * rank.fract());
        }
    }

    /// The figures as JSON.
    pub fn to_json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }
}

/// The start of a measurement.
pub struct Stopwatch {
    began: Instant,
    worked: Duration,
}

impl Stopwatch {
    /// Starts now.
    ///
    /// # Errors
    /// If the system does not report the time.
    pub fn start() -> Result<Self> {
        Ok(Self { began: Instant::now(), worked: worked()? })
    }

    /// Processor time of all current threads.
    ///
    /// # Errors
    /// If the system does not report it.
    pub fn worked(&self) -> Result<Duration> {
        Ok(worked()?.saturating_sub(self.worked))
    }
}

/// Exact values of all threads: /proc/self/stat lags by up to a tick of the kernel.
fn worked() -> Result<Duration> {
    Ok(clock_gettime(ClockId::ProcessCPUTime).try_into()?)
}

/// Current (`VmRSS`) or peak (`VmHWM`) memory of the process, in bytes.
///
/// # Errors
/// If the system does not report it.
pub fn memory(which: &str) -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status").context("only Linux reports memory this way")?;
    let line = status.lines().find_map(|line| line.strip_prefix(which)).context("no such line")?;
    let kilobytes: f64 = line.trim_matches([':', ' ', '\t', 'k', 'B']).parse()?;
    Ok(kilobytes * 1_024.0)
}
