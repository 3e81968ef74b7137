//! The worked example of `docs/protocol.md`: a shard of three items, from bytes to the signed head.
//!
//! Every hash is computed twice, from bytes assembled by hand and by the crate, and must appear in the page.
//! So the page stays correct, and authors of other implementations have values to compare with.

use datafan_core::{
    codec::Writer,
    hash::{Hash, Hasher},
    head::Head,
    id::{MemberId, MeshId},
    identity::{Identity, Strict},
    item::{Item, Key},
    message::{Delta, Message, encode_delta},
    time::Timestamp,
    trie::{Branch, Changes, NewNodes, Node, Nodes, Place, update},
};
use std::convert::Infallible;

const PAGE: &str = include_str!("../../../docs/protocol.md");

#[test]
fn leaves_are_the_hashes_of_their_bytes() {
    let by_hand = [
        "00 0000000000001203 0000000000000000 0001 61 726564",
        "00 0000000000001207 0000000000000000 0001 62 677265656e",
        "00 0000000000001350 0000000000002000 0001 63",
    ];
    for (item, bytes) in items().iter().zip(by_hand) {
        assert_eq!(item.leaf_hash(), blake3_of(bytes), "{:?}", item.key);
        stands_in_the_page(bytes);
        stands_in_the_page(&hex(&item.leaf_hash().0));
    }
}

#[test]
fn nodes_are_the_hashes_of_their_children() {
    let [a, b, c] = items().map(|item| item.leaf_hash());
    let (nodes, root) = trie();
    let inner = Place { level: 1, prefix: 0x120 };
    let outer = Place { level: 3, prefix: 0x1 };
    assert_eq!(
        nodes.keys().copied().collect::<Vec<_>>(),
        [inner, outer],
        "two nodes, the levels between skipped"
    );

    let inner_hash = blake3_of(&format!(
        "01 01 0000000000000120 03 0000000000000001 0000000000000004 {} 07 0000000000000001 0000000000000006 {}",
        hex(&a.0),
        hex(&b.0)
    ));
    let outer_hash = blake3_of(&format!(
        "01 03 0000000000000001 02 0000000000000002 000000000000000a {} 03 0000000000000001 0000000000000001 {}",
        hex(&inner_hash.0),
        hex(&c.0)
    ));
    assert_eq!(node(&nodes, inner).hash(Hasher::NODE), inner_hash);
    assert_eq!((root.place, root.count, root.bytes, root.hash), (outer, 3, 11, outer_hash));
    stands_in_the_page(&hex(&inner_hash.0));
    stands_in_the_page(&hex(&outer_hash.0));
    stands_in_the_page(&hex(&Hash::empty().0));
}

#[test]
fn the_shape_does_not_depend_on_the_order() {
    let (nodes, root) = trie();
    for order in [[2, 1, 0], [1, 2, 0], [0, 2, 1]] {
        let (mut held, mut top) = (NewNodes::new(), None);
        for at in order {
            let item = &items()[at];
            let changes = Changes::from([(item.timestamp.0, Some(item.leaf()))]);
            let mut new = NewNodes::new();
            let Ok(next) = update(&Held(&held), Hasher::NODE, top, &changes, &mut new);
            held.extend(new);
            top = next;
        }
        held.retain(|_, node| node.is_some());
        assert_eq!((held, top), (nodes.clone(), Some(root)), "{order:?}");
    }
}

#[test]
fn the_head_is_signed_over_domain_mesh_and_fields() {
    let (mesh, owner, head) = head();
    let mut out = Writer::new();
    head.encode(&mut out);
    let bytes = out.finish();
    let fields = &bytes[..bytes.len() - 64];
    let statement = [b"datafan head\0", &mesh.0.0[..], fields].concat();
    assert_eq!(owner.sign(&statement), head.signature, "signatures of Ed25519 are deterministic");
    assert!(head.verify(&mesh, &Strict));
    for part in [&mesh.0.0[..], &head.owner.0, fields, &head.signature] {
        stands_in_the_page(&hex(part));
    }
}

#[test]
fn the_delta_from_nothing_has_these_bytes() {
    let (_, _, head) = head();
    let body = encode_delta(Timestamp::ZERO, &items(), &[]);
    let by_hand = "03 8324 00 01 61 03 726564 04 00 01 62 05 677265656e c902 8040 01 63 00 00";
    assert_eq!(body, unhex(by_hand));
    stands_in_the_page(by_hand);
    let message = Message::Push(Delta::new(head, Timestamp::ZERO, &body)).encode();
    let mut by_hand = vec![3, 4];
    let mut out = Writer::new();
    head.encode(&mut out);
    by_hand.extend(out.finish());
    by_hand.extend([0; 8]);
    by_hand.extend(body);
    assert_eq!(message, by_hand);
}

#[test]
fn the_trie_of_heads_has_this_leaf() {
    let (mesh, _, head) = head();
    let place = blake3_of(&format!("05 {} {}", hex(&mesh.0.0), hex(&head.owner.0)));
    let leaf = blake3_of(&format!("03 {} 0000000000001350 {}", hex(&head.owner.0), hex(&head.root.0)));
    stands_in_the_page(&hex(&place.0[..8]));
    stands_in_the_page(&hex(&leaf.0));
}

fn items() -> [Item; 3] {
    let item = |timestamp, key: &str, value: &[u8], expiry: Option<u64>| Item {
        key: Key::new(key).expect("a key"),
        timestamp: Timestamp(timestamp),
        expiry: expiry.map(Timestamp),
        value: value.into(),
    };
    [item(0x1203, "a", b"red", None), item(0x1207, "b", b"green", None), item(0x1350, "c", b"", Some(0x2000))]
}

fn trie() -> (NewNodes, Branch) {
    let changes: Changes = items().iter().map(|item| (item.timestamp.0, Some(item.leaf()))).collect();
    let mut nodes = NewNodes::new();
    let Ok(root) = update(&Held(&NewNodes::new()), Hasher::NODE, None, &changes, &mut nodes);
    (nodes, root.expect("three leaves"))
}

fn head() -> (MeshId, Identity, Head) {
    let (authority, owner) = (Identity::from_secret(&[1; 32]), Identity::from_secret(&[2; 32]));
    let mesh = MeshId(authority.id());
    let (id, root): (MemberId, Branch) = (owner.id(), trie().1);
    let (timestamp, signature) = (Timestamp(0x1350), [0; 64]);
    let head = Head { owner: id, timestamp, items: 3, bytes: 11, root: root.hash, signature };
    (mesh, owner.clone(), head.signed(&mesh, &owner))
}

struct Held<'a>(&'a NewNodes);

impl Nodes for Held<'_> {
    type Error = Infallible;

    fn node(&self, place: Place) -> Result<Node, Infallible> {
        Ok(node(self.0, place))
    }
}

fn node(nodes: &NewNodes, place: Place) -> Node {
    nodes[&place].clone().expect("the node exists")
}

fn stands_in_the_page(text: &str) {
    assert!(PAGE.contains(text), "docs/protocol.md lacks {text}");
}

fn blake3_of(bytes: &str) -> Hash {
    Hash(*blake3::hash(&unhex(bytes)).as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| *c != ' ').collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).expect("hex digits");
    digits.chunks(2).map(byte).collect()
}
