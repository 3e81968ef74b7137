//! Forks: an owner has signed two states of which neither grew out of the other, because its identity was
//! cloned, rewound or stolen. The evidence convinces anybody who has the owner's id, offline.
//!
//! Two heads with one timestamp and different roots are a fork. So is an item that is as old as an earlier
//! head, that a later head's trie has, and the earlier head's lacks: an honest owner's timestamps only grow.
//! The way from a root down to the item, and to where it is missing, are the nodes that prove it.

mod closing;
mod evidence;

pub(crate) use closing::pieces;
pub use closing::{CLOSING_PREFIX, ClosedBy, Closing, ForkRuns, KeptFork};
pub use evidence::{Evidence, Lost, Unproven};
pub(crate) use evidence::{first_lost, way};
