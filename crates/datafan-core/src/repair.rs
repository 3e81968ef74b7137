//! Repairing a damaged shard: what can be read of it becomes a copy under construction, which the member
//! completes from its neighbours when it runs.
//!
//! Nothing that is read is believed: the copy has a trie of its own, and a comparison with a neighbour
//! replaces whatever the owner has not signed and fetches what is missing, and nothing else.
//!
//! Of the member's own shard nobody else may have the latest items. What can be read of it becomes a
//! divergent copy: the mesh gives back what it has, and the owner sees what it lacks.

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

/// A shard that is being repaired. Until [`Repair::finish`] the damaged one stays as it is.
#[derive(Clone, Copy, Debug)]
pub struct Repair {
    owner: MemberId,
    damaged: ShardNumber,
    copy: ShardNumber,
    root: Option<Branch>,
    /// Where the damaged state ends.
    last: Timestamp,
    /// Items in the copy.
    pub items: u64,
}

/// Whose shard it is, and so what becomes of the copy.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// Another member's: its neighbours complete the copy.
    Other,
    /// The roster, where its authority runs: as another's, but nothing is written before a peer has given it
    /// back.
    Roster,
    /// The member's own: the copy is kept as a divergent one under a head that is signed for it, and nothing
    /// is written before a peer has given the shard back.
    Own {
        /// Of the member.
        identity: &'a Identity,
        /// The mesh.
        mesh: &'a MeshId,
    },
}

impl Repair {
    /// Begins with a visible shard.
    ///
    /// # Errors
    /// If the store fails; nothing was changed.
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

    /// Adds items that could be read, in ascending order.
    ///
    /// # Errors
    /// If the store fails; the damaged shard is as it was.
    pub fn add<S: Store>(&mut self, store: &mut S, items: &[Arc<Item>]) -> Result<(), StoreError> {
        let snapshot = store.reader().snapshot()?;
        let mut edit = Edit::new(View::new(&snapshot, self.copy, None));
        edit.put_all(items)?;
        let (root, mut change) = edit.finish(self.root)?;
        drop(snapshot);
        (self.root, self.items) = (root, root.as_ref().map_or(0, |root| root.count));
        self.last = self.last.max(items.last().map_or(Timestamp::ZERO, |item| item.timestamp));
        // Left over, if this comes to no end.
        change.record = Some(ShardRecord::dead(self.owner).into());
        store.commit(Batch { shards: [(self.copy, change)].into(), ..Batch::default() }, Durability::Lazy)
    }

    /// Puts the copy in place of the damaged shard.
    ///
    /// # Errors
    /// If the store fails; then all is as it was.
    pub fn finish<S: Store>(self, store: &mut S, whose: Whose<'_>) -> Result<(), StoreError> {
        let record =
            |record: ShardRecord| ShardChange { record: Some(record.into()), ..ShardChange::default() };
        let copy = match whose {
            Whose::Own { identity, mesh } => self.divergent(identity, mesh),
            Whose::Other | Whose::Roster => {
                // It has been copied to the end.
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

    /// The copy as a divergent one, which has no past in common with what the mesh gives back. None if it is
    /// empty.
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
