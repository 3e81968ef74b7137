//! Lending the reconciliation of an owner to who works on it.

use super::{
    super::{links::Links, replicas::Replicas},
    state::Reconciliation,
};
use crate::id::MemberId;
use alloc::boxed::Box;

/// Whether a reconciliation goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Going {
    On,
    Over,
}

/// Puts back what [`Replicas::lend_reconciliation`] gave, unless it is over or has been replaced meanwhile: then no
/// answer to it is waited for any more.
pub(super) fn give_back<V>(
    replicas: &mut Replicas,
    links: &mut Links<V>,
    owner: &MemberId,
    reconciliation: Box<Reconciliation>,
    going: Going,
) {
    if going == Going::Over || !replicas.return_reconciliation(owner, reconciliation) {
        links.drop_requests(owner);
    }
    replicas.relist(owner);
}
