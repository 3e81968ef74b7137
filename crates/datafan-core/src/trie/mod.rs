//! The trie: a canonical Merkle tree over the sparse 64-bit axis of timestamps.
//!
//! A 16-way, path-compressed radix tree (D. R. Morrison, PATRICIA, 1968; R. Merkle, 1987). A node of level
//! `l` and prefix `p` spans the positions `p << 4l ..= (p << 4l) + 16^l - 1`; level 0 is a leaf, whose prefix
//! is its position. A node exists exactly where at least two of its sixteen children are not empty, so the
//! shape depends on the set of leaves alone, never on the order of changes.
//!
//! ```text
//! node = BLAKE3(domain | level | prefix | for each child: digit, count, bytes, hash)
//! root = a constant, the leaf's hash, or the top node's hash, for 0, 1 or more leaves
//! ```

mod branch;
mod edit;
mod walk;

pub use branch::{Branch, LEVELS, Leaf, Node, Nodes, Place, node_hash, root_hash};
pub use edit::{Changes, NewNodes, join, top, update};
pub use walk::{at_slot, sum_after};
