//! What a driver can ask of an engine beside handing it inputs.

use super::{
    Engine,
    disk::Snapshot,
    links::Link,
    open_error::OpenError,
    stats::Stats,
    status::{Pending, Status},
};
use crate::{
    connector::Frame,
    id::MemberId,
    message::Message,
    store::{Compacted, Store, StoreError},
    time::{Now, Timestamp},
};
use alloc::{sync::Arc, vec::Vec};

impl<S: Store> Engine<S> {
    /// The store as of the last commit. Own data in it is on disk once [`Engine::sync`] was called.
    pub fn snapshot(&self) -> Arc<Snapshot<S>> {
        self.disk.share_current()
    }

    /// A reader for any thread.
    pub fn reader(&self) -> S::Reader {
        self.disk.reader().clone()
    }

    /// Counters.
    pub fn stats(&self) -> &Stats {
        &self.cx.stats
    }

    /// The heads that are held, with their owners.
    pub fn heads(&self) -> Vec<(MemberId, Timestamp)> {
        let heads = self.replicas.iter().filter_map(|owner| owner.head());
        heads.map(|head| (head.owner, head.timestamp)).collect()
    }

    /// Bytes of disk that the store takes.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn file_bytes(&self) -> Result<u64, StoreError> {
        self.disk.file_bytes()
    }

    /// Why there is no room for more on the disk; `None` while there is.
    pub fn disk_full(&self) -> Option<&str> {
        self.disk.full()
    }

    /// Whether the disk was full and has room again, so that the engine has to be opened again to write.
    ///
    /// # Errors
    /// If the store's file is not there any more.
    pub fn has_room_again(&mut self) -> Result<bool, StoreError> {
        self.disk.has_room_again()
    }

    /// The member at this moment.
    pub fn status(&self) -> Status {
        self.report().status()
    }

    /// Who knocked and is not admitted, in order; at most [`PENDING_MAX`](crate::limits::PENDING_MAX). Also
    /// in [`Engine::status`], which costs as much as there are members and shards.
    pub fn pending(&self) -> impl Iterator<Item = &Pending> {
        self.members.pending(&self.replicas)
    }

    /// The message that changes nothing while all stays as it is, whoever of the peers sends it: a Round with
    /// our own root. `None` where it would change something, and until the next round after something has
    /// changed. A driver need not wake for it: it may be handed over with what comes next.
    pub fn noop_round(&self) -> Option<Frame> {
        let root = self.replicas.known_root()?;
        let waits = |link: &Link<_>| link.has_positions() || !link.comparison.is_over();
        let is_awaited = self.links.values().any(waits);
        (!is_awaited).then(|| Message::Round(root).frame())
    }

    /// Compacts the store, which keeps everything else waiting. All snapshots of the engine are released,
    /// those kept for peers included; `None`, and nothing done, where somebody else holds one.
    ///
    /// # Errors
    /// Only if the store failed: then the member stops.
    pub fn compact(&mut self) -> Result<Option<Compacted>, StoreError> {
        for link in self.links.values_mut() {
            link.drop_pins();
        }
        self.disk.compact()
    }

    /// Opens the engine again on its own store, which found its disk full, with what was on disk then: as
    /// after a crash, but that nobody else could take the store meanwhile. Links and commands that were under
    /// way are forgotten.
    ///
    /// # Errors
    /// As when an engine is opened.
    pub fn reopen(mut self, now: Now) -> Result<Self, OpenError> {
        let seed = self.cx.rng.next();
        // What the store shows is released before it is opened again.
        let Self { cx, disk, own, .. } = self;
        let (config, verifier) = cx.into_parts();
        let config = super::Config { new_mesh: false, ..config };
        let mut engine = Self::open(config, seed, verifier, disk.into_store().reopen()?, now)?;
        // It is the same process, and as old as before.
        engine.own.continue_process(own);
        Ok(engine)
    }
}
