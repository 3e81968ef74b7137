//! What a member over redb and QUIC is used through.

use datafan_core::read::Snapshot;
use datafan_driver::{Handle, Leased, WeakHandle};
use datafan_store_redb::{RedbReader, RedbSnapshot};

/// The handle of a [`Node`](crate::Node): all that does not concern its files and addresses.
pub type NodeHandle = Handle<RedbReader>;

/// One that does not keep the member running.
pub(crate) type WeakNodeHandle = WeakHandle<RedbReader>;

/// What a [`Node`](crate::Node)'s reads are made on.
pub type NodeSnapshot = Snapshot<Leased<RedbSnapshot>>;
