//! System items of members, as they are learned.

use super::{
    super::{context::Context, disk::Disk, divergent_copies::DivergentCopies, replicas::Replicas},
    fork_judge::ForkJudge,
};
use crate::store::Store;

/// System items of members, as they are learned.
pub(in crate::engine) struct SystemItems<'a, S: Store> {
    pub(in crate::engine) cx: &'a mut Context,
    pub(in crate::engine) disk: &'a mut Disk<S>,
    pub(in crate::engine) replicas: &'a mut Replicas,
    pub(in crate::engine) divergent: &'a mut DivergentCopies,
}

impl<S: Store> SystemItems<'_, S> {
    pub(in crate::engine) fn fork_judge(&mut self) -> ForkJudge<'_, S> {
        ForkJudge { cx: self.cx, disk: self.disk, replicas: self.replicas }
    }
}
