//! The handle type of a member over redb and QUIC.

use datafan_core::read::Snapshot;
use datafan_driver::{Handle, Leased, WeakHandle};
use datafan_store_redb::{RedbReader, RedbSnapshot};

/// The handle of a [`Node`](crate::Node): everything that does not concern its files and addresses.
pub type NodeHandle = Handle<RedbReader>;

/// A handle that does not keep the member running.
pub(crate) type WeakNodeHandle = WeakHandle<RedbReader>;

/// The snapshots that a [`Node`](crate::Node) reads from.
pub type NodeSnapshot = Snapshot<Leased<RedbSnapshot>>;
