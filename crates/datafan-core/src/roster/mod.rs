//! Changes of the roster, and what becomes of its entries by them.
//!
//! A member that holds the authority's key and a machine that does nothing but sign judge changes by the same
//! code: this.

mod changes;
mod role;
mod whole;

pub use changes::{Disposition, Entries, GrantChange, RosterChange, changed};
pub(crate) use role::may_become;
pub use role::{IdRole, role_of};
pub use whole::{SignedRoster, WholeRoster, WholeRosterError};
