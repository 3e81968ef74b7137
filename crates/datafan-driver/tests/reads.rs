//! The content of a snapshot, on a store that was written without an engine.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

use datafan_core::{
    grant::{Grant, GrantState, Quota, Role},
    hash::Hash,
    head::Head,
    id::{MemberId, MeshId},
    item::{Item, Key},
    read::{Items, KeyRange, Snapshot},
    store::{
        Batch, Durability, HeldTombstones, ShardChange, ShardNumber, ShardRecord, Store, StoreError,
        StoreReader,
    },
    time::Timestamp,
};
use datafan_store_mem::{MemSnapshot, MemStore};
use std::sync::Arc;

const ANN: MemberId = MemberId([2; 32]);
const BOB: MemberId = MemberId([1; 32]);
const AUTHORITY: MemberId = MemberId([9; 32]);
const MESH: MeshId = MeshId(AUTHORITY);

#[test]
fn an_owner_is_read_by_key_prefix_and_range() {
    let mut mesh = Written::new();
    mesh.shard(ANN, true, &["a", "b/1", "b/2", "c"]);
    let snapshot = mesh.snapshot(NOW);
    assert_eq!(&*snapshot.get(&ANN, "b/1").unwrap().unwrap().value, b"b/1");
    assert!(snapshot.get(&ANN, "b").unwrap().is_none() && snapshot.get(&BOB, "a").unwrap().is_none());
    assert_eq!(keys(snapshot.items_of(&ANN)), ["a", "b/1", "b/2", "c"]);
    assert_eq!(keys(snapshot.prefix(&ANN, "b/")), ["b/1", "b/2"]);
    assert_eq!(keys(snapshot.range(&ANN, "b".."c")), ["b/1", "b/2"]);
    assert_eq!(keys(snapshot.range(&ANN, "b/2"..)), ["b/2", "c"]);
    assert_eq!(keys(snapshot.range(&ANN, "c".."b")), [""; 0]);
    assert_eq!(keys(snapshot.items_of(&BOB)), [""; 0]);
}

#[test]
fn all_owners_are_read_by_owner_and_key() {
    let mut mesh = Written::new();
    mesh.shard(ANN, true, &["both", "x"]);
    mesh.shard(BOB, true, &["both", "y"]);
    mesh.shard(BOB, false, &["half"]);
    mesh.shard(MemberId([3; 32]), false, &["gone"]);
    let snapshot = mesh.snapshot(NOW);
    assert_eq!(keys(snapshot.all()), ["both", "y", "both", "x"]);
    let both: Vec<_> = snapshot.get_all("both").map(|entry| entry.unwrap().owner).collect();
    assert_eq!(both, [BOB, ANN]);
    assert_eq!(keys(snapshot.all_items(KeyRange::prefix("x"))), ["x"]);
    assert_eq!(snapshot.owners().unwrap(), [BOB, ANN]);
    assert_eq!(snapshot.head(&ANN).unwrap().unwrap().items, 2);
    assert!(snapshot.head(&AUTHORITY).unwrap().is_none());
}

