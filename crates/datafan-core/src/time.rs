//! The two times: timestamps that order what one owner wrote, and monotonic time for deadlines.

use core::fmt;

/// Microseconds since 1970: the time of an item's last modification, its version and its place in the trie.
///
/// Unique and strictly increasing per owner; never compared between owners. 0 means "before everything".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Before every write.
    pub const ZERO: Self = Self(0);
    /// After every write.
    pub const MAX: Self = Self(u64::MAX);

    /// The next one; `None` at the end of time.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Monotonic microseconds since an arbitrary start: for every deadline, never for data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Time(pub u64);

impl Time {
    /// Never.
    pub const NEVER: Self = Self(u64::MAX);

    /// This time plus `micros`.
    pub fn after(self, micros: u64) -> Self {
        Self(self.0.saturating_add(micros))
    }
}

/// What the driver's clocks show: the only two things that the engine knows of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// Monotonic time, for deadlines.
    pub time: Time,
    /// Wall time in microseconds since 1970, for timestamps, expiry and the bound on foreign clocks.
    pub wall: Timestamp,
}

/// One millisecond in microseconds.
pub const MILLI: u64 = 1_000;
/// One second in microseconds.
pub const SECOND: u64 = 1_000_000;
