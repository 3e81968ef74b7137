//! A small in-memory store for the engine's tests. It counts the held snapshots and records the commits.

use super::links::{Dialled, Link, LinkIndex};
use crate::{
    connector::Direction,
    grant::{Grant, GrantState, Quota, Role},
    hash::Hash,
    head::Head,
    id::{MemberId, MeshId},
    identity::{Identity, Strict},
    item::{Item, Key},
    rng::Rng,
    store::{
        Batch, Durability, HeldTombstones, Meta, Page, Room, ShardChange, ShardNumber, ShardRecord, Store,
        StoreError, StoreReader, StoreSnapshot,
    },
    time::{Now, Time, Timestamp},
    trie::{Node, Place},
};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};
use core::ops::{Bound, RangeInclusive};
use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

/// The store; clones share what it holds.
#[derive(Clone, Default)]
pub(super) struct TestStore(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<Arc<State>>,
    log: Mutex<Log>,
    n_snapshots: AtomicUsize,
}

/// The commits, syncs and erasures of a store.
#[derive(Clone, Default, PartialEq, Debug)]
pub(super) struct Log {
    pub(super) commits: Vec<Durability>,
    pub(super) syncs: usize,
    pub(super) erased: Vec<ShardNumber>,
    pub(super) is_full: bool,
    pub(super) is_failing: bool,
}

#[derive(Clone, Default)]
struct State {
    meta: BTreeMap<Meta, Vec<u8>>,
    records: BTreeMap<ShardNumber, Arc<ShardRecord>>,
    shards: BTreeMap<ShardNumber, Rows>,
}

#[derive(Clone, Default)]
struct Rows {
    log: BTreeMap<Timestamp, Arc<Item>>,
    keys: BTreeMap<Key, Timestamp>,
    nodes: BTreeMap<Place, Node>,
    tombstones: BTreeSet<(Timestamp, Key)>,
    expiries: BTreeSet<(Timestamp, Timestamp)>,
}

/// A snapshot of a [`TestStore`].
pub(super) struct TestSnapshot(Arc<State>, Arc<Shared>);

impl TestStore {
    /// How many snapshots are held.
    pub(super) fn n_snapshots(&self) -> usize {
        self.0.n_snapshots.load(Ordering::Relaxed)
    }

    /// The recorded commits, syncs and erasures.
    pub(super) fn log(&self) -> Log {
        self.0.log.lock().unwrap().clone()
    }

    /// Sets whether reading keys fails from now on.
    pub(super) fn set_failing(&self, is_failing: bool) {
        self.0.log.lock().unwrap().is_failing = is_failing;
    }

    /// Sets whether the disk is full from now on.
    pub(super) fn set_full(&self, is_full: bool) {
        self.0.log.lock().unwrap().is_full = is_full;
    }
}

impl Drop for TestSnapshot {
    fn drop(&mut self) {
        self.1.n_snapshots.fetch_sub(1, Ordering::Relaxed);
    }
}

impl StoreReader for TestStore {
    type Snapshot = TestSnapshot;

    fn snapshot(&self) -> Result<TestSnapshot, StoreError> {
        self.0.n_snapshots.fetch_add(1, Ordering::Relaxed);
        Ok(TestSnapshot(self.0.state.lock().unwrap().clone(), self.0.clone()))
    }
}

impl Store for TestStore {
    type Reader = Self;

    fn reader(&self) -> Self {
        self.clone()
    }

