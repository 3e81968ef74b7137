//! Recovery of own shards from the mesh.

use super::super::{context::Context, members::Members, own::OwnShards, replicas::Replicas};

/// Recovery of own shards from the mesh.
pub(in crate::engine) struct Recoveries<'a> {
    pub(in crate::engine) cx: &'a Context,
    pub(in crate::engine) own: &'a OwnShards,
    pub(in crate::engine) members: &'a Members,
    pub(in crate::engine) replicas: &'a Replicas,
}
