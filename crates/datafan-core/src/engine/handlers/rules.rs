//! Which heads are accepted, and which head replaces which.

use super::super::{context::Context, links::Links, members::Members, replicas::Replicas};

/// Which heads are accepted, and which head replaces which.
pub(in crate::engine) struct Rules<'a, V> {
    pub(in crate::engine) cx: &'a Context,
    pub(in crate::engine) members: &'a Members,
    pub(in crate::engine) replicas: &'a Replicas,
    pub(in crate::engine) links: &'a Links<V>,
}
