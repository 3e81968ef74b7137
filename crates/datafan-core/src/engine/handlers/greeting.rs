//! Links that come up and go down, and the effect of roster changes on them.

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
    dialling::Dialling,
    exchange::Exchange,
    gossip::Gossip,
};
use crate::store::Store;

/// Links that come up and go down, and the effect of roster changes on them.
pub(in crate::engine) struct Greeting<'a, S: Store> {
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

impl<S: Store> Greeting<'_, S> {
    pub(in crate::engine) fn exchange(&mut self) -> Exchange<'_, Snapshot<S>> {
        Exchange { cx: self.cx, replicas: self.replicas, links: self.links }
    }

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

    pub(in crate::engine) fn dialling(&mut self) -> Dialling<'_, S> {
        Dialling {
            cx: self.cx,
            disk: self.disk,
            own: self.own,
            key_conflicts: self.key_conflicts,
            members: self.members,
            replicas: self.replicas,
            links: self.links,
            discovery: self.discovery,
            divergent: self.divergent,
        }
    }
}
