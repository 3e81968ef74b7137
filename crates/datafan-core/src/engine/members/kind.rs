//! The kind of a member for discovery.

/// The kind of a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::engine) enum Kind {
    /// It is not an active member.
    Stranger,
    /// It is active and owns no shard, so it cannot publish its links.
    Reader,
    /// It is active and owns a shard.
    Owner,
}
