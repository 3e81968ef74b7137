//! Whether a head is acceptable.

use super::replicas::Reason;

/// Whether a head is acceptable.
pub(super) enum Verdict {
    Good,
    /// The owner is not in the roster.
    Unknown,
    Refused(Reason),
}
