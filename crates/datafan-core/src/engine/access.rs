//! What a driver can ask of an engine apart from handling inputs.

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
    /// The store after the last commit. Own data in it is on disk after [`Engine::sync`].
    pub fn snapshot(&self) -> Arc<Snapshot<S>> {
        self.disk.share_current()
    }

    /// A reader that any thread can use.
    pub fn reader(&self) -> S::Reader {
        self.disk.reader().clone()
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        &self.cx.stats
    }

    /// The timestamps of all heads held here, with their owners.
    pub fn heads(&self) -> Vec<(MemberId, Timestamp)> {
        let heads = self.replicas.iter().filter_map(|owner| owner.head());
        heads.map(|head| (head.owner, head.timestamp)).collect()
    }

    /// Bytes of disk that the store occupies.
    ///
    /// # Errors
    /// If the system does not report it.
    pub fn file_bytes(&self) -> Result<u64, StoreError> {
        self.disk.file_bytes()
    }

    /// Why the disk is full; `None` if there is room.
    pub fn disk_full(&self) -> Option<&str> {
        self.disk.full()
    }

    /// Whether the disk was full and has room again. The engine must be reopened before it can write.
    ///
    /// # Errors
    /// If the store's file no longer exists.
    pub fn has_room_again(&mut self) -> Result<bool, StoreError> {
        self.disk.has_room_again()
    }

    /// The current status of the member.
    pub fn status(&self) -> Status {
        self.report().status()
    }

    /// The peers that wait to be admitted, in order; at most [`PENDING_MAX`](crate::limits::PENDING_MAX).
    /// [`Engine::status`] has them too, but its cost grows with the number of members and shards.
    pub fn pending(&self) -> impl Iterator<Item = &Pending> {
        self.members.pending(&self.replicas)
    }

    /// The message that has no effect in the current state, whichever peer sends it: a Round with our own
    /// root. `None` if it would have an effect, and until the next round after a change. A driver need not
    /// wake the engine for it and may pass it with the next input.
    pub fn noop_round(&self) -> Option<Frame> {
        let root = self.replicas.known_root()?;
        let waits = |link: &Link<_>| link.has_positions() || !link.comparison.is_over();
        let is_awaited = self.links.values().any(waits);
        (!is_awaited).then(|| Message::Round(root).frame())
    }

    /// Compacts the store; everything else waits meanwhile. The engine releases all its snapshots, including
    /// those pinned for peers. Returns `None` and does nothing if another snapshot is held.
    ///
    /// # Errors
    /// Only if the store failed. Then the member must stop.
    pub fn compact(&mut self) -> Result<Option<Compacted>, StoreError> {
        for link in self.links.values_mut() {
            link.drop_pins();
        }
        self.disk.compact()
    }

    /// Reopens the engine on its own store after the disk was full, in the state that was on disk then. This
    /// is like a restart after a crash, except that no other process can open the store meanwhile. Links and
    /// pending commands are lost.
    ///
    /// # Errors
    /// As when an engine is opened.
    pub fn reopen(mut self, now: Now) -> Result<Self, OpenError> {
        let seed = self.cx.rng.next();
        // All snapshots must be released before the store is reopened.
        let Self { cx, disk, own, .. } = self;
        let (config, verifier) = cx.into_parts();
        let config = super::Config { new_mesh: false, ..config };
        let mut engine = Self::open(config, seed, verifier, disk.into_store().reopen()?, now)?;
        // It is the same process, so it keeps its run and its age.
        engine.own.continue_process(own);
        Ok(engine)
    }
}
