//! Checking what a store holds against itself: from the signed head of each shard down to every node, item
//! and key.
//!
//! The walk follows the trie from its root, as a reconciliation does between two members, and the log beside it.
//! What a parent's hash contradicts is reported as the range of timestamps that it covers, and nothing below
//! it is believed.

use crate::{
    hash::Hasher,
    id::{MemberId, MeshId},
    identity::Verifier,
    item::Item,
    store::{Page, ShardNumber, ShardRecord, StoreError, StoreSnapshot},
    time::Timestamp,
    trie::{Branch, root_hash},
};
use alloc::{collections::VecDeque, string::String, sync::Arc, vec::Vec};
use core::ops::{Bound, RangeInclusive};

/// What was looked at.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Verified {
    /// Visible shards.
    pub shards: u64,
    /// Items whose hash is what the trie says.
    pub items: u64,
    /// Their bytes: keys and values.
    pub bytes: u64,
    /// Nodes whose hash is what their parent says.
    pub nodes: u64,
    /// Signatures that are sound.
    pub signatures: u64,
}

/// Something that is not as its owner signed it, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Whose shard it is in.
    pub owner: MemberId,
    /// The range of timestamps that cannot be trusted.
    pub range: RangeInclusive<Timestamp>,
    /// What is wrong there.
    pub what: Damage,
}

/// What can be wrong with a part of a shard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Damage {
    /// The head is missing, is another owner's, or does not describe the rows.
    Head,
    /// The head's signature is not its owner's.
    Signature,
    /// A node is missing, or is not the one that its parent names.
    Node,
    /// An item is missing, or is not the one that the trie names.
    Item,
    /// There is an item that the trie does not name.
    Stray,
    /// A key leads to no item of that key, or an item's key does not lead to it.
    Key,
    /// The store cannot read its rows, and says this. The rest of the shard was not looked at.
    Unreadable(String),
}

/// Checks one shard, visible or divergent; copies under way and what is left over hold nothing that anybody
/// relies on.
///
/// Costs a read of everything in the shard, in memory no more than a page of items. `found` gets what is
/// wrong, by and large in ascending order.
///
/// # Errors
/// If the store fails in another way than by being damaged. After [`Damage::Unreadable`] the store may refuse
/// everything until it is opened again.
pub fn verify<V: StoreSnapshot>(
    snapshot: &V,
    shard: ShardNumber,
    mesh: &MeshId,
    verifier: &dyn Verifier,
    found: &mut dyn FnMut(Finding),
) -> Result<Verified, StoreError> {
    let Some(record) = snapshot.shard(shard)?.filter(|record| record.head().is_some()) else {
        return Ok(Verified::default());
    };
    let mut walk = Walk {
        snapshot,
        shard,
        owner: record.owner,
        rows: VecDeque::new(),
        next_row: Some(Timestamp::ZERO),
        reading: ALL,
        sums: Verified { shards: 1, ..Verified::default() },
        found,
    };
    walk.head(&record, mesh, verifier);
    let done = walk.trie(record.root).and_then(|()| walk.keys());
    match done {
        Ok(()) => {}
        Err(StoreError::Damaged { what }) => walk.tell(walk.reading.clone(), Damage::Unreadable(what)),
        Err(error) => return Err(error),
    }
    Ok(walk.sums)
}

/// A walk through one shard.
struct Walk<'a, V> {
    snapshot: &'a V,
    shard: ShardNumber,
    owner: MemberId,
    /// Items that were read and not yet met in the trie, ascending.
    rows: VecDeque<Arc<Item>>,
    /// From where the log goes on after them.
    next_row: Option<Timestamp>,
    /// What is being read, for the case that it cannot be.
    reading: RangeInclusive<Timestamp>,
    sums: Verified,
    found: &'a mut dyn FnMut(Finding),
}

const ALL: RangeInclusive<Timestamp> = Timestamp::ZERO..=Timestamp::MAX;
/// Rows read at once.
const ROWS: usize = 1_024;

