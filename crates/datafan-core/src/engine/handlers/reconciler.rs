//! Reconciliation of an owner's index with a peer's, and building the resulting state.

use super::{
    super::{
        context::Context,
        disk::{Disk, Snapshot},
        links::Links,
        replicas::Replicas,
    },
    exchange::Exchange,
};
use crate::store::Store;

/// Reconciliation of an owner's index with a peer's, and building the resulting state.
pub(in crate::engine) struct Reconciler<'a, S: Store> {
    pub(in crate::engine) cx: &'a mut Context,
    pub(in crate::engine) disk: &'a mut Disk<S>,
    pub(in crate::engine) replicas: &'a mut Replicas,
    pub(in crate::engine) links: &'a mut Links<Snapshot<S>>,
}

impl<S: Store> Reconciler<'_, S> {
    pub(in crate::engine) fn exchange(&mut self) -> Exchange<'_, Snapshot<S>> {
        Exchange { cx: self.cx, replicas: self.replicas, links: self.links }
    }
}
