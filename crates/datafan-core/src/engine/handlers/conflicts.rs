//! Other processes with this member's key.

use super::{
    super::{
        context::Context,
        discovery::Discovery,
        disk::{Disk, Snapshot},
        key_conflicts::KeyConflicts,
        links::Links,
        members::Members,
        own::OwnShards,
        replicas::Replicas,
    },
    gossip::Gossip,
};
use crate::store::Store;

/// Other processes with this member's key.
pub(in crate::engine) struct Conflicts<'a, S: Store> {
    pub(in crate::engine) cx: &'a mut Context,
    pub(in crate::engine) disk: &'a mut Disk<S>,
    pub(in crate::engine) own: &'a mut OwnShards,
    pub(in crate::engine) key_conflicts: &'a mut KeyConflicts,
    pub(in crate::engine) members: &'a mut Members,
    pub(in crate::engine) replicas: &'a mut Replicas,
    pub(in crate::engine) links: &'a mut Links<Snapshot<S>>,
    pub(in crate::engine) discovery: &'a mut Discovery,
}

impl<S: Store> Conflicts<'_, S> {
    pub(in crate::engine) fn gossip(&mut self) -> Gossip<'_, S> {
        Gossip {
            cx: self.cx,
            disk: self.disk,
            own: self.own,
            members: self.members,
            replicas: self.replicas,
            links: self.links,
        }
    }
}
