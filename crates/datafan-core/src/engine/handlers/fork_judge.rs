//! Forks: their evidence, and whether they are closed.

use super::super::{context::Context, disk::Disk, replicas::Replicas};
use crate::store::Store;

/// Forks: their evidence, and whether they are closed.
pub(in crate::engine) struct ForkJudge<'a, S: Store> {
    pub(in crate::engine) cx: &'a mut Context,
    pub(in crate::engine) disk: &'a mut Disk<S>,
    pub(in crate::engine) replicas: &'a mut Replicas,
}
