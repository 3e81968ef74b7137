//! Time that this thread has spent working: what a measurement in one thread takes, whatever else the machine does.

use std::{fs, time::Duration, time::Instant};

/// Since when.
#[derive(Clone, Copy)]
pub struct Stopwatch {
    began: Instant,
    /// `None` where the system does not tell.
    worked: Option<Duration>,
}

impl Stopwatch {
    /// From now on.
    pub fn start() -> Self {
        Self { began: Instant::now(), worked: worked() }
    }

    /// By the clock on the wall, with the time for which others had the processor and for which a disk was waited for.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// By the processor's clock; by the one on the wall where the system does not tell.
    pub fn worked(&self) -> Duration {
        match (self.worked, worked()) {
            (Some(before), Some(now)) => now.saturating_sub(before),
            _ => self.elapsed(),
        }
    }
}

/// Linux: the first number is nanoseconds on a processor.
fn worked() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
}
