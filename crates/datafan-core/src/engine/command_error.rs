//! Why a command was not carried out: an error per operation.

use super::not_writable::NotWritable;
use crate::{
    id::MemberId,
    limits::{
        ADDRESS_BYTES_MAX, ADDRESSES_MAX, COMMIT_BYTES_MAX, COMMIT_WRITES_MAX, MEMBERS_MAX,
        ROSTER_CHANGES_MAX, USER_ADDRESSES_MAX,
    },
    roster::{MemberError, RosterChangeError},
    time::Timestamp,
};
use alloc::string::String;

/// Why a command was not carried out; a variant per operation. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Of [`OwnChange::Commit`](super::OwnChange::Commit).
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Of [`OwnChange::Restamp`](super::OwnChange::Restamp).
    #[error(transparent)]
    Restamp(#[from] RestampError),
    /// Of [`OwnChange::DiscardDivergent`](super::OwnChange::DiscardDivergent).
    #[error(transparent)]
    DiscardDivergent(NotWritable),
    /// Of [`OwnChange::Admit`](super::OwnChange::Admit), [`OwnChange::Revoke`](super::OwnChange::Revoke) and
    /// [`OwnChange::ChangeRoster`](super::OwnChange::ChangeRoster).
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// Of [`OwnChange::CloseForks`](super::OwnChange::CloseForks).
    #[error(transparent)]
    Fork(#[from] ForkError),
    /// Of [`Command::ApplySignedRoster`](super::Command::ApplySignedRoster).
    #[error(transparent)]
    SignedRoster(#[from] SignedRosterError),
    /// Of [`Immediate::Publish`](super::Immediate::Publish) and
    /// [`Immediate::Connect`](super::Immediate::Connect).
    #[error(transparent)]
    Address(#[from] AddressError),
}

impl CommandError {
    /// Why no change of the shard could be written at all, if that is the reason.
    pub fn not_writable(&self) -> Option<&NotWritable> {
        match self {
            Self::Write(WriteError::NotWritable(why))
            | Self::Restamp(RestampError::NotWritable(why))
            | Self::DiscardDivergent(why)
            | Self::Roster(RosterError::NotWritable(why))
            | Self::Fork(ForkError::NotWritable(why))
            | Self::SignedRoster(SignedRosterError::NotWritable(why)) => Some(why),
            Self::Write(_)
            | Self::Restamp(_)
            | Self::Roster(_)
            | Self::Fork(_)
            | Self::SignedRoster(_)
            | Self::Address(_) => None,
        }
    }
}

/// Why writes to the member's own shard were not committed. Nothing was written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The shard cannot be written.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
    /// More writes than one commit takes. Split it.
    #[error("commit has {writes} writes, limit {COMMIT_WRITES_MAX}")]
    TooManyWrites {
        /// How many.
        writes: usize,
    },
    /// More bytes than one commit takes. Split it.
    #[error("commit has {bytes} bytes of keys and values, limit {COMMIT_BYTES_MAX}")]
    CommitTooLarge {
        /// How many.
        bytes: usize,
    },
    /// A value over the limit.
    #[error("value of key {key:?} is {len} bytes, limit {limit}")]
    ValueTooLong {
        /// Whose value.
        key: String,
        /// Its length in bytes.
        len: usize,
        /// The writer's limit.
        limit: usize,
    },
    /// An expiry of 0, which stands for none.
    #[error("key {key:?} would expire at 0: leave the expiry out, or delete the key")]
    ExpiryZero {
        /// Which.
        key: String,
    },
    /// A key under `_sys/`.
    #[error("key {key:?} is the system's: keys under _sys/ cannot be written")]
    SystemKey {
        /// Which.
        key: String,
    },
    /// The shard would exceed the quota of its grant.
    #[error("shard would hold {items} items and {bytes} bytes, quota {items_max} and {bytes_max}")]
    OverQuota {
        /// Items after the commit.
        items: u64,
        /// Bytes after the commit.
        bytes: u64,
        /// Items allowed.
        items_max: u64,
        /// Bytes allowed.
        bytes_max: u64,
    },
}

/// Why the own shards were not restamped. Nothing was written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestampError {
    /// The shard cannot be written.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
    /// The clocks of most peers say that this member's clock is the one that is wrong.
    #[error("our clock is {behind_seconds} s behind those of most peers: set it right before a restamp")]
    ClockOff {
        /// By how much.
        behind_seconds: u64,
    },
}

/// Why the roster was not changed. Nothing was written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RosterError {
    /// The roster cannot be written.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
    /// The entries of the roster do not allow a change.
    #[error(transparent)]
    Change(#[from] RosterChangeError),
    /// This member does not hold the authority's key.
    #[error(
        "only a member with authority.key can change the roster: ask there, or with --offline for a signature"
    )]
    NoAuthority,
    /// The member that holds the authority's key revoked itself.
    #[error(
        "{id} is this member itself, which holds authority.key: it cannot revoke itself; admit a new key, \
         move authority.key there and revoke this one (docs/membership.md)"
    )]
    Oneself {
        /// Who.
        id: MemberId,
    },
    /// More changes than one commit takes. Split them.
    #[error("{changes} changes of the roster at once, limit {ROSTER_CHANGES_MAX}")]
    TooManyChanges {
        /// How many.
        changes: usize,
    },
    /// The roster, which only grows, has as many entries as there may be.
    #[error(
        "the roster has {MEMBERS_MAX} members, former ones among them, which is the limit: begin a new mesh"
    )]
    TooManyMembers,
}

