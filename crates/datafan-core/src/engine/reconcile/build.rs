//! Where a reconciliation collects verified data.

use super::super::disk::{Disk, Snapshot};
use crate::{
    shard::View,
    store::{ShardChange, ShardNumber, Store},
    time::Timestamp,
    trie::Branch,
};

/// A state under construction.
pub(in crate::engine) enum Build {
    /// A layer in memory over the visible shard, or over an empty one.
    Layer {
        shard: ShardNumber,
        change: ShardChange,
        root: Option<Branch>,
        /// Its approximate size in bytes.
        bytes: usize,
    },
    /// A hidden copy on disk.
    Hidden {
        shard: ShardNumber,
        root: Option<Branch>,
        /// The local copy that is not finished, if any.
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

    /// The current state of the build.
    pub(in crate::engine) fn view<'a, S: Store>(&'a self, disk: &'a Disk<S>) -> View<'a, Snapshot<S>> {
        disk.view_with(self.shard(), self.layer())
    }
}
