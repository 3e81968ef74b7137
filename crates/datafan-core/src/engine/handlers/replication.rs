//! Applies data, from peers and from own commits, and makes it visible.

use super::{
    super::{
        context::Context,
        disk::{Disk, Snapshot},
        divergent_copies::DivergentCopies,
        links::Links,
        members::Members,
        own::OwnShards,
        replicas::Replicas,
    },
    exchange::Exchange,
    fork_judge::ForkJudge,
    gossip::Gossip,
    reconciler::Reconciler,
    rules::Rules,
    system_items::SystemItems,
};
use crate::store::Store;

/// Applies data, from peers and from own commits, and makes it visible.
pub(in crate::engine) struct Replication<'a, S: Store> {
    pub(in crate::engine) cx: &'a mut Context,
    pub(in crate::engine) disk: &'a mut Disk<S>,
    pub(in crate::engine) own: &'a mut OwnShards,
    pub(in crate::engine) members: &'a mut Members,
    pub(in crate::engine) replicas: &'a mut Replicas,
    pub(in crate::engine) links: &'a mut Links<Snapshot<S>>,
    pub(in crate::engine) divergent: &'a mut DivergentCopies,
}

impl<S: Store> Replication<'_, S> {
    pub(in crate::engine) fn exchange(&mut self) -> Exchange<'_, Snapshot<S>> {
        Exchange { cx: self.cx, replicas: self.replicas, links: self.links }
    }

    pub(in crate::engine) fn rules(&self) -> Rules<'_, Snapshot<S>> {
        Rules { cx: self.cx, members: self.members, replicas: self.replicas, links: self.links }
    }

    pub(in crate::engine) fn fork_judge(&mut self) -> ForkJudge<'_, S> {
        ForkJudge { cx: self.cx, disk: self.disk, replicas: self.replicas }
    }

    pub(in crate::engine) fn system_items(&mut self) -> SystemItems<'_, S> {
        SystemItems { cx: self.cx, disk: self.disk, replicas: self.replicas, divergent: self.divergent }
    }

    pub(in crate::engine) fn reconciler(&mut self) -> Reconciler<'_, S> {
        Reconciler { cx: self.cx, disk: self.disk, replicas: self.replicas, links: self.links }
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
}
