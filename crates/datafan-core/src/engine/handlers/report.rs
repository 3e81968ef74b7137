//! The member's status report.

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
    recoveries::Recoveries,
};
use crate::store::Store;

/// The member's status report.
pub(in crate::engine) struct Report<'a, S: Store> {
    pub(in crate::engine) cx: &'a Context,
    pub(in crate::engine) disk: &'a Disk<S>,
    pub(in crate::engine) own: &'a OwnShards,
    pub(in crate::engine) key_conflicts: &'a KeyConflicts,
    pub(in crate::engine) members: &'a Members,
    pub(in crate::engine) replicas: &'a Replicas,
    pub(in crate::engine) links: &'a Links<Snapshot<S>>,
    pub(in crate::engine) discovery: &'a Discovery,
    pub(in crate::engine) divergent: &'a DivergentCopies,
}

impl<S: Store> Report<'_, S> {
    pub(in crate::engine) fn recoveries(&self) -> Recoveries<'_> {
        Recoveries { cx: self.cx, own: self.own, members: self.members, replicas: self.replicas }
    }
}
