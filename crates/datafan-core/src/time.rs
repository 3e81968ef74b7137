//! The two kinds of time: timestamps, which order the writes of one owner, and monotonic time for deadlines.

use core::fmt;

/// Microseconds since 1970: the time of an item's last modification, its version and its place in the trie.
///
/// Timestamps are unique and strictly increasing per owner and are never compared between owners. 0 is before
/// every write.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Before every write.
    pub const ZERO: Self = Self(0);
    /// After every write.
    pub const MAX: Self = Self(u64::MAX);

    /// The next timestamp; `None` after [`Timestamp::MAX`].
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

/// Monotonic microseconds since an arbitrary start. Used for deadlines, never for data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Time(pub u64);

impl Time {
    /// A time that is never reached.
    pub const NEVER: Self = Self(u64::MAX);

    /// This time plus `micros`.
    pub fn after(self, micros: u64) -> Self {
        Self(self.0.saturating_add(micros))
    }
}

/// The readings of the driver's clocks. The engine has no other source of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// Monotonic time, for deadlines.
    pub time: Time,
    /// Wall time in microseconds since 1970, for timestamps, expiry and the bound on clocks of others.
    pub wall: Timestamp,
}

/// One millisecond in microseconds.
pub const MILLI: u64 = 1_000;
/// One second in microseconds.
pub const SECOND: u64 = 1_000_000;
