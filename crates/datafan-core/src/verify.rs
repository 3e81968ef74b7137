//! Verifies a store: checks every node, item and key of each shard against the shard's signed head.
//!
//! The check walks the trie from its root, as a reconciliation between two members does, and reads the log
//! beside it. A node that contradicts its parent's hash is reported as the range of timestamps that it
//! covers, and nothing below it is trusted.

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

/// What was verified.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Verified {
    /// Number of shards.
    pub shards: u64,
    /// Items whose hash matches the trie.
    pub items: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// Nodes whose hash matches their parent.
    pub nodes: u64,
    /// Valid signatures.
    pub signatures: u64,
}

/// A part of a shard that does not match what its owner signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The owner of the shard.
    pub owner: MemberId,
    /// The range of timestamps that cannot be trusted.
    pub range: RangeInclusive<Timestamp>,
    /// What is wrong.
    pub what: Damage,
}

/// A kind of damage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Damage {
    /// The head is missing, belongs to another owner, or does not match the rows.
    Head,
    /// The owner's signature of the head is not valid.
    Signature,
    /// A node is missing or does not match its parent.
    Node,
    /// An item is missing or does not match the trie.
    Item,
    /// There is an item that is not in the trie.
    Stray,
    /// A key does not lead to an item with that key, or an item's key does not lead to the item.
    Key,
    /// The store cannot read its rows, with the error that it reports. The rest of the shard was not checked.
    Unreadable(String),
}

/// Checks one shard, visible or divergent. Other shards are skipped, because nothing relies on copies under
/// construction and dead shards.
///
/// This reads the whole shard and holds one page of items in memory. It calls `found` for each finding, in
/// roughly ascending order.
///
/// # Errors
/// If the store fails for another reason than damage. After [`Damage::Unreadable`], the store may refuse
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
        Err(StoreError::Damaged { what }) => walk.report(walk.reading.clone(), Damage::Unreadable(what)),
        Err(error) => return Err(error),
    }
    Ok(walk.sums)
}

/// A walk through one shard.
struct Walk<'a, V> {
    snapshot: &'a V,
    shard: ShardNumber,
    owner: MemberId,
    /// Items that were read but not yet found in the trie, in ascending order.
    rows: VecDeque<Arc<Item>>,
    /// Where the log continues after them.
    next_row: Option<Timestamp>,
    /// The range being read, to report it if the read fails.
    reading: RangeInclusive<Timestamp>,
    sums: Verified,
    found: &'a mut dyn FnMut(Finding),
}

const ALL: RangeInclusive<Timestamp> = Timestamp::ZERO..=Timestamp::MAX;
/// Rows read at once.
const ROWS: usize = 1_024;

impl<V: StoreSnapshot> Walk<'_, V> {
    fn report(&mut self, range: RangeInclusive<Timestamp>, what: Damage) {
        (self.found)(Finding { owner: self.owner, range, what });
    }

    fn head(&mut self, record: &ShardRecord, mesh: &MeshId, verifier: &dyn Verifier) {
        let sums = record.root.as_ref().map_or((0, 0), |root| (root.count, root.bytes));
        let root = root_hash(record.root.as_ref());
        match record.head() {
            Some(head) if !head.verify(mesh, verifier) => self.report(ALL, Damage::Signature),
            Some(head) => {
                self.sums.signatures += 1;
                if (head.owner, head.root, (head.items, head.bytes)) != (record.owner, root, sums) {
                    self.report(ALL, Damage::Head);
                }
            }
            None => self.report(ALL, Damage::Head),
        }
    }

    /// Walks through the trie and the log together, in order of timestamp.
    fn trie(&mut self, root: Option<Branch>) -> Result<(), StoreError> {
        let mut below: Vec<Branch> = root.into_iter().collect();
        while let Some(branch) = below.pop() {
            let (first, last) = (Timestamp(branch.place.first()), Timestamp(branch.place.last()));
            self.report_strays_before(first)?;
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
                    self.report(first..=last, Damage::Node);
                    // Without the node, it is not known what should be here.
                    while self.row()?.is_some_and(|at| at <= last) {
                        self.rows.pop_front();
                    }
                }
            }
        }
        while let Some(at) = self.row()? {
            self.rows.pop_front();
            self.report(at..=at, Damage::Stray);
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
                    self.report(at..=at, Damage::Key);
                }
            }
            None => self.report(at..=at, Damage::Item),
        }
        Ok(())
    }

    /// Reports items before `first`, where the trie has none.
    fn report_strays_before(&mut self, first: Timestamp) -> Result<(), StoreError> {
        while let Some(at) = self.row()?.filter(|at| *at < first) {
            self.rows.pop_front();
            self.report(at..=at, Damage::Stray);
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

    /// Looks for keys that do not lead to an item. The keys of items were checked already.
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
                    self.report(*at..=*at, Damage::Key);
                }
            }
            let Some((last, _)) = rows.last() else { return Ok(()) };
            from = Bound::Excluded(last.as_str().into());
        }
    }
}
