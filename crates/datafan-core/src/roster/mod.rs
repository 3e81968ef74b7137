//! Changes of the roster and their effect on its entries.
//!
//! A member with the authority's key and an offline signing machine both check changes with this code.

mod changes;
mod error;
mod role;
mod whole;

pub use changes::{Disposition, Entries, GrantChange, RosterChange, changed};
pub use error::{MemberError, Revoked, RosterChangeError};
pub(crate) use role::may_become;
pub use role::{IdRole, role_of};
pub use whole::{SignedRoster, WholeRoster, WholeRosterError};
