//! The contents of stores and messages, decoded from bytes: the first byte selects the type of the rest.

use crate::corpus::Seed;
use datafan_core::{
    codec::{Reader, Writer},
    grant::{Grant, GrantState, Quota, Role},
    hash::{Hash, Hasher},
    head::Head,
    id::{MemberId, Name},
    item::{Item, Key},
    store::{HeldTombstones, ShardRecord, ShardState},
    time::Timestamp,
    trie::{Branch, Leaf, NewNodes, Node, Place, join},
};

/// Decodes the bytes after the first one; the encoding of the result is exactly these bytes.
pub fn attack(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 6 {
        0 => read(bytes, Head::decode, Head::encode),
        1 => {
            if let Ok(grant) = Grant::decode(bytes) {
                assert_eq!(grant.encode(), bytes, "{grant:?}");
            }
        }
        2 => {
            if let Ok(record) = ShardRecord::decode(bytes) {
                // Of a shard that is left over nothing but its owner is kept.
                let is_kept = record.state != ShardState::Dead;
                assert!(!is_kept || record.encode() == bytes, "{record:?}");
                assert_eq!(ShardRecord::decode(&record.encode()).as_ref(), Ok(&record));
            }
        }
        3 => read_node(bytes),
        4 => read(bytes, |input| Item::decode_body(Timestamp(7), input), Item::encode_body),
        _ => read(bytes, Branch::decode, Branch::encode),
    }
}

fn read<'a, T, E>(
    bytes: &'a [u8],
    decode: impl FnOnce(&mut Reader<'a>) -> Result<T, E>,
    encode: impl FnOnce(&T, &mut Writer),
) {
    let mut input = Reader::new(bytes);
    let Ok(value) = decode(&mut input) else { return };
    let mut out = Writer::new();
    encode(&value, &mut out);
    assert_eq!(out.finish(), bytes[..bytes.len() - input.left()], "there is one encoding");
}

/// A place and the node there. A decoded node must answer every query.
fn read_node(bytes: &[u8]) {
    let mut input = Reader::new(bytes);
    let Ok(place) = Place::decode(&mut input) else { return };
    let rest = &bytes[bytes.len() - input.left()..];
    let Ok(node) = Node::decode(place, rest) else { return };
    assert_eq!(node.encode(), rest, "{node:?}");
    for child in &node.children {
        let digit = place.digit_of(child.place.first());
        assert!(place.contains(&child.place) && place.slot(digit).contains(&child.place), "{node:?}");
        assert_eq!(node.child(digit), Some(child));
    }
    // Sums that overflow have no branch; the hash covers them anyway.
    let branch = node.branch(Hasher::NODE);
    assert!(branch.is_none_or(|branch| branch.place == place && branch.hash == node.hash(Hasher::NODE)));
}

/// One or two of each kind.
pub fn seeds() -> Vec<Seed> {
    let (owner, root) = (MemberId([2; 32]), Hash([3; 32]));
    let head = Head { owner, timestamp: Timestamp(1_000), items: 1, bytes: 5, root, signature: [4; 64] };
    let item = Item {
        key: Key::new("color").expect("a key"),
        timestamp: Timestamp(7),
        expiry: Some(Timestamp(300)),
        value: b"red"[..].into(),
    };
    let leaves = [0x1001, 0x10f0, 0x10ff, 1 << 60]
        .map(|at| Branch::leaf(at, Leaf { bytes: at, hash: Hash([at as u8; 32]) }));
    let mut nodes = NewNodes::new();
    let top = join(Hasher::NODE, &leaves, &mut nodes);
    let record = ShardRecord::whole(head, top, HeldTombstones::default());
    let building = ShardRecord::building(owner, None, Timestamp::ZERO);
    let mut seeds = vec![
        ("head".to_owned(), written(0, |out| head.encode(out))),
        ("record".to_owned(), kind(2, record.encode())),
        ("building".to_owned(), kind(2, building.encode())),
        ("item".to_owned(), written(4, |out| item.encode_body(out))),
    ];
    seeds.extend(top.map(|top| ("branch".to_owned(), written(5, |out| top.encode(out)))));
    for (place, node) in nodes.into_iter().filter_map(|(place, node)| Some((place, node?))) {
        let bytes = written(3, |out| {
            place.encode(out);
            out.raw(&node.encode());
        });
        seeds.push((format!("node-{}", place.level), bytes));
    }
    let states = [
        ("active", GrantState::Active),
        ("drop", GrantState::Drop),
        ("keep", GrantState::Keep { timestamp: Timestamp(9), root }),
        ("invited", GrantState::Invited { until: Timestamp(8) }),
    ];
    for (name, state) in states {
        let (role, quota, granted) = (Role::Member, Quota::default(), Timestamp(5));
        let grant = Grant { name: Name::new("edge-1").expect("a name"), role, quota, state, granted };
        seeds.push((format!("grant-{name}"), kind(1, grant.encode())));
        let reader = Grant { role: Role::Reader, ..grant };
        seeds.push((format!("grant-{name}-reader"), kind(1, reader.encode())));
    }
    seeds
}

fn kind(kind: u8, bytes: Vec<u8>) -> Vec<u8> {
    [vec![kind], bytes].concat()
}

fn written(kind: u8, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut out = Writer::new();
    out.byte(kind);
    write(&mut out);
    out.finish()
}