    fn commit(&mut self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        assert_eq!(self.n_snapshots(), 0, "the store writes while a snapshot is held");
        self.0.log.lock().unwrap().commits.push(durability);
        let mut state = self.0.state.lock().unwrap();
        let state = Arc::make_mut(&mut state);
        apply(&mut state.meta, batch.meta);
        for (number, change) in batch.shards {
            state.records.extend(change.record.clone().map(|record| (number, record)));
            state.shards.entry(number).or_default().apply(change);
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.0.log.lock().unwrap().syncs += 1;
        Ok(())
    }

    fn erase(&mut self, shard: ShardNumber, _: usize) -> Result<bool, StoreError> {
        assert_eq!(self.n_snapshots(), 0, "the store erases while a snapshot is held");
        self.0.log.lock().unwrap().erased.push(shard);
        let mut state = self.0.state.lock().unwrap();
        let state = Arc::make_mut(&mut state);
        state.records.remove(&shard);
        state.shards.remove(&shard);
        Ok(true)
    }

    fn room(&mut self) -> Result<Room, StoreError> {
        Ok(match self.log().is_full {
            true => Room::Short { why: "it is full".into() },
            false => Room::Enough,
        })
    }

    fn close(self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Rows {
    fn apply(&mut self, change: ShardChange) {
        apply(&mut self.log, change.log);
        apply(&mut self.keys, change.keys);
        apply(&mut self.nodes, change.nodes);
        toggle(&mut self.tombstones, change.tombstones);
        toggle(&mut self.expiries, change.expiries);
    }
}

fn apply<K: Ord, V>(rows: &mut BTreeMap<K, V>, changes: BTreeMap<K, Option<V>>) {
    for (key, value) in changes {
        match value {
            Some(value) => drop(rows.insert(key, value)),
            None => drop(rows.remove(&key)),
        }
    }
}

fn toggle<K: Ord>(rows: &mut BTreeSet<K>, changes: BTreeMap<K, bool>) {
    for (key, adds) in changes {
        match adds {
            true => rows.insert(key),
            false => rows.remove(&key),
        };
    }
}

type Read<T> = Result<T, StoreError>;

impl TestSnapshot {
    fn rows(&self, shard: ShardNumber) -> Option<&Rows> {
        self.0.shards.get(&shard)
    }
}

impl StoreSnapshot for TestSnapshot {
    fn meta(&self, key: Meta) -> Read<Option<Vec<u8>>> {
        Ok(self.0.meta.get(&key).cloned())
    }

    fn shards(&self) -> Read<Vec<(ShardNumber, Arc<ShardRecord>)>> {
        Ok(self.0.records.iter().map(|(number, record)| (*number, record.clone())).collect())
    }

    fn shard(&self, shard: ShardNumber) -> Read<Option<Arc<ShardRecord>>> {
        Ok(self.0.records.get(&shard).cloned())
    }

    fn whole(&self, owner: &MemberId) -> Read<Option<(ShardNumber, Arc<ShardRecord>)>> {
        let mut shards = self.0.records.iter();
        let whole = shards.find(|(_, record)| record.owner == *owner && record.is_whole());
        Ok(whole.map(|(number, record)| (*number, record.clone())))
    }

    fn timestamp_of(&self, shard: ShardNumber, key: &str) -> Read<Option<Timestamp>> {
        Ok(self.rows(shard).and_then(|rows| rows.keys.get(key).copied()))
    }

    fn item(&self, shard: ShardNumber, at: Timestamp) -> Read<Option<Arc<Item>>> {
        Ok(self.rows(shard).and_then(|rows| rows.log.get(&at).cloned()))
    }

    fn log(&self, shard: ShardNumber, range: RangeInclusive<Timestamp>, page: Page) -> Read<Vec<Arc<Item>>> {
        let items = self.rows(shard).into_iter().flat_map(|rows| rows.log.range(range.clone()));
        Ok(items.take(page.rows).map(|(_, item)| item.clone()).collect())
    }

    fn keys(&self, shard: ShardNumber, from: Bound<&str>, page: Page) -> Read<Vec<(Key, Timestamp)>> {
        if self.1.log.lock().unwrap().is_failing {
            return Err(StoreError::Failed { what: "the device is gone".into() });
        }
        let range = (from, Bound::Unbounded);
        let keys = self.rows(shard).into_iter().flat_map(|rows| rows.keys.range::<str, _>(range));
        Ok(keys.take(page.rows).map(|(key, at)| (key.clone(), *at)).collect())
    }

    fn node(&self, shard: ShardNumber, place: Place) -> Read<Option<Node>> {
        Ok(self.rows(shard).and_then(|rows| rows.nodes.get(&place).cloned()))
    }

    fn tombstones(
        &self,
        shard: ShardNumber,
        range: RangeInclusive<Timestamp>,
        page: Page,
    ) -> Read<Vec<(Timestamp, Key)>> {
        let rows = self.rows(shard).into_iter().flat_map(|rows| &rows.tombstones);
        Ok(rows.filter(|(at, _)| range.contains(at)).take(page.rows).cloned().collect())
    }

    fn expiries(
        &self,
        shard: ShardNumber,
        until: Timestamp,
        page: Page,
    ) -> Read<Vec<(Timestamp, Timestamp)>> {
        let rows = self.rows(shard).into_iter().flat_map(|rows| &rows.expiries);
        Ok(rows.filter(|(expiry, _)| *expiry <= until).take(page.rows).copied().collect())
    }
}

/// The context of a member of a mesh, at the first second.
pub(super) fn context() -> super::context::Context {
    let config = super::Config::new(mesh(), identity(7), "member".parse().unwrap());
    super::context::Context::new(config, Rng::new(1), Box::new(Strict), at(1))
}

pub(super) fn mesh() -> MeshId {
    MeshId(identity(8).id())
}

pub(super) fn identity(n: u8) -> Identity {
    Identity::from_secret(&[n; 32])
}

/// Both clocks at a second.
pub(super) fn at(second: u64) -> Now {
    let micros = second * crate::time::SECOND;
    Now { time: Time(micros), wall: Timestamp(micros) }
}

/// An owner without a member.
pub(super) fn owner(n: u8) -> MemberId {
    MemberId([n; 32])
}

/// A head that is not signed.
pub(super) fn head(owner: MemberId, timestamp: u64) -> Head {
    Head {
        owner,
        timestamp: Timestamp(timestamp),
        items: 0,
        bytes: 0,
        root: Hash::empty(),
        signature: [0; 64],
    }
}

/// An item with a short value.
pub(super) fn item(key: &str, timestamp: u64) -> Arc<Item> {
    let key = Key::new(key).unwrap();
    Arc::new(Item { key, timestamp: Timestamp(timestamp), expiry: None, value: (*b"value").into() })
}

/// The components that most handlers borrow, for a member without any shard.
pub(super) struct Parts {
    pub(super) cx: super::context::Context,
    pub(super) members: super::members::Members,
    pub(super) replicas: super::replicas::Replicas,
    pub(super) links: super::links::Links<()>,
}

impl Parts {
    pub(super) fn new() -> Self {
        Self {
            cx: context(),
            members: super::members::Members::default(),
            replicas: super::replicas::Replicas::new(mesh()),
            links: super::links::Links::new(),
        }
    }

    /// Adds a member to the roster.
    pub(super) fn grant(&mut self, n: u8, state: GrantState, items: u64) {
        let (name, quota) = (alloc::format!("m{n}").parse().unwrap(), Quota { items, ..Quota::default() });
        let grant = Grant { name, role: Role::Member, quota, state, granted: Timestamp(0) };
        let (key, value) = (Grant::key(&owner(n)), grant.encode().into());
        let item = Item { key: key.clone(), timestamp: Timestamp(5), expiry: None, value };
        self.members.learn_grant(&mut self.cx, &mut self.replicas, &key, &item);
    }

    /// Adds a link to a peer that is up.
    pub(super) fn link(&mut self, n: u8) {
        let index = LinkIndex::free(self.links.values().map(Link::place));
        let dialled = Dialled { address: None, direction: Direction::Out, is_spare: false };
        let mut link = Link::new(dialled, index, Time(1), Time(100));
        link.accept_peer();
        link.on_accepted();
        self.links.insert(owner(n), link);
    }

    /// Holds a shard of an owner, with a head at `timestamp`.
    pub(super) fn hold(&mut self, n: u8, timestamp: u64) {
        let record = ShardRecord::whole(head(owner(n), timestamp), None, HeldTombstones::default());
        self.replicas.hold(&owner(n), Some((ShardNumber(n.into()), record.into())));
    }

    /// The messages sent since the last call, each with its receiver and its decoded text.
    pub(super) fn sent(&mut self) -> Vec<(MemberId, alloc::string::String)> {
        let mut out = super::Outbox::new();
        self.cx.swap_outbox(&mut out);
        let sent = out.now.into_iter().filter_map(|effect| match effect {
            super::Effect::Send { to, frame } => {
                let message = crate::message::Message::decode(&frame.bytes).unwrap();
                Some((to, alloc::format!("{message:?}")))
            }
            _ => None,
        });
        sent.collect()
    }
}
