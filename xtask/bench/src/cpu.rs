//! Time that this thread, or this process, has spent working: what a measurement takes, whatever else the
//! machine does.

use std::time::{Duration, Instant};

/// Since when.
#[derive(Clone, Copy)]
pub struct Stopwatch {
    began: Instant,
    whose: Whose,
    /// `None` where the system does not tell.
    worked: Option<Duration>,
}

#[derive(Clone, Copy)]
enum Whose {
    Thread,
    Process,
}

impl Stopwatch {
    /// From now on, of this thread.
    pub fn start() -> Self {
        Self::of(Whose::Thread)
    }

    /// From now on, of all threads that there are when it is looked at.
    pub fn start_process() -> Self {
        Self::of(Whose::Process)
    }

    fn of(whose: Whose) -> Self {
        Self { began: Instant::now(), whose, worked: whose.worked() }
    }

    /// By the clock on the wall, with the time for which others had the processor and for which a disk was
    /// waited for.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// By the processor's clock; by the one on the wall where the system does not tell.
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
        // What lies in /proc is behind by up to a tick of the kernel, which is more than a small reconciliation
        // takes.
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
