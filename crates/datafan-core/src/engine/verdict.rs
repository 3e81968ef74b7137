//! Whether a head may be held.

use super::replicas::Reason;

/// Whether a head may be held.
pub(super) enum Verdict {
    Good,
    /// Nobody has granted its owner anything.
    Unknown,
    Refused(Reason),
}
