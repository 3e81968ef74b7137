//! What the roster says of a member, as far as finding others goes.

/// What the roster says of a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::engine) enum Kind {
    /// It does not belong.
    Stranger,
    /// It belongs, and owns no shard in which it could publish its links.
    Reader,
    /// It belongs and owns a shard.
    Owner,
}
