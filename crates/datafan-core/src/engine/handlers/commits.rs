//! Commands, and commits of system items.

use super::{
    super::{
        context::Context,
        discovery::Discovery,
        disk::{Disk, Snapshot},
        divergent_copies::DivergentCopies,
        key_conflicts::KeyConflicts,
        links::Links,
        members::Members,
        own::OwnShards,
        replicas::Replicas,
    },
    conflicts::Conflicts,
    recoveries::Recoveries,
    replication::Replication,
};
use crate::store::Store;

/// Commands, and commits of system items.
pub(in crate::engine) struct Commits<'a, S: Store> {
    pub(in crate::engine) cx: &'a mut Context,
    pub(in crate::engine) disk: &'a mut Disk<S>,
    pub(in crate::engine) own: &'a mut OwnShards,
    pub(in crate::engine) key_conflicts: &'a mut KeyConflicts,
    pub(in crate::engine) members: &'a mut Members,
    pub(in crate::engine) replicas: &'a mut Replicas,
    pub(in crate::engine) links: &'a mut Links<Snapshot<S>>,
    pub(in crate::engine) discovery: &'a mut Discovery,
    pub(in crate::engine) divergent: &'a mut DivergentCopies,
}

impl<S: Store> Commits<'_, S> {
    pub(in crate::engine) fn recoveries(&self) -> Recoveries<'_> {
        Recoveries { cx: self.cx, own: self.own, members: self.members, replicas: self.replicas }
    }

    pub(in crate::engine) fn replication(&mut self) -> Replication<'_, S> {
        Replication {
            cx: self.cx,
            disk: self.disk,
            own: self.own,
            members: self.members,
            replicas: self.replicas,
            links: self.links,
            divergent: self.divergent,
        }
    }

    pub(in crate::engine) fn conflicts(&mut self) -> Conflicts<'_, S> {
        Conflicts {
            cx: self.cx,
            disk: self.disk,
            own: self.own,
            key_conflicts: self.key_conflicts,
            members: self.members,
            replicas: self.replicas,
            links: self.links,
            discovery: self.discovery,
        }
    }
}
