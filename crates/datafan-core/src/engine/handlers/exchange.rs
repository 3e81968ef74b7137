//! Exchanges that do not read the store: rounds, push trees, pulls and probes.

use super::super::{context::Context, links::Links, replicas::Replicas};

/// Exchanges that do not read the store: rounds, push trees, pulls and probes.
pub(in crate::engine) struct Exchange<'a, V> {
    pub(in crate::engine) cx: &'a mut Context,
    pub(in crate::engine) replicas: &'a mut Replicas,
    pub(in crate::engine) links: &'a mut Links<V>,
}
