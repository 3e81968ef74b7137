//! Heads that peers announce, including heads of own shards.

use super::{
    super::{
        context::Context,
        disk::{Disk, Snapshot},
        links::Links,
        members::Members,
        own::OwnShards,
        replicas::Replicas,
    },
    exchange::Exchange,
    fork_judge::ForkJudge,
    reconciler::Reconciler,
    recoveries::Recoveries,
    rules::Rules,
};
use crate::store::Store;

/// Heads that peers announce, including heads of own shards.
pub(in crate::engine) struct Gossip<'a, S: Store> {
    pub(in crate::engine) cx: &'a mut Context,
    pub(in crate::engine) disk: &'a mut Disk<S>,
    pub(in crate::engine) own: &'a mut OwnShards,
    pub(in crate::engine) members: &'a mut Members,
    pub(in crate::engine) replicas: &'a mut Replicas,
    pub(in crate::engine) links: &'a mut Links<Snapshot<S>>,
}

impl<S: Store> Gossip<'_, S> {
    pub(in crate::engine) fn exchange(&mut self) -> Exchange<'_, Snapshot<S>> {
        Exchange { cx: self.cx, replicas: self.replicas, links: self.links }
    }

    pub(in crate::engine) fn rules(&self) -> Rules<'_, Snapshot<S>> {
        Rules { cx: self.cx, members: self.members, replicas: self.replicas, links: self.links }
    }

    pub(in crate::engine) fn recoveries(&self) -> Recoveries<'_> {
        Recoveries { cx: self.cx, own: self.own, members: self.members, replicas: self.replicas }
    }

    pub(in crate::engine) fn fork_judge(&mut self) -> ForkJudge<'_, S> {
        ForkJudge { cx: self.cx, disk: self.disk, replicas: self.replicas }
    }

    pub(in crate::engine) fn reconciler(&mut self) -> Reconciler<'_, S> {
        Reconciler { cx: self.cx, disk: self.disk, replicas: self.replicas, links: self.links }
    }
}
