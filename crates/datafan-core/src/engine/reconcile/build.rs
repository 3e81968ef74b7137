//! Where a reconciliation puts what it has verified.

use super::super::disk::{Disk, Snapshot};
use crate::{
    shard::View,
    store::{ShardChange, ShardNumber, Store},
    time::Timestamp,
    trie::Branch,
};

/// A state under construction.
pub(in crate::engine) enum Build {
    /// A layer over the visible shard (or over nothing), in memory.
    Layer {
        shard: ShardNumber,
        change: ShardChange,
        root: Option<Branch>,
        /// What it takes, roughly.
        bytes: usize,
    },
    /// A hidden copy, on disk.
    Hidden {
        shard: ShardNumber,
        root: Option<Branch>,
        /// What is still to be copied, locally.
        copy: Option<Copy>,
    },
}

/// A local copy under way.
pub(in crate::engine) struct Copy {
    pub(super) from: ShardNumber,
    pub(super) layer: ShardChange,
    pub(super) next: Timestamp,
}

impl Build {
    pub(super) fn shard(&self) -> ShardNumber {
        match self {
            Self::Layer { shard, .. } | Self::Hidden { shard, .. } => *shard,
        }
    }

    pub(in crate::engine) fn root(&self) -> Option<Branch> {
        match self {
            Self::Layer { root, .. } | Self::Hidden { root, .. } => *root,
        }
    }

    pub(super) fn is_hidden(&self) -> bool {
        matches!(self, Self::Hidden { .. })
    }

    pub(super) fn layer(&self) -> Option<&ShardChange> {
        match self {
            Self::Layer { change, .. } => Some(change),
            Self::Hidden { .. } => None,
        }
    }

    /// The state, as it stands.
    pub(in crate::engine) fn view<'a, S: Store>(&'a self, disk: &'a Disk<S>) -> View<'a, Snapshot<S>> {
        disk.view_with(self.shard(), self.layer())
    }
}
