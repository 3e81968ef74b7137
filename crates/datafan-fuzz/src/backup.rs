//! A backup, part by part: restored completely or not at all. The first byte selects what is repaired in it,
//! so that the code behind the checksum and the signature is reached.

use crate::corpus::Seed;
use datafan_core::{
    backup::{Frames, Origin, Restore, RestoreError, Summary, save},
    codec::{Reader, Writer},
    hash::Hasher,
    head::Head,
    id::{MemberId, MeshId},
    identity::{Identity, Verifier},
    item::{Item, Key},
    store::{
        Batch, Durability, HeldTombstones, Meta, ShardChange, ShardNumber, ShardRecord, ShardState, Store,
        StoreError, StoreReader, StoreSnapshot,
    },
    time::Timestamp,
    trie::{Branch, NewNodes, join},
    verify::verify,
};
use datafan_store_mem::{MemDisk, MemStore};
use std::sync::Arc;

/// Restores the input. A restored store is valid, and a backup of it restores the same.
pub fn attack(bytes: &[u8]) {
    let Some((form, bytes)) = bytes.split_first() else { return };
    let mut input = Reader::new(bytes);
    let mut frames = Vec::new();
    while let Ok(frame) = input.prefixed("frame", FRAME_BYTES_MAX) {
        frames.push(frame.to_vec());
    }
    if form & 1 != 0 {
        make_roots_right(&mut frames);
    }
    if form & 2 != 0 {
        seal(&mut frames);
    }
    let disk = MemDisk::new();
    let restored = restore(&disk, &frames);
    let mut read = Frames::default();
    let complete = frames.iter().try_for_each(|frame| read.take(frame)).and_then(|()| read.finish());
    let Ok((origin, summary)) = restored else { return };
    assert_eq!(complete, Ok((origin, summary)), "what is restored is complete without a store too");
    let snapshot = open(&disk).reader().snapshot().expect("memory does not fail");
    let (mut again, mut found) = (Vec::new(), Summary::default());
    for (number, record) in snapshot.shards().expect("memory does not fail") {
        let report = verify(&snapshot, number, &origin.mesh, &Anything, &mut |finding| panic!("{finding:?}"));
        let head = *record.head().expect("what is saved has a head");
        let report = report.expect("memory does not fail");
        assert_eq!(report.items, head.items);
        found.shards += 1;
        found.items += head.items;
        found.bytes += head.bytes;
    }
    assert_eq!(found, summary, "what is there is what was said");
    save(&snapshot, &origin, |frame| {
        again.push(frame.to_vec());
        Ok::<(), StoreError>(())
    })
    .expect("memory does not fail");
    assert_eq!(restore(&MemDisk::new(), &again), Ok((origin, summary)), "saved again, it comes back");
}

fn open(disk: &MemDisk) -> MemStore {
    disk.open().expect("memory does not fail")
}

fn restore(disk: &MemDisk, frames: &[Vec<u8>]) -> Result<(Origin, Summary), RestoreError> {
    let mut restore = Restore::new(open(disk), whose(), &Anything);
    frames.iter().try_for_each(|frame| restore.frame(frame))?;
    restore.finish()
}

/// Accepts every signature: the code before and behind the signature check is attacked.
struct Anything;

impl Verifier for Anything {
    fn verify(&self, _: &MemberId, _: &[u8], _: &[u8; 64]) -> bool {
        true
    }
}

fn whose() -> (MeshId, MemberId) {
    (MeshId(Identity::from_secret(&[1; 32]).id()), Identity::from_secret(&[2; 32]).id())
}

const FRAME_BYTES_MAX: usize = 1 << 16;
const SHARD: u8 = 2;
const ITEMS: u8 = 3;
const END: u8 = 4;

/// The record with another head of the same owner.
fn with_head(record: &ShardRecord, head: Head) -> ShardRecord {
    let state = match record.state {
        ShardState::Whole { tombstones, .. } => ShardState::Whole { head, tombstones },
        ShardState::Divergent { diverged, n_tombstones, .. } => {
            ShardState::Divergent { head, diverged, n_tombstones }
        }
        ShardState::Building { .. } | ShardState::Dead => record.state,
    };
    ShardRecord { state, ..record.clone() }
}

