//! Helpers of the scenarios.

use datafan_core::{
    hash::{Hash, Hasher},
    head::Head,
    identity::Identity,
    item::{Item, Key},
    message::{Delta, Message, encode_delta},
    runs::{RUNS_KEY, RunHistory, RunId},
    store::StoreError,
    time::{SECOND, Timestamp},
    trie::{Branch, NewNodes, join},
};
use datafan_sim::world::{Disk, World};
use datafan_store_mem::{MemDisk, MemStore};

/// A world on stores in memory.
pub type Mesh = World<Mem>;

/// The seeds of most scenarios.
pub const SEEDS: std::ops::Range<u64> = 1..4;

/// A disk in memory.
#[derive(Clone)]
pub struct Mem(MemDisk);

impl Disk for Mem {
    type Store = MemStore;

    fn empty() -> Self {
        Self(MemDisk::new())
    }

    fn open(&self) -> Result<MemStore, StoreError> {
        self.0.open()
    }

    fn backup(&self) -> Self {
        Self(self.0.copy())
    }
}

/// Whether a message carries a commit, requested or not.
pub fn is_delta(bytes: &[u8]) -> bool {
    matches!(Message::decode(bytes), Ok(Message::Push(_) | Message::Delta(_)))
}

/// Whether a message carries an item or a tombstone of `key`.
pub fn carries(bytes: &[u8], key: &str) -> bool {
    let Ok(Message::Push(delta) | Message::Delta(delta)) = Message::decode(bytes) else { return false };
    let (items, tombstones) = delta.contents().expect("engines send sound deltas");
    let keys = items.iter().map(|item| &item.key).chain(tombstones.iter().map(|(_, key)| key));
    keys.into_iter().any(|found| found.as_str() == key)
}

/// Bytes and messages sent over all links of a world.
pub fn total_traffic(world: &Mesh) -> (u64, u64) {
    let n = world.n_members();
    let pairs = (0..n).flat_map(|from| (0..n).filter(move |to| *to != from).map(move |to| (from, to)));
    let traffic = pairs.map(|(from, to)| world.traffic(from, to));
    traffic.fold((0, 0), |sum, one| (sum.0 + one.bytes, sum.1 + one.messages))
}

/// Number of refusals of a member, for any reason.
pub fn refusals(world: &Mesh, member: usize) -> u64 {
    world.stats(member).refusals.values().sum()
}

/// Advances time by `micros` and returns the maximum bytes per round in one direction of a link. Both ends
/// begin rounds; the larger number counts.
pub fn bytes_per_round(world: &mut Mesh, micros: u64) -> u64 {
    let count = |world: &Mesh| -> Vec<(u64, u64)> {
        let n = world.n_members();
        let pairs = (0..n).flat_map(|from| world.peers(from).into_iter().map(move |to| (from, to)));
        let rounds = |member: usize| world.stats(member).rounds;
        pairs.map(|(from, to)| (world.traffic(from, to).bytes, rounds(from).max(rounds(to)))).collect()
    };
    let before = count(world);
    world.run_for(micros);
    let after = count(world);
    assert!(!after.is_empty() && before.len() == after.len(), "the links stay");
    let spent = after.iter().zip(&before).map(|(after, before)| (after.0 - before.0, after.1 - before.1));
    spent.map(|(bytes, rounds)| bytes.div_ceil(rounds.max(1))).max().expect("there are links")
}

/// A push of one item of `owner`, later than everything, signed by `key`; it replaces the user items that
/// member `at` holds, and keeps the runs that it holds.
pub fn push(world: &Mesh, at: usize, owner: usize, key: &Identity, put: (&str, &str)) -> Vec<u8> {
    push_of(world, at, owner, key, put, None)
}

/// The same from another process with the owner's key, based on what member `at` holds.
pub fn push_by_twin(world: &Mesh, at: usize, owner: usize, key: &Identity, put: (&str, &str)) -> Vec<u8> {
    push_of(world, at, owner, key, put, Some(RunId([77; 8])))
}

fn push_of(
    world: &Mesh,
    at: usize,
    owner: usize,
    key: &Identity,
    (name, value): (&str, &str),
    run: Option<RunId>,
) -> Vec<u8> {
    let (owner, timestamp) = (world.id(owner), Timestamp(world.wall(owner).0 + SECOND));
    let base = world.heads(at)[&owner].0;
    let key_name = Key::new(name).expect("a sound key");
    let item = Item { key: key_name, timestamp, expiry: None, value: value.as_bytes().into() };
    let runs = Key::new(RUNS_KEY).expect("a sound key");
    let runs = world.content(at).items.get(&(owner, runs)).cloned();
    let mut runs = runs.map(|runs| (*runs).clone());
    let mut items = Vec::new();
    if let (Some(run), Some(named)) = (run, &mut runs) {
        let mut history = RunHistory::decode(&named.value).expect("an engine wrote it");
        if !history.names(run) {
            history.begin(run, base);
        }
        (named.timestamp, named.value) = (Timestamp(timestamp.0 - 1), history.encode().into());
        items.push(named.clone());
    }
    let leaves: Vec<Branch> = runs.iter().chain([&item]).map(leaf).collect();
    items.push(item);
    let top = join(Hasher::NODE, &leaves, &mut NewNodes::new()).expect("an item is there");
    let (bytes, root) = (top.bytes, top.hash);
    let mut head = Head { owner, timestamp, items: top.count, bytes, root, signature: [0; 64] };
    if key.id() == owner {
        head = head.signed(&world.mesh_id(), key);
    } else {
        head.signature = key.sign(&Hash::empty().0);
    }
    Message::Push(Delta::new(head, base, &encode_delta(base, &items, &[]))).encode()
}

fn leaf(item: &Item) -> Branch {
    Branch::leaf(item.timestamp.0, item.leaf())
}
