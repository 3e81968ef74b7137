//! The trie's shape depends on the set alone, and no byte below its root can change unnoticed.

use datafan_core::{
    hash::{Hash, Hasher},
    item::{Item, Key},
    time::Timestamp,
    trie::{
        Branch, Changes, Leaf, NewNodes, Node, Nodes, Place, at_slot, join, root_hash, sum_after, update,
    },
};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The nodes of a trie, as a store would keep them.
#[derive(Default)]
struct Map(BTreeMap<Place, Node>);

impl Nodes for Map {
    type Error = Place;

    fn node(&self, place: Place) -> Result<Node, Place> {
        self.0.get(&place).cloned().ok_or(place)
    }
}

impl Map {
    fn apply(&mut self, root: Option<Branch>, changes: &Changes) -> Option<Branch> {
        let mut new = NewNodes::new();
        let root = update(self, Hasher::NODE, root, changes, &mut new).expect("all nodes are there");
        for (place, node) in new {
            match node {
                Some(node) => self.0.insert(place, node),
                None => self.0.remove(&place),
            };
        }
        root
    }
}

fn leaf(seed: u64) -> Leaf {
    Leaf { bytes: seed % 1_000, hash: Hasher::new(Hasher::LEAF).u64(seed).finish() }
}

/// The trie of a set, built at once.
fn canonical(set: &BTreeMap<u64, Leaf>) -> (Option<Branch>, BTreeMap<Place, Node>) {
    let leaves: Vec<Branch> = set.iter().map(|(at, leaf)| Branch::leaf(*at, *leaf)).collect();
    let mut new = NewNodes::new();
    let root = join(Hasher::NODE, &leaves, &mut new);
    (root, new.into_iter().filter_map(|(place, node)| Some((place, node?))).collect())
}

/// Positions that share prefixes often: near each other, far away, and at both ends of the axis.
fn position() -> impl Strategy<Value = u64> {
    prop_oneof![
        0u64..40,
        (0u64..6, 0u64..4).prop_map(|(digit, shift)| digit << (shift * 13)),
        (0u64..20).prop_map(|back| u64::MAX - back),
        any::<u64>(),
        1_800_000_000_000_000u64..1_800_000_000_000_300,
    ]
}

