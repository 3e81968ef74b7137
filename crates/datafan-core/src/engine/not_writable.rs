//! Why a member cannot write to an own shard.

use super::key_conflicts::same_key::SameKeyPlace;
use crate::{roster::Revoked, time::Timestamp};
use alloc::string::String;

/// Why a member cannot write to an own shard, whatever the change is. Nothing was written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotWritable {
    /// There is no room on the disk. It can be tried again when there is.
    #[error("the disk is full ({why}): nothing is written until there is room")]
    DiskFull {
        /// What was found.
        why: String,
    },
    /// The shard's owner was revoked. A new key can be admitted.
    #[error(transparent)]
    Revoked(#[from] Revoked),
    /// The member's role is to hold, not to write.
    #[error(
        "this member's role is reader: it holds everything and writes nothing; \
             `datafan grant {name} --role member` where authority.key is changes that"
    )]
    Reader {
        /// The member's name.
        name: String,
    },
    /// A peer holds a later head of this shard than any that this process has made. Writing stays off until a
    /// restart.
    #[error(
        "a peer holds a head of our own shard that this process did not make (timestamp {timestamp}): \
             another process uses the same key; writing is off"
    )]
    ForeignHead {
        /// The foreign head's timestamp.
        timestamp: Timestamp,
    },
    /// Another process with this member's key is alive that began before this one.
    #[error("another process runs with this member's key, it {place}: writing is off here")]
    KeyInUse {
        /// Where.
        place: SameKeyPlace,
    },
    /// Peers refuse this member and none is linked with it, so nobody would get what it writes.
    #[error("this member is refused, so nobody would get what it writes: {what}")]
    Refused {
        /// Why, and what to do.
        what: String,
    },
    /// The write would have a timestamp beyond the bound of this member's clock, which no peer accepts.
    #[error(
        "our last write is {ahead_seconds} s ahead of our clock, limit {limit_seconds} s: set the clock \
         right; if it is right, wait until it is within the limit, or restamp what was written while it was wrong"
    )]
    ClockBehind {
        /// By how much.
        ahead_seconds: u64,
        /// How much others accept.
        limit_seconds: u64,
    },
}
