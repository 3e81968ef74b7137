//! The content of a member, read through its store like a user would.

use datafan_core::{
    hash::{Hash, Hasher},
    id::MemberId,
    item::{Item, Key},
    store::{Page, ShardNumber, ShardRecord, StoreSnapshot},
    time::Timestamp,
    trie::{Branch, join, root_hash},
};
use std::{collections::BTreeMap, ops::Bound, sync::Arc};

/// The visible content of a member at one moment. Two are equal exactly if the same items (owner, key,
/// timestamp, value, expiry) are there under the same heads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Content {
    /// Timestamp and root of each owner's head.
    pub heads: BTreeMap<MemberId, (Timestamp, Hash)>,
    /// Items that are not expired, including system items.
    pub items: BTreeMap<(MemberId, Key), Arc<Item>>,
}

impl Content {
    /// Reads everything. Panics unless each shard is exactly what its head describes: so each read checks
    /// that readers see only whole commits.
    pub fn read(snapshot: &impl StoreSnapshot, wall: Timestamp) -> Self {
        let mut content = Self { heads: BTreeMap::new(), items: BTreeMap::new() };
        for (number, record) in snapshot.shards().expect("the store works") {
            if record.is_whole() {
                content.read_shard(snapshot, number, &record, wall);
            }
        }
        content
    }

    fn read_shard(
        &mut self,
        snapshot: &impl StoreSnapshot,
        number: ShardNumber,
        record: &ShardRecord,
        wall: Timestamp,
    ) {
        let owner = record.owner;
        let items = items(snapshot, number);
        let Some(head) = record.head().copied() else {
            assert!(items.is_empty(), "a visible shard of {owner:?} has items and no head");
            return;
        };
        check(&items, record);
        self.heads.insert(owner, (head.timestamp, head.root));
        let live = items.into_values().filter(|item| item.is_live(wall));
        self.items.extend(live.map(|item| ((owner, item.key.clone()), item)));
    }

    /// Number of user items.
    pub fn len(&self) -> usize {
        self.items.keys().filter(|(_, key)| !key.is_system()).count()
    }

    /// Whether there are no user items.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The items of a shard by timestamp, found through their keys.
fn items(snapshot: &impl StoreSnapshot, number: ShardNumber) -> BTreeMap<Timestamp, Arc<Item>> {
    let mut items = BTreeMap::new();
    let mut after: Option<Key> = None;
    loop {
        let from = after.as_ref().map_or(Bound::Unbounded, |key| Bound::Excluded(key.as_str()));
        let page = snapshot.keys(number, from, Page::rows(1_000)).expect("the store works");
        let Some((last, _)) = page.last() else { return items };
        after = Some(last.clone());
        for (key, at) in page {
            let item = snapshot.item(number, at).expect("the store works");
            let item = item.unwrap_or_else(|| panic!("key {key} leads to no item"));
            assert!(item.key == key && item.timestamp == at, "key {key} leads to another item");
            items.insert(at, item);
        }
    }
}

/// Checks that the items, counted, summed and hashed again, match the head.
fn check(items: &BTreeMap<Timestamp, Arc<Item>>, record: &ShardRecord) {
    let leaves: Vec<Branch> =
        items.values().map(|item| Branch::leaf(item.timestamp.0, item.leaf())).collect();
    let root = join(Hasher::NODE, &leaves, &mut BTreeMap::new());
    let head = record.head().expect("the caller has looked");
    let bytes: u64 = items.values().map(|item| item.bytes()).sum();
    assert_eq!((items.len() as u64, bytes), (head.items, head.bytes), "shard of {:?}: sums", record.owner);
    assert_eq!(root_hash(root.as_ref()), head.root, "shard of {:?}: root", record.owner);
    assert!(
        items.keys().all(|at| *at <= head.timestamp),
        "shard of {:?}: an item after the head",
        record.owner
    );
}