fn history() -> impl Strategy<Value = Vec<Vec<(u64, Option<u64>)>>> {
    let change = (position(), proptest::option::weighted(0.6, any::<u64>()));
    proptest::collection::vec(proptest::collection::vec(change, 0..25), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_order_and_batching_of_changes_gives_one_shape(history in history()) {
        let (mut map, mut root, mut set) = (Map::default(), None, BTreeMap::new());
        for batch in history {
            let changes: Changes = batch.iter().map(|(at, seed)| (*at, seed.map(leaf))).collect();
            for (at, leaf) in &changes {
                match leaf {
                    Some(leaf) => set.insert(*at, *leaf),
                    None => set.remove(at),
                };
            }
            root = map.apply(root, &changes);
            let (expected, nodes) = canonical(&set);
            prop_assert_eq!(root, expected);
            // Exactly the nodes that the set needs.
            prop_assert_eq!(&map.0, &nodes);
        }
    }

    #[test]
    fn sums_and_slots_agree_with_the_set(
        set in proptest::collection::btree_map(position(), any::<u64>(), 0..60),
        at in position(),
        level in 0u8..=16,
    ) {
        let set: BTreeMap<u64, Leaf> = set.into_iter().map(|(at, seed)| (at, leaf(seed))).collect();
        let (root, nodes) = canonical(&set);
        let map = Map(nodes);
        let after = set.iter().filter(|(position, _)| **position > at);
        let sums = after.fold((0, 0), |sums, (_, leaf)| (sums.0 + 1, sums.1 + leaf.bytes));
        prop_assert_eq!(sum_after(&map, root, at), Ok(sums));
        let slot = Place::containing(at, level);
        let inside = set.range(slot.span()).map(|(at, leaf)| (*at, *leaf)).collect();
        prop_assert_eq!(at_slot(&map, root, slot), Ok(canonical(&inside).0));
    }

    #[test]
    fn every_node_decodes_to_itself_and_a_changed_byte_changes_its_hash(
        set in proptest::collection::btree_map(position(), any::<u64>(), 2..40),
        pick in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let set: BTreeMap<u64, Leaf> = set.into_iter().map(|(at, seed)| (at, leaf(seed))).collect();
        let (_, nodes) = canonical(&set);
        let nodes: Vec<Node> = nodes.into_values().collect();
        let node = pick.get(&nodes);
        let mut bytes = node.encode();
        prop_assert_eq!(Node::decode(node.place, &bytes), Ok(node.clone()));
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        // Refused, or another node; the places of grandchildren are not hashed, but then the node itself
        // differs.
        if let Ok(other) = Node::decode(node.place, &bytes) {
            prop_assert_ne!(&other, node);
            let moved_only = other.children.len() == node.children.len()
                && other.children.iter().zip(&node.children).all(|(a, b)| {
                    (a.count, a.bytes, a.hash) == (b.count, b.bytes, b.hash)
                        && node.place.digit_of(a.place.first()) == node.place.digit_of(b.place.first())
                });
            prop_assert_eq!(moved_only, other.hash(Hasher::NODE) == node.hash(Hasher::NODE));
        }
    }

    #[test]
    fn an_altered_item_changes_the_root(
        key in "[a-z]{1,12}", value in proptest::collection::vec(any::<u8>(), 0..60),
        timestamp in 1u64..u64::MAX, expiry in proptest::option::of(1u64..u64::MAX),
        at in any::<prop::sample::Index>(), bit in 0u8..8,
    ) {
        let expiry = expiry.map(Timestamp);
        let item = Item { key: Key::new(&key).unwrap(), timestamp: Timestamp(timestamp), expiry, value: value.into() };
        let mut out = datafan_core::codec::Writer::new();
        item.encode_body(&mut out);
        let mut bytes = out.finish();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let mut input = datafan_core::codec::Reader::new(&bytes);
        if let Ok(other) = Item::decode_body(item.timestamp, &mut input) {
            prop_assert_ne!(&other, &item);
            prop_assert_ne!(other.leaf_hash(), item.leaf_hash());
        }
        let later = Item { timestamp: Timestamp(timestamp ^ 1), ..item.clone() };
        prop_assert_ne!(later.leaf_hash(), item.leaf_hash());
    }
}

#[test]
fn roots_of_none_one_and_more() {
    assert_eq!(root_hash(None), Hash::empty());
    let one = BTreeMap::from([(7, leaf(1))]);
    assert_eq!(canonical(&one).0.map(|root| root.hash), Some(leaf(1).hash));
    let two = BTreeMap::from([(7, leaf(1)), (u64::MAX, leaf(2))]);
    let (root, nodes) = canonical(&two);
    assert_eq!(root.map(|root| (root.place, root.count)), Some((Place::ALL, 2)));
    assert_eq!(nodes.len(), 1);
}

#[test]
fn malformed_nodes_are_refused() {
    let two = BTreeMap::from([(0x10, leaf(1)), (0x25, leaf(2))]);
    let (_, nodes) = canonical(&two);
    let node = nodes.into_values().next().unwrap();
    let good = node.encode();
    let place = node.place;
    assert_eq!(place, Place { level: 2, prefix: 0 });
    // Fewer than two children, digits out of order, the same digit twice, a child as high as its node.
    let swapped = Node { children: node.children.iter().rev().copied().collect(), ..node.clone() };
    let single = Node { children: vec![node.children[0]], ..node.clone() };
    let twice = Node { children: vec![node.children[0]; 2], ..node.clone() };
    for bad in [swapped, single, twice] {
        assert!(!bad.is_well_formed());
        assert!(Node::decode(place, &bad.encode()).is_err());
    }
    assert!(Node::decode(Place { level: 1, prefix: 0 }, &good).is_err());
    assert!(Node::decode(Place { level: 0, prefix: 0 }, &good).is_err());
    let mut high = good.clone();
    high[1] = 2;
    assert!(Node::decode(place, &high).is_err());
    // Sums that overflow have no branch.
    let mut vast = node;
    vast.children[0].bytes = u64::MAX;
    vast.children[1].bytes = 1;
    assert_eq!(vast.branch(Hasher::NODE), None);
}
