//! Processor time of this thread or process: the cost of a measurement, whatever else the machine does.

use std::time::{Duration, Instant};

/// The start of a measurement.
#[derive(Clone, Copy)]
pub struct Stopwatch {
    began: Instant,
    whose: Whose,
    /// `None` if the system does not report it.
    worked: Option<Duration>,
}

#[derive(Clone, Copy)]
enum Whose {
    Thread,
    Process,
}

impl Stopwatch {
    /// Starts to measure this thread.
    pub fn start() -> Self {
        Self::of(Whose::Thread)
    }

    /// Starts to measure all threads that exist when it is read.
    pub fn start_process() -> Self {
        Self::of(Whose::Process)
    }

    fn of(whose: Whose) -> Self {
        Self { began: Instant::now(), whose, worked: whose.worked() }
    }

    /// Wall-clock time, including that of other processes and of waiting for a disk.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Processor time; wall-clock time if the system does not report it.
    pub fn worked(&self) -> Duration {
        match (self.worked, self.whose.worked()) {
            (Some(before), Some(now)) => now.saturating_sub(before),
            _ => self.elapsed(),
        }
    }
}

impl Whose {
    #[cfg(target_os = "linux")]
    fn worked(self) -> Option<Duration> {
        use rustix::time::{ClockId, clock_gettime};
        // /proc lags by up to a tick of the kernel, which is more than a small reconciliation takes.
        let told = clock_gettime(match self {
            Self::Thread => ClockId::ThreadCPUTime,
            Self::Process => ClockId::ProcessCPUTime,
        });
        told.try_into().ok()
    }

    #[cfg(not(target_os = "linux"))]
    fn worked(self) -> Option<Duration> {
        None
    }
}
