//! Sends changes to peers.

use super::super::{context::Context, disk::Disk, disk::Snapshot, links::Links, replicas::Replicas};
use crate::store::Store;

/// Sends changes to peers.
pub(in crate::engine) struct Pusher<'a, S: Store> {
    pub(in crate::engine) cx: &'a mut Context,
    pub(in crate::engine) disk: &'a mut Disk<S>,
    pub(in crate::engine) replicas: &'a mut Replicas,
    pub(in crate::engine) links: &'a mut Links<Snapshot<S>>,
}