/// Makes each head match the items after it, including duplicate keys.
fn make_roots_right(frames: &mut [Vec<u8>]) {
    for at in 0..frames.len() {
        let Some((&SHARD, bytes)) = frames[at].split_first() else { continue };
        let Ok(record) = ShardRecord::decode(bytes) else { continue };
        let Some(head) = record.head().copied() else { continue };
        let mut leaves = Vec::new();
        for frame in frames[at + 1..].iter().take_while(|frame| frame.first() == Some(&ITEMS)) {
            leaves.extend(items(frame).iter().map(|item| Branch::leaf(item.timestamp.0, item.leaf())));
        }
        if !leaves.is_sorted_by(|one, next| one.place.prefix < next.place.prefix) {
            continue;
        }
        let root = join(Hasher::NODE, &leaves, &mut NewNodes::new());
        let (items, bytes) = root.map_or((0, 0), |root| (root.count, root.bytes));
        let head = Head { items, bytes, root: datafan_core::trie::root_hash(root.as_ref()), ..head };
        frames[at] = [vec![SHARD], with_head(&record, head).encode()].concat();
    }
}

/// Makes the last part match the parts before it.
fn seal(frames: &mut Vec<Vec<u8>>) {
    frames.retain(|frame| frame.first() != Some(&END));
    let (mut all, mut sum) = (Hasher::new(Hasher::BACKUP), Summary::default());
    for frame in &*frames {
        all.u64(frame.len() as u64).bytes(frame);
        sum.shards += u64::from(frame.first() == Some(&SHARD));
        for item in items(frame) {
            sum.items += 1;
            sum.bytes += item.bytes();
        }
    }
    let hash = all.u64(sum.shards).u64(sum.items).u64(sum.bytes).finish();
    let mut out = Writer::new();
    out.byte(END).fixed(sum.shards).fixed(sum.items).fixed(sum.bytes).hash(&hash);
    frames.push(out.finish());
}

/// The items of a part; none if it is of another kind or malformed.
fn items(frame: &[u8]) -> Vec<Item> {
    let Some((&ITEMS, bytes)) = frame.split_first() else { return Vec::new() };
    let read = |input: &mut Reader<'_>| {
        let timestamp = Timestamp(input.fixed()?);
        Item::decode_body(timestamp, input)
    };
    Reader::new(bytes).list("items", 4_096, read).unwrap_or_default()
}

/// A backup of two shards and a divergent copy: unchanged, and with one thing left to repair.
pub fn seeds() -> Vec<Seed> {
    let (mesh, member) = whose();
    let mut store = open(&MemDisk::new());
    let shards = [
        (member, true, &["color", "size", "taste"][..]),
        (member, false, &["color", "smell"]),
        (mesh.authority(), true, &[]),
    ];
    for (number, (owner, is_whole, keys)) in (0..).zip(shards) {
        let batch = Batch {
            meta: [(Meta::History, Some(vec![1, 0])), (Meta::Addresses, Some(vec![9; 40]))].into(),
            shards: [(ShardNumber(number), shard(owner, is_whole, keys))].into(),
        };
        store.commit(batch, Durability::Synced).expect("memory does not fail");
    }
    let mut out = Writer::new();
    let snapshot = store.reader().snapshot().expect("memory does not fail");
    save(&snapshot, &Origin { mesh, member, at: Timestamp(7) }, |frame| {
        out.prefixed(frame);
        Ok::<(), StoreError>(())
    })
    .expect("memory does not fail");
    let frames = out.finish();
    let seed = |(form, name): (u8, &str)| (name.to_owned(), [&[form], &frames[..]].concat());
    [(0, "as-it-is"), (2, "sealed"), (3, "sealed-with-roots")].map(seed).into()
}

fn shard(owner: MemberId, is_whole: bool, keys: &[&str]) -> ShardChange {
    let item = |(n, key): (usize, &&str)| {
        let timestamp = Timestamp(1_000 + 17 * n as u64);
        Arc::new(Item {
            key: Key::new(*key).expect("a key"),
            timestamp,
            expiry: None,
            value: key.as_bytes().into(),
        })
    };
    let items: Vec<Arc<Item>> = keys.iter().enumerate().map(item).collect();
    let leaves: Vec<Branch> = items.iter().map(|item| Branch::leaf(item.timestamp.0, item.leaf())).collect();
    let mut nodes = NewNodes::new();
    let root = join(Hasher::NODE, &leaves, &mut nodes);
    let (n_items, bytes) = root.map_or((0, 0), |root| (root.count, root.bytes));
    let hash = datafan_core::trie::root_hash(root.as_ref());
    let timestamp = Timestamp(2_000);
    let head = Head { owner, timestamp, items: n_items, bytes, root: hash, signature: [4; 64] };
    let record = match is_whole {
        true => ShardRecord::whole(head, root, HeldTombstones::default()),
        false => ShardRecord::divergent(head, root, Timestamp::ZERO, 0),
    };
    let mut change = ShardChange { record: Some(record.into()), nodes, ..ShardChange::default() };
    for item in items {
        change.log.insert(item.timestamp, Some(Arc::clone(&item)));
        change.keys.insert(item.key.clone(), Some(item.timestamp));
    }
    change
}
