//! What is dialled, and why.

use crate::{connector::Address, id::MemberId};

/// What is dialled.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::engine) enum Target {
    /// An address that the user gave, whoever is there.
    User(Endpoint),
    /// A member, wherever it is.
    Member(MemberId),
}

/// A user's address: who is expected there, if anybody is, and where.
pub(in crate::engine) type Endpoint = (Option<MemberId>, Address);

/// Why a dial was begun. Of the last two kinds there is one at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::engine) enum Why {
    /// There are too few links.
    Minimum,
    /// A link to the member was lost, or it was just admitted.
    Lost,
    /// Nobody knows that it is reachable.
    Slow,
}
