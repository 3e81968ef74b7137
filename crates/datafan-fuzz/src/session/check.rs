//! Properties that must hold whatever a member is told.

use datafan_core::{
    connector::Lane,
    engine::{Effect, Engine},
    hash::Hasher,
    item::Item,
    limits::{MESSAGE_BYTES_MAX, PENDING_MAX, SMALL_BYTES_MAX},
    message::Message,
    store::{Page, ShardNumber, ShardRecord, StoreReader, StoreSnapshot},
    time::Timestamp,
    trie::{Branch, NewNodes, join, root_hash},
};
use datafan_store_mem::MemStore;
use std::{collections::BTreeMap, ops::Bound, sync::Arc};

/// Maximum size of what one call sends: the bound on answers, one answer beyond it, and small messages.
const SENT_BYTES_MAX: usize = (32 << 20) + MESSAGE_BYTES_MAX + (1 << 20);

/// Messages follow the format and their lane's limit, and all of them together the limit of a call.
pub fn are_bounded(effects: &[Effect]) {
    let mut sent = 0;
    for effect in effects {
        let Effect::Send { frame, .. } = effect else { continue };
        let max = match frame.lane {
            Lane::Small => SMALL_BYTES_MAX,
            Lane::Bulk => MESSAGE_BYTES_MAX,
        };
        assert!(frame.bytes.len() <= max, "{frame:?} is over its limit");
        assert!(Message::decode(&frame.bytes).is_ok(), "{frame:?} cannot be read");
        sent += frame.bytes.len();
    }
    assert!(sent <= SENT_BYTES_MAX, "one call sends {sent} bytes");
}

/// Whether a stranger may receive this: greetings, and questions about the roster.
pub fn is_for_strangers(message: &Message<'_>, authority: datafan_core::id::MemberId) -> bool {
    match message {
        Message::Hello(_) | Message::Refuse(_) => true,
        Message::Pull(wants) => wants.iter().all(|want| want.owner == authority),
        Message::AskNodes(request) | Message::AskRanges(request) => request.owner == authority,
        _ => false,
    }
}

/// The data of a member is consistent: every visible shard has the items, keys and nodes that its head
/// describes.
pub fn is_sound(engine: &Engine<MemStore>) {
    assert!(engine.status().pending.len() <= PENDING_MAX);
    let snapshot = engine.reader().snapshot().expect("the store works");
    let shards = snapshot.shards().expect("the store works");
    for (number, record) in shards.iter().filter(|(_, record)| record.is_whole()) {
        shard_is_sound(&snapshot, *number, record);
    }
}

fn shard_is_sound(snapshot: &impl StoreSnapshot, number: ShardNumber, record: &ShardRecord) {
    let head = record.head().expect("a visible shard has a head");
    let all = Page { rows: usize::MAX, bytes: usize::MAX };
    let log = snapshot.log(number, Timestamp::ZERO..=Timestamp::MAX, all).expect("the store works");
    let keys = snapshot.keys(number, Bound::Unbounded, all).expect("the store works");
    let by_key: BTreeMap<_, _> = log.iter().map(|item| (item.key.clone(), item.timestamp)).collect();
    assert_eq!(by_key.len(), log.len(), "a key is there twice: {head:?}");
    assert!(by_key.into_iter().eq(keys), "keys and items differ: {head:?}");
    let bytes: u64 = log.iter().map(|item| item.bytes()).sum();
    assert_eq!((log.len() as u64, bytes), (head.items, head.bytes), "the head counts otherwise: {head:?}");
    assert!(log.last().is_none_or(|item| item.timestamp <= head.timestamp), "later than {head:?}");
    let mut nodes = NewNodes::new();
    let root = join(Hasher::NODE, &leaves(&log), &mut nodes);
    assert_eq!((root, root_hash(root.as_ref())), (record.root, head.root), "{head:?}");
    for (place, node) in nodes {
        assert_eq!(snapshot.node(number, place).expect("the store works"), node, "{place:?} of {head:?}");
    }
}

fn leaves(log: &[Arc<Item>]) -> Vec<Branch> {
    log.iter().map(|item| Branch::leaf(item.timestamp.0, item.leaf())).collect()
}