impl<V: StoreSnapshot> Walk<'_, V> {
    fn tell(&mut self, range: RangeInclusive<Timestamp>, what: Damage) {
        (self.found)(Finding { owner: self.owner, range, what });
    }

    fn head(&mut self, record: &ShardRecord, mesh: &MeshId, verifier: &dyn Verifier) {
        let sums = record.root.as_ref().map_or((0, 0), |root| (root.count, root.bytes));
        let root = root_hash(record.root.as_ref());
        match record.head() {
            Some(head) if !head.verify(mesh, verifier) => self.tell(ALL, Damage::Signature),
            Some(head) => {
                self.sums.signatures += 1;
                if (head.owner, head.root, (head.items, head.bytes)) != (record.owner, root, sums) {
                    self.tell(ALL, Damage::Head);
                }
            }
            None => self.tell(ALL, Damage::Head),
        }
    }

    /// Walks through the trie and the log together, in the order of timestamps.
    fn trie(&mut self, root: Option<Branch>) -> Result<(), StoreError> {
        let mut below: Vec<Branch> = root.into_iter().collect();
        while let Some(branch) = below.pop() {
            let (first, last) = (Timestamp(branch.place.first()), Timestamp(branch.place.last()));
            self.strays_before(first)?;
            if branch.place.level == 0 {
                self.leaf(&branch, first)?;
                continue;
            }
            self.reading = first..=last;
            let node = self.snapshot.node(self.shard, branch.place)?;
            match node.filter(|node| node.branch(Hasher::NODE) == Some(branch)) {
                Some(node) => {
                    self.sums.nodes += 1;
                    below.extend(node.children.into_iter().rev());
                }
                None => {
                    self.tell(first..=last, Damage::Node);
                    // Nothing says what should be here.
                    while self.row()?.is_some_and(|at| at <= last) {
                        self.rows.pop_front();
                    }
                }
            }
        }
        while let Some(at) = self.row()? {
            self.rows.pop_front();
            self.tell(at..=at, Damage::Stray);
        }
        Ok(())
    }

    fn leaf(&mut self, branch: &Branch, at: Timestamp) -> Result<(), StoreError> {
        let item = if self.row()? == Some(at) { self.rows.pop_front() } else { None };
        match item.filter(|item| Branch::leaf(at.0, item.leaf()) == *branch) {
            Some(item) => {
                self.sums.items += 1;
                self.sums.bytes += item.bytes();
                self.reading = at..=at;
                if self.snapshot.timestamp_of(self.shard, item.key.as_str())? != Some(at) {
                    self.tell(at..=at, Damage::Key);
                }
            }
            None => self.tell(at..=at, Damage::Item),
        }
        Ok(())
    }

    /// Tells of items before `first`, where the trie has none.
    fn strays_before(&mut self, first: Timestamp) -> Result<(), StoreError> {
        while let Some(at) = self.row()?.filter(|at| *at < first) {
            self.rows.pop_front();
            self.tell(at..=at, Damage::Stray);
        }
        Ok(())
    }

    /// The timestamp of the next item of the log.
    fn row(&mut self) -> Result<Option<Timestamp>, StoreError> {
        if self.rows.is_empty()
            && let Some(from) = self.next_row
        {
            self.reading = from..=Timestamp::MAX;
            self.rows = self.snapshot.log(self.shard, from..=Timestamp::MAX, Page::rows(ROWS))?.into();
            self.next_row = self.rows.back().and_then(|item| item.timestamp.next());
        }
        Ok(self.rows.front().map(|item| item.timestamp))
    }

    /// Looks for keys that lead nowhere: those of items are known to lead there.
    fn keys(&mut self) -> Result<(), StoreError> {
        self.reading = ALL;
        let mut from = Bound::Unbounded;
        loop {
            let bound = from.as_ref().map(String::as_str);
            let rows = self.snapshot.keys(self.shard, bound, Page::rows(ROWS))?;
            for (key, at) in &rows {
                self.reading = *at..=*at;
                let item = self.snapshot.item(self.shard, *at)?;
                if item.is_none_or(|item| item.key != *key) {
                    self.tell(*at..=*at, Damage::Key);
                }
            }
            let Some((last, _)) = rows.last() else { return Ok(()) };
            from = Bound::Excluded(last.as_str().into());
        }
    }
}
