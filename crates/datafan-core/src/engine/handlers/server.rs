//! Answers requests of peers.

use super::{
    super::{
        context::Context,
        disk::{Disk, Snapshot},
        divergent_copies::DivergentCopies,
        links::Links,
        members::Members,
        replicas::Replicas,
    },
    exchange::Exchange,
};
use crate::store::Store;

/// Answers requests of peers.
pub(in crate::engine) struct Server<'a, S: Store> {
    pub(in crate::engine) cx: &'a mut Context,
    pub(in crate::engine) disk: &'a mut Disk<S>,
    pub(in crate::engine) members: &'a mut Members,
    pub(in crate::engine) replicas: &'a mut Replicas,
    pub(in crate::engine) links: &'a mut Links<Snapshot<S>>,
    pub(in crate::engine) divergent: &'a mut DivergentCopies,
}

impl<S: Store> Server<'_, S> {
    pub(in crate::engine) fn exchange(&mut self) -> Exchange<'_, Snapshot<S>> {
        Exchange { cx: self.cx, replicas: self.replicas, links: self.links }
    }
}
