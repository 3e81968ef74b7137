//! What an engine rejects and counts. The guide and `status` use the same names.

use crate::message::Refusal;
use core::{borrow::Borrow, cmp::Ordering, fmt};

/// Declares the rejections, each with its name.
macro_rules! rejections {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A kind of rejection. It is ordered by its name and can be looked up in a map by it.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[non_exhaustive]
        pub enum Rejection {
            $($(#[$doc])* $variant,)*
        }

        impl Rejection {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name in `status` and in the guide.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

rejections! {
    /// A peer of another mesh.
    OtherMesh = "other_mesh",
    /// A peer that is not in the roster.
    NotAdmitted = "not_admitted",
    /// A peer that was revoked.
    Revoked = "revoked",
    /// An invited peer that tried to join after its invitation expired.
    InvitationExpired = "invitation_expired",
    /// A link that neither side needs, dropped by this member.
    Surplus = "surplus",
    /// A link for which there is no room.
    Busy = "busy",
    /// A link of a stranger, dropped to make room for another.
    Crowded = "crowded",
    /// Data beyond the rate limit of one owner.
    OverRate = "over_rate",
    /// A message that breaks format or limits: a violation.
    Malformed = "malformed",
    /// Bytes of a link that are not frames of messages: a violation.
    Frame = "frame",
    /// A head or a claim that its owner did not sign: a violation.
    Signature = "signature",
    /// A node that contradicts the requested hash: a violation.
    Node = "node",
    /// A range of items that contradicts the requested hash: a violation.
    Range = "range",
    /// An answer that does not fit its request: a violation.
    WrongAnswer = "wrong_answer",
    /// Data from a misbehaving peer.
    Penalized = "penalized",
    /// A head of an owner without a grant.
    UnknownOwner = "unknown_owner",
    /// A head too far ahead of our clock.
    ClockAhead = "clock_ahead",
    /// A commit of another member that arrived while the disk was full.
    DiskFull = "disk_full",
    /// A head over its owner's quota.
    OverQuota = "over_quota",
    /// A signed head that contradicts its content.
    InvalidHead = "invalid_head",
    /// A roster older than our ticket's, or one that lacks known members.
    OldRoster = "old_roster",
    /// A head from a time that its owner restamped.
    RestampedHead = "restamped_head",
    /// A head before the held one, which it does not invalidate.
    OlderHead = "older_head",
    /// A head of a member with the reader role.
    ReaderHead = "reader_head",
    /// A head of a revoked member other than the kept one.
    RevokedHead = "revoked_head",
    /// Two states signed by one owner, of which neither is an ancestor of the other.
    Fork = "fork",
    /// Another process with our key that began before this one.
    KeyInUse = "key_in_use",
    /// A state of our own shard that continues from writes of this process but was written by another.
    ForeignOwnHead = "foreign_own_head",
    /// A claim that is neither about the sender's process nor about ours.
    Claim = "claim",
    /// A report of another process with our key that is wrong or cannot be used.
    OtherRun = "other_run",
    /// A divergent copy whose content does not match its head.
    DivergentCopy = "divergent_copy",
    /// A divergent copy of another owner's shard.
    ForeignDivergentCopy = "foreign_divergent_copy",
    /// A state that would replace a divergent one, without room to keep the latter.
    NoRoomForDivergentCopy = "no_room_for_divergent_copy",
    /// A request that a peer did not answer in time.
    LateAnswer = "late_answer",
    /// An answer without a matching request.
    Unasked = "unasked",
    /// An answer about heads that does not fit the request.
    OtherHeads = "other_heads",
    /// A peer that does not have the state that it announced.
    StateChanged = "state_changed",
    /// A delta whose result does not match its head.
    Delta = "delta",
    /// An announced or pushed head older than the held one.
    StaleHead = "stale_head",
    /// A link that the peer refused.
    RefusedByPeer = "refused_by_peer",
    /// A link whose handshake took too long.
    LateHello = "late_hello",
    /// A link on which a probe was not answered.
    NoAnswer = "no_answer",
    /// A message of a peer that we had not accepted yet.
    BeforeWelcome = "before_welcome",
    /// A repeated Hello.
    SecondHello = "second_hello",
    /// A repeated Welcome.
    SecondWelcome = "second_welcome",
    /// A request of a peer that is not in our roster.
    NotServed = "not_served",
    /// A request beyond the limit of pending requests of one peer.
    TooManyRequests = "too_many_requests",
    /// A request with a hash that we never sent.
    WrongRequest = "wrong_request",
    /// A malformed `_sys/addresses`.
    Addresses = "addresses",
    /// A malformed `_sys/links`.
    Links = "links",
    /// A malformed `_sys/runs`.
    Runs = "runs",
    /// A malformed `_sys/restamped`.
    Restamped = "restamped",
    /// A malformed entry below `_sys/forks/`.
    Closing = "closing",
}

impl Ord for Rejection {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name().cmp(other.name())
    }
}

impl PartialOrd for Rejection {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Borrow<str> for Rejection {
    fn borrow(&self) -> &str {
        self.name()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::OtherMesh => Self::OtherMesh,
            Refusal::NotAdmitted => Self::NotAdmitted,
            Refusal::Revoked => Self::Revoked,
            Refusal::Busy => Self::Busy,
            Refusal::Malformed => Self::Malformed,
            Refusal::InvitationExpired => Self::InvitationExpired,
            Refusal::Surplus => Self::Surplus,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn each_rejection_has_a_unique_name_that_finds_it() {
        let all: BTreeSet<Rejection> = Rejection::ALL.iter().copied().collect();
        assert_eq!(all.len(), Rejection::ALL.len());
        assert!(all.contains("invalid_head") && !all.contains("no such name"));
        assert!(all.iter().map(|rejection| rejection.name()).is_sorted());
    }
}