/// Why the forks of an owner were not closed. Nothing was written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForkError {
    /// The roster, which says what is closed, cannot be written.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
    /// The id does not name an owner whose forks can be closed.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// This member does not hold the authority's key, which closes forks.
    #[error("only a running member with authority.key can close forks: ask there")]
    CannotClose,
    /// No fork of the owner is held here, so there is none to close.
    #[error("no fork of {id} is held here: `datafan forks` lists those that are")]
    NoFork {
        /// The owner.
        id: MemberId,
    },
}

/// Why a roster that was signed elsewhere was not applied. The roster that is held here was not changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignedRosterError {
    /// The roster cannot be written.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
    /// The bytes are not a roster.
    #[error("the signed roster is malformed: copy it again as a whole")]
    Malformed,
    /// It belongs to another mesh.
    #[error("the signed roster belongs to another mesh")]
    OtherMesh,
    /// This member holds the authority's key, and signs rosters itself.
    #[error("the signed roster cannot be taken where authority.key is: that key has one place, move it away")]
    HasAuthority,
    /// The signature is not the authority's.
    #[error("the signed roster is not signed by this mesh's authority")]
    Signature,
    /// It is older than the one that is held here.
    #[error("the signed roster is older than the one held here: ask for a signature on the current one")]
    Older,
    /// It is further ahead of this member's clock than others may be.
    #[error(
        "the signed roster is ahead of this member's clock: correct the clock here or where it was signed"
    )]
    Future,
    /// It is older than the roster that this member's ticket names.
    #[error("the signed roster is older than our ticket")]
    BeforeTicket,
    /// It leads from a later one than is held here. It can be applied once that has come.
    #[error(
        "the signed roster follows one of {base}, and here is one of {held}: apply the earlier one first, or wait \
         until it is here"
    )]
    Ahead {
        /// From where it leads.
        base: Timestamp,
        /// What is held.
        held: Timestamp,
    },
    /// It lacks members that the one held here has.
    #[error(
        "the signed roster lacks members that are known here: it was refused, and every other \
         member refuses it"
    )]
    Shrinks,
    /// It was made from another roster than the one that is held here.
    #[error("the signed roster is not based on the one held here: ask for a signature on the current one")]
    DoesNotFollow,
}

/// Why addresses were not published, or one was not recorded to be dialled. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The id that was expected at the address does not name another member.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// More addresses of one member than may be published.
    #[error("number of addresses over the limit of {ADDRESSES_MAX}")]
    TooMany,
    /// An address is longer than the limit, or empty.
    #[error("address length in bytes over the limit of {ADDRESS_BYTES_MAX}")]
    Length,
    /// More addresses than are recorded to be dialled.
    #[error("number of addresses to dial over the limit of {USER_ADDRESSES_MAX}")]
    TooManyToDial,
}

#[cfg(test)]
mod tests {
    use super::super::input::OwnChange;
    use super::*;
    use crate::{id::Name, roster::Disposition};
    use alloc::{string::ToString, vec::Vec};

    #[test]
    fn every_change_reports_why_its_shard_cannot_be_written() {
        let (id, name) = (MemberId([1; 32]), Name::new("a").unwrap());
        let why = NotWritable::DiskFull { why: "disk is full".into() };
        let changes = [
            OwnChange::Commit(Vec::new()),
            OwnChange::Restamp,
            OwnChange::DiscardDivergent { roots: None },
            OwnChange::Admit { id, name },
            OwnChange::Revoke { id, disposition: Disposition::Keep },
            OwnChange::ChangeRoster(Vec::new()),
            OwnChange::CloseForks { owner: id },
        ];
        for change in changes {
            let error = change.refused(why.clone());
            assert_eq!(
                (error.not_writable(), error.to_string()),
                (Some(&why), why.to_string()),
                "{change:?}"
            );
        }
        let signed = CommandError::from(SignedRosterError::from(why.clone()));
        assert_eq!((signed.not_writable(), signed.to_string()), (Some(&why), why.to_string()));
        assert_eq!(CommandError::from(WriteError::TooManyWrites { writes: 5_000 }).not_writable(), None);
    }
}
