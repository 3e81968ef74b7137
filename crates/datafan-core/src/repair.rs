//! Repairs a damaged shard: the readable part becomes a copy under construction, which the running member
//! completes from its peers.
//!
//! The data that is read is not trusted. The copy has a trie of its own, and a reconciliation with a peer
//! replaces everything that the owner did not sign and fetches only what is missing.
//!
//! For the member's own shard, no peer may have the latest items. Its readable part becomes a divergent copy:
//! the member recovers its shard from the mesh, and the owner sees what the recovered shard lacks.

use crate::{
    head::Head,
    history::History,
    id::{MemberId, MeshId},
    identity::Identity,
    item::Item,
    shard::{Edit, View},
    store::{
        Batch, Durability, Meta, ShardChange, ShardNumber, ShardRecord, Store, StoreError, StoreReader,
        StoreSnapshot,
    },
    time::Timestamp,
    trie::{Branch, root_hash},
};
use alloc::{sync::Arc, vec::Vec};

/// A shard that is being repaired. The damaged shard is unchanged until [`Repair::finish`].
#[derive(Clone, Copy, Debug)]
pub struct Repair {
    owner: MemberId,
    damaged: ShardNumber,
    copy: ShardNumber,
    root: Option<Branch>,
    /// The last timestamp of the damaged state.
    last: Timestamp,
    /// Items in the copy.
    pub items: u64,
}

/// The kind of owner, which decides what happens to the copy.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// Another member: the copy is completed from peers.
    Other,
    /// The roster, on a member with the authority's key: as for another member, but nothing is written before
    /// the roster is recovered from a peer.
    Roster,
    /// The member itself: the copy is signed and kept as a divergent copy, and nothing is written before the
    /// shard is recovered from a peer.
    Own {
        /// The member's key.
        identity: &'a Identity,
        /// The mesh.
        mesh: &'a MeshId,
    },
}

impl Repair {
    /// Begins the repair of a visible shard.
    ///
    /// # Errors
    /// If the store fails. Nothing was changed.
    pub fn begin<V: StoreSnapshot>(
        snapshot: &V,
        damaged: ShardNumber,
        owner: MemberId,
    ) -> Result<Self, StoreError> {
        let greatest = snapshot.shards()?.iter().map(|(number, _)| number.0).max().unwrap_or(damaged.0);
        let head = snapshot.shard(damaged)?.and_then(|record| record.head().copied());
        let last = head.map_or(Timestamp::ZERO, |head| head.timestamp);
        Ok(Self { owner, damaged, copy: ShardNumber(greatest + 1), root: None, last, items: 0 })
    }

    /// Adds readable items to the copy, in ascending order.
    ///
    /// # Errors
    /// If the store fails. The damaged shard is unchanged.
    pub fn add<S: Store>(&mut self, store: &mut S, items: &[Arc<Item>]) -> Result<(), StoreError> {
        let snapshot = store.reader().snapshot()?;
        let mut edit = Edit::new(View::new(&snapshot, self.copy, None));
        edit.put_all(items)?;
        let (root, mut change) = edit.finish(self.root)?;
        drop(snapshot);
        (self.root, self.items) = (root, root.as_ref().map_or(0, |root| root.count));
        self.last = self.last.max(items.last().map_or(Timestamp::ZERO, |item| item.timestamp));
        // If the repair does not finish, the copy is erased.
        change.record = Some(ShardRecord::dead(self.owner).into());
        store.commit(Batch { shards: [(self.copy, change)].into(), ..Batch::default() }, Durability::Lazy)
    }

    /// Replaces the damaged shard by the copy.
    ///
    /// # Errors
    /// If the store fails. Then nothing was changed.
    pub fn finish<S: Store>(self, store: &mut S, whose: Whose<'_>) -> Result<(), StoreError> {
        let record =
            |record: ShardRecord| ShardChange { record: Some(record.into()), ..ShardChange::default() };
        let copy = match whose {
            Whose::Own { identity, mesh } => self.divergent(identity, mesh),
            Whose::Other | Whose::Roster => {
                // Nothing is left to copy from the visible shard.
                Some(ShardRecord::building(self.owner, self.root, Timestamp::MAX))
            }
        };
        let damaged = ShardRecord::dead(self.owner);
        let copy = copy.map(|copy| (self.copy, record(copy)));
        let shards = copy.into_iter().chain([(self.damaged, record(damaged))]).collect();
        let history: Vec<u8> = History { confirmed: false, announced: true }.encode();
        let own = !matches!(whose, Whose::Other);
        let meta = own.then_some((Meta::History, Some(history))).into_iter().collect();
        store.commit(Batch { meta, shards }, Durability::Synced)
    }

    /// The copy as a divergent copy, which shares no past with the shard that the mesh gives back. `None` if
    /// it is empty.
    fn divergent(&self, identity: &Identity, mesh: &MeshId) -> Option<ShardRecord> {
        let root = self.root?;
        let head = Head {
            owner: self.owner,
            timestamp: self.last,
            items: root.count,
            bytes: root.bytes,
            root: root_hash(Some(&root)),
            signature: [0; 64],
        };
        Some(ShardRecord::divergent(head.signed(mesh, identity), Some(root), Timestamp::ZERO, 0))
    }
}
