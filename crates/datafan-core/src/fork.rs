//! Forks (equivocation): an owner signed two states of which neither is an ancestor of the other, because its
//! identity was cloned, rewound or stolen. Anyone with the owner's id can verify the evidence offline.
//!
//! Two heads with the same timestamp and different roots prove a fork. So does an item whose timestamp is not
//! later than the earlier head, that the later head's trie has and the earlier head's trie lacks, because an
//! honest owner's timestamps only grow. The proof consists of the nodes from one root down to the item, and
//! from the other root down to where the item is missing.

mod closing;
mod evidence;

pub(crate) use closing::pieces;
pub use closing::{CLOSING_PREFIX, ClosedBy, Closing, ForkRuns, KeptFork};
pub use evidence::{Evidence, Lost, Unproven};
pub(crate) use evidence::{first_lost, way};
