//! Why a change of the roster is not made.

use crate::id::MemberId;
use alloc::string::String;

/// Why the entries of a roster do not allow a change. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RosterChangeError {
    /// The id does not name a member that can be changed.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// The member was revoked. A new key can be admitted.
    #[error(transparent)]
    Revoked(#[from] Revoked),
    /// The id is not a sound public key.
    #[error("{id} is not a sound Ed25519 public key")]
    UnsoundKey {
        /// The id.
        id: MemberId,
    },
    /// Another member has the name.
    #[error("the name {name} belongs to {id}")]
    NameTaken {
        /// The name.
        name: String,
        /// Its member.
        id: MemberId,
    },
    /// The name reads as a full id, which always means the member with that id.
    #[error("the name {name} reads as a full id: choose another name")]
    NameIsId {
        /// The name.
        name: String,
    },
    /// An end of the invitation was named for a member that has joined.
    #[error("{name} has come in: its invitation has no end any more, revoke it to end its membership")]
    HasComeIn {
        /// Its name.
        name: String,
    },
}

/// Why an id does not name the member that an operation needs. Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemberError {
    /// It is the mesh's own id, which is its authority's.
    #[error(
        "{id} is the mesh's own id and names no member: `datafan id` prints a member's id beside it, on the \
         line that begins with id"
    )]
    Authority {
        /// The id.
        id: MemberId,
    },
    /// It is the id of this member itself, where another member's belongs.
    #[error("{id} is this member's own id: name another member")]
    Own {
        /// The id.
        id: MemberId,
    },
    /// The roster has no entry for it.
    #[error("{id} is not in the roster")]
    Unknown {
        /// Who.
        id: MemberId,
    },
}

/// The membership was ended, which is final. Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{id} was revoked, and that is for ever: admit a new key")]
pub struct Revoked {
    /// Whose.
    pub id: MemberId,
}
