//! Owners that have forked: what proves it, and whether it is closed.

use super::super::{context::Context, disk::Disk, replicas::Replicas};
use crate::store::Store;

/// Owners that have forked: what proves it, and whether it is closed.
pub(in crate::engine) struct ForkJudge<'a, S: Store> {
    pub(in crate::engine) cx: &'a mut Context,
    pub(in crate::engine) disk: &'a mut Disk<S>,
    pub(in crate::engine) replicas: &'a mut Replicas,
}
