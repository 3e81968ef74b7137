//! What a measurement found, and the clocks that it looks at.

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
    /// Adds one.
    pub fn add(&mut self, name: impl Into<String>, value: f64) {
        self.0.insert(name.into(), value.into());
    }

    /// Adds what the stopwatch shows: seconds on the wall and on processors.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn add_times(&mut self, prefix: &str, watch: &Stopwatch) -> Result<()> {
        let worked = watch.worked()?;
        self.add(format!("{prefix}wall_s"), watch.began.elapsed().as_secs_f64());
        self.add(format!("{prefix}cpu_s"), worked.as_secs_f64());
        Ok(())
    }

    /// Adds the middle one of these times in milliseconds, and the one that 99 of a hundred do not exceed.
    pub fn add_percentiles(&mut self, prefix: &str, times: &mut [f64]) {
        times.sort_by(f64::total_cmp);
        for percent in [50, 99] {
            let rank = (times.len() - 1) as f64 * f64::from(percent) / 100.0;
            let (low, high) = (times[rank.floor() as usize], times[rank.ceil() as usize]);
            self.add(format!("{prefix}p{percent}_ms"), low + (high - low) * rank.fract());
        }
    }

    /// The object.
    pub fn to_json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }
}

/// Since when.
pub struct Stopwatch {
    began: Instant,
    worked: Duration,
}

impl Stopwatch {
    /// From now on.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn start() -> Result<Self> {
        Ok(Self { began: Instant::now(), worked: worked()? })
    }

    /// Time on processors, of all threads that there are.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn worked(&self) -> Result<Duration> {
        Ok(worked()?.saturating_sub(self.worked))
    }
}

/// Of all threads, exactly: what lies in /proc is behind by up to a tick of the kernel.
fn worked() -> Result<Duration> {
    Ok(clock_gettime(ClockId::ProcessCPUTime).try_into()?)
}

/// Bytes of memory that the process has, or had at most: `VmRSS` or `VmHWM`.
///
/// # Errors
/// If the system does not tell.
pub fn memory(which: &str) -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status").context("only Linux tells of memory this way")?;
    let line = status.lines().find_map(|line| line.strip_prefix(which)).context("no such line")?;
    let kilobytes: f64 = line.trim_matches([':', ' ', '\t', 'k', 'B']).parse()?;
    Ok(kilobytes * 1_024.0)
}