#[test]
fn many_pages_are_one_walk() {
    let mut mesh = Written::new();
    let names: Vec<String> = (0..1_000).map(|n| format!("k{n:04}")).collect();
    mesh.shard(ANN, true, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let snapshot = mesh.snapshot(NOW);
    assert_eq!(keys(snapshot.items_of(&ANN)), names);
    assert_eq!(snapshot.range(&ANN, "k0100"..="k0899").count(), 800);
}

#[test]
fn keys_of_the_system_are_shown_only_when_asked_for() {
    let mut mesh = Written::new();
    let system: Vec<String> = (0..600).map(|n| format!("_sys/{n:04}")).collect();
    let mut names = vec!["Z", "_sys", "_sys/addresses", "_sysx", "a"];
    names.extend(system.iter().map(String::as_str));
    mesh.shard(ANN, true, &names);
    let snapshot = mesh.snapshot(NOW);
    assert_eq!(keys(snapshot.items_of(&ANN)), ["Z", "_sys", "_sysx", "a"]);
    assert_eq!(keys(snapshot.prefix(&ANN, "_sys/")), [""; 0]);
    assert!(snapshot.get(&ANN, "_sys/addresses").unwrap().is_none());
    let snapshot = snapshot.with_system();
    assert_eq!(snapshot.items_of(&ANN).count(), 605);
    assert!(snapshot.get(&ANN, "_sys/addresses").unwrap().is_some());
}

#[test]
fn an_item_is_hidden_from_its_expiry_on() {
    let mut mesh = Written::new();
    mesh.items(ANN, true, vec![item("brief", Some(Timestamp(500))), item("long", None)]);
    assert_eq!(keys(mesh.snapshot(Timestamp(499)).items_of(&ANN)), ["brief", "long"]);
    let later = mesh.snapshot(Timestamp(500));
    assert_eq!(keys(later.items_of(&ANN)), ["long"]);
    assert!(later.get(&ANN, "brief").unwrap().is_none());
    assert_eq!(keys(later.get_all("brief")), [""; 0]);
}

#[test]
fn members_are_read_from_the_roster() {
    let mut mesh = Written::new();
    assert!(mesh.snapshot(NOW).members().unwrap().is_empty());
    let grant = |name: &str, state| Grant {
        name: name.parse().unwrap(),
        role: Role::Member,
        quota: Quota::default(),
        state,
        granted: Timestamp(1),
    };
    let (ann, bob) = (grant("ann", GrantState::Active), grant("bob", GrantState::Drop));
    let entry =
        |id, grant: &Grant| Item { value: grant.encode().into(), ..item(Grant::key(id).as_str(), None) };
    let newer = Item { value: [255].into(), ..item(Grant::key(&MemberId([3; 32])).as_str(), None) };
    let entries = vec![entry(&ANN, &ann), entry(&BOB, &bob), newer];
    mesh.items(AUTHORITY, true, entries.clone());
    // Roster entries mean something only in the authority's shard.
    mesh.items(BOB, true, vec![entry(&BOB, &grant("king", GrantState::Active))]);
    let snapshot = mesh.snapshot(NOW);
    assert_eq!(snapshot.members().unwrap(), [(BOB, bob), (ANN, ann)]);
    assert_eq!(snapshot.name_of(&BOB).unwrap().unwrap().as_str(), "bob");
    assert_eq!(snapshot.name_of(&AUTHORITY).unwrap(), None);
    assert_eq!(keys(snapshot.items_of(&AUTHORITY)), [""; 0]);
}

#[test]
fn a_snapshot_stays_at_its_commit() {
    let mut mesh = Written::new();
    mesh.shard(ANN, true, &["old"]);
    let snapshot = mesh.snapshot(NOW);
    let mut walk = snapshot.all();
    mesh.shard(BOB, true, &["new"]);
    assert_eq!(walk.next().unwrap().unwrap().item.key.as_str(), "old");
    assert!(walk.next().is_none());
    assert_eq!(keys(mesh.snapshot(NOW).all()), ["new", "old"]);
}

#[test]
fn a_walk_reports_an_error_once_and_ends() {
    let mut mesh = Written::new();
    mesh.shard(ANN, true, &["a", "b"]);
    let snapshot = Snapshot::new(Broken(mesh.store.reader().snapshot().unwrap()), MESH, NOW);
    let walked: Vec<_> = snapshot.items_of(&ANN).map(|entry| entry.map(|_| ())).collect();
    assert_eq!(walked, [Err(StoreError::Stopped)]);
    assert_eq!(snapshot.all().count(), 1);
}

const NOW: Timestamp = Timestamp(1_000);

/// A store that is written by hand.
struct Written {
    store: MemStore,
    n_shards: u32,
}

impl Written {
    fn new() -> Self {
        Self { store: MemStore::new(), n_shards: 0 }
    }

    fn snapshot(&self, wall: Timestamp) -> Snapshot<MemSnapshot> {
        Snapshot::new(self.store.reader().snapshot().unwrap(), MESH, wall)
    }

    fn shard(&mut self, owner: MemberId, is_whole: bool, keys: &[&str]) {
        self.items(owner, is_whole, keys.iter().map(|key| item(key, None)).collect());
    }

    fn items(&mut self, owner: MemberId, is_whole: bool, items: Vec<Item>) {
        let mut change = ShardChange::default();
        let n_items = items.len() as u64;
        for (n, item) in items.into_iter().enumerate() {
            let timestamp = Timestamp(n as u64 + 1);
            change.keys.insert(item.key.clone(), Some(timestamp));
            change.log.insert(timestamp, Some(Arc::new(Item { timestamp, ..item })));
        }
        let (timestamp, root) = (Timestamp(n_items), Hash::empty());
        let head = Head { owner, timestamp, items: n_items, bytes: 0, root, signature: [0; 64] };
        let record = match is_whole {
            true => ShardRecord::whole(head, None, HeldTombstones::default()),
            false => ShardRecord::building(owner, None, Timestamp::MAX),
        };
        change.record = Some(record.into());
        self.n_shards += 1;
        let shards = [(ShardNumber(self.n_shards), change)].into();
        self.store.commit(Batch { shards, ..Batch::default() }, Durability::Lazy).unwrap();
    }
}

fn item(key: &str, expiry: Option<Timestamp>) -> Item {
    Item { key: Key::new(key).unwrap(), timestamp: Timestamp(1), expiry, value: key.as_bytes().into() }
}

fn keys<V: datafan_core::store::StoreSnapshot>(items: Items<'_, V>) -> Vec<String> {
    items.map(|entry| entry.unwrap().item.key.to_string()).collect()
}

/// A snapshot whose items cannot be read.
struct Broken(MemSnapshot);

mod broken {
    use super::*;
    use datafan_core::{
        store::{Meta, Page, StoreSnapshot},
        trie::{Node, Place},
    };
    use std::ops::{Bound, RangeInclusive};

    impl StoreSnapshot for Broken {
        fn meta(&self, key: Meta) -> Result<Option<Vec<u8>>, StoreError> {
            self.0.meta(key)
        }
        fn shards(&self) -> Result<Vec<(ShardNumber, Arc<ShardRecord>)>, StoreError> {
            Err(StoreError::Stopped)
        }
        fn shard(&self, shard: ShardNumber) -> Result<Option<Arc<ShardRecord>>, StoreError> {
            self.0.shard(shard)
        }
        fn whole(&self, owner: &MemberId) -> Result<Option<(ShardNumber, Arc<ShardRecord>)>, StoreError> {
            self.0.whole(owner)
        }
        fn timestamp_of(&self, shard: ShardNumber, key: &str) -> Result<Option<Timestamp>, StoreError> {
            self.0.timestamp_of(shard, key)
        }
        fn item(&self, _: ShardNumber, _: Timestamp) -> Result<Option<Arc<Item>>, StoreError> {
            Err(StoreError::Stopped)
        }
        fn log(
            &self,
            shard: ShardNumber,
            range: RangeInclusive<Timestamp>,
            page: Page,
        ) -> Result<Vec<Arc<Item>>, StoreError> {
            self.0.log(shard, range, page)
        }
        fn keys(
            &self,
            shard: ShardNumber,
            from: Bound<&str>,
            page: Page,
        ) -> Result<Vec<(Key, Timestamp)>, StoreError> {
            self.0.keys(shard, from, page)
        }
        fn node(&self, shard: ShardNumber, place: Place) -> Result<Option<Node>, StoreError> {
            self.0.node(shard, place)
        }
        fn tombstones(
            &self,
            shard: ShardNumber,
            range: RangeInclusive<Timestamp>,
            page: Page,
        ) -> Result<Vec<(Timestamp, Key)>, StoreError> {
            self.0.tombstones(shard, range, page)
        }
        fn expiries(
            &self,
            shard: ShardNumber,
            until: Timestamp,
            page: Page,
        ) -> Result<Vec<(Timestamp, Timestamp)>, StoreError> {
            self.0.expiries(shard, until, page)
        }
    }
}
