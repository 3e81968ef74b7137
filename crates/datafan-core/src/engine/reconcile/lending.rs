//! Lends the reconciliation of an owner to the code that advances it.

use super::{
    super::{links::Links, replicas::Replicas},
    state::Reconciliation,
};
use crate::id::MemberId;
use alloc::boxed::Box;

/// Whether a reconciliation continues.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Going {
    On,
    Over,
}

/// Returns the reconciliation from [`Replicas::lend_reconciliation`]. If it is over or was replaced
/// meanwhile, drops its pending requests instead.
pub(super) fn end_lending<V>(
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
