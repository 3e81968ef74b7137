//! Targets of dials, and their reasons.

use crate::{connector::Address, id::MemberId};

/// The target of a dial.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::engine) enum Target {
    /// An address that the user gave, with any member there.
    User(Endpoint),
    /// A member, at any of its addresses.
    Member(MemberId),
}

/// A user address: the expected member, if there is one, and the address.
pub(in crate::engine) type Endpoint = (Option<MemberId>, Address);

/// Why a dial was begun. There is at most one dial at a time for each of the last two reasons.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::engine) enum Why {
    /// There are too few links.
    Minimum,
    /// A link to the member was lost, or it was just admitted.
    Lost,
    /// The member may be unreachable.
    Slow,
}
