//! The driver's clocks, the only ones that an engine ever sees.

use datafan_core::time::{Now, Time, Timestamp};
use std::time::{Duration, Instant, SystemTime};

/// Monotonic time since the start of a driver, and the system's wall clock.
#[derive(Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose monotonic time is 0 now.
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }

    /// Both clocks now.
    pub fn now(&self) -> Now {
        let time = Time(micros(self.start.elapsed()));
        Now { time, wall: wall() }
    }

    /// The instant of `time`; `None` if it is never reached.
    pub fn instant(&self, time: Time) -> Option<Instant> {
        self.start.checked_add(Duration::from_micros(time.0)).filter(|_| time != Time::NEVER)
    }
}

/// The wall clock; 0 if it stands before 1970.
pub fn wall() -> Timestamp {
    Timestamp(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, micros))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
