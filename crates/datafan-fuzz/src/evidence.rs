//! Evidence of a fork, from a file. The first byte selects whether the rest is that file, or a script of an
//! honest owner and a forger: heads that the owner did sign, with any nodes and item that the input names.

use crate::corpus::Seed;
use datafan_core::{
    codec::{Reader, Writer},
    fork::{Evidence, Lost},
    hash::Hasher,
    head::Head,
    id::MeshId,
    identity::{Identity, Strict},
    item::{Item, Key},
    limits::EVIDENCE_BYTES_MAX,
    time::Timestamp,
    trie::{Branch, NewNodes, Node, Place, join, root_hash},
};
use std::collections::BTreeMap;

/// Decodes evidence: its encoding is unique, and no honest owner is convicted.
pub fn attack(bytes: &[u8]) {
    match bytes.split_first() {
        Some((form, bytes)) if form % 2 == 0 => read(bytes),
        Some((_, bytes)) => accuse(bytes),
        None => {}
    }
}

fn read(bytes: &[u8]) {
    let Ok(evidence) = Evidence::decode(bytes) else { return };
    assert_eq!(evidence.encode(), bytes, "there is one encoding");
    if evidence.verify(&Strict).is_ok() {
        let (first, second) = (evidence.first, evidence.second);
        assert_eq!(first.owner, second.owner);
        assert!(first.timestamp <= second.timestamp && first.root != second.root);
    }
}

/// An owner puts and deletes as the input says, each at a later time, and signs each state. Nothing that is
/// made of its heads, nodes and items proves a fork.
fn accuse(bytes: &[u8]) {
    let mut input = Reader::new(bytes);
    let Ok(states) = story(&mut input) else { return };
    let mut pick = |n: usize| input.byte().map(|byte| usize::from(byte) % n);
    let (Ok(first), Ok(second)) = (pick(states.len()), pick(states.len())) else { return };
    let nodes: Vec<&Node> = states.iter().flat_map(|state| state.nodes.values().flatten()).collect();
    let mut path = || -> Option<Vec<Node>> {
        let length = pick(5).ok()?;
        (0..length).map(|_| nodes.get(pick(nodes.len().max(1)).ok()?).map(|node| (*node).clone())).collect()
    };
    let (Some(absent), Some(present)) = (path(), path()) else { return };
    let items: Vec<&Item> = states.iter().flat_map(|state| state.items.values()).collect();
    let item = pick(items.len() + 1).ok().and_then(|at| items.get(at).copied());
    let lost = item.map(|item| Lost { item: item.clone(), absent, present });
    let (first, second) = (states[first].head, states[second].head);
    let evidence = Evidence { mesh: mesh(), first, second, item: lost };
    assert!(evidence.verify(&AnyoneSigned).is_err(), "an honest owner is convicted: {evidence:?}");
    // Neither do forged nodes.
    if let (Some(lost), Ok(change)) = (&evidence.item, pick(256)) {
        let mut altered = lost.clone();
        alter(&mut altered, change, pick(256).unwrap_or(0));
        let evidence = Evidence { item: Some(altered), ..evidence };
        assert!(evidence.verify(&AnyoneSigned).is_err(), "an honest owner is convicted: {evidence:?}");
    }
}

/// Signatures are not attacked here, and checking them takes most of the time.
struct AnyoneSigned;

impl datafan_core::identity::Verifier for AnyoneSigned {
    fn verify(&self, _: &datafan_core::id::MemberId, _: &[u8], _: &[u8; 64]) -> bool {
        true
    }
}

fn alter(lost: &mut Lost, change: usize, by: usize) {
    let path = if change.is_multiple_of(2) { &mut lost.absent } else { &mut lost.present };
    let n_nodes = path.len().max(1);
    let Some(node) = path.get_mut(by % n_nodes) else { return };
    let n_children = node.children.len().max(1);
    let child = node.children.get_mut(by / 16 % n_children);
    match (change / 2 % 6, child) {
        (0, _) => node.place = Place { level: (by % 17) as u8, prefix: node.place.prefix },
        (1, _) => node.place.prefix ^= by as u64,
        (2, Some(child)) => child.count = by as u64,
        (3, Some(child)) => child.hash.0[0] ^= by as u8,
        (4, Some(child)) => child.place.prefix ^= by as u64,
        _ => drop(node.children.pop()),
    }
}

struct State {
    items: BTreeMap<u64, Item>,
    nodes: NewNodes,
    head: Head,
}

/// Up to 24 commits: each byte gives the time since the previous one, and the key to put or delete.
fn story(input: &mut Reader<'_>) -> Result<Vec<State>, datafan_core::codec::DecodeError> {
    let (mut items, mut at) = (BTreeMap::<u64, Item>::new(), 1_000);
    let n_commits = 1 + usize::from(input.byte()?) % 24;
    let mut states = Vec::new();
    for _ in 0..n_commits {
        let (later, what) = (input.byte()?, input.byte()?);
        at += (1 + u64::from(later % 16)) << (4 * (later / 16 % 4));
        let key = Key::new(format!("k{}", what % 8)).expect("a key");
        items.retain(|_, item| item.key != key);
        if what < 192 {
            let item = Item { key, timestamp: Timestamp(at), expiry: None, value: [what].as_slice().into() };
            items.insert(at, item);
        }
        states.push(State::new(items.clone(), at));
    }
    Ok(states)
}

impl State {
    fn new(items: BTreeMap<u64, Item>, last: u64) -> Self {
        let leaves: Vec<Branch> = items.iter().map(|(at, item)| Branch::leaf(*at, item.leaf())).collect();
        let mut nodes = NewNodes::new();
        let top = join(Hasher::NODE, &leaves, &mut nodes);
        let (n_items, bytes) = top.map_or((0, 0), |top| (top.count, top.bytes));
        let (owner, root) = (owner().id(), root_hash(top.as_ref()));
        let timestamp = Timestamp(last);
        let head = Head { owner, timestamp, items: n_items, bytes, root, signature: [0; 64] };
        Self { items, nodes, head }
    }
}

fn mesh() -> MeshId {
    MeshId(Identity::from_secret(&[1; 32]).id())
}

fn owner() -> Identity {
    Identity::from_secret(&[2; 32])
}

/// Evidence of both kinds, and a script.
pub fn seeds() -> Vec<Seed> {
    let story =
        [&[1, 7][..], &[0x05, 1, 0x12, 2, 0x21, 3, 0x33, 1, 0x01, 200, 0x10, 4, 0x02, 5, 0x07, 6]].concat();
    let states = self::story(&mut Reader::new(&story[1..])).expect("a sound story");
    let signed = |state: &State| state.head.signed(&mesh(), &owner());
    let (without, with) = (&states[0], &states[3]);
    let (mut head, second) = (signed(without), signed(with));
    let same_time = Evidence {
        mesh: mesh(),
        first: Head { timestamp: second.timestamp, ..head }.signed(&mesh(), &owner()),
        second,
        item: None,
    };
    // A state without an item, signed after the item was written.
    let (at, item) = with.items.first_key_value().expect("an item");
    head = Head { timestamp: Timestamp(at + 1), ..head }.signed(&mesh(), &owner());
    let way = |state: &State| {
        let position = Place { level: 0, prefix: *at };
        let mut way: Vec<Node> = state.nodes.values().flatten().cloned().collect();
        way.retain(|node| node.place.contains(&position));
        way.sort_by_key(|node| std::cmp::Reverse(node.place.level));
        way
    };
    let lost = Lost { item: item.clone(), absent: way(without), present: way(with) };
    let old_item = Evidence { mesh: mesh(), first: head, second, item: Some(lost) };
    assert!(old_item.encode().len() < EVIDENCE_BYTES_MAX);
    let file = |evidence: &Evidence| {
        assert_eq!(evidence.verify(&Strict), Ok(()), "a fork is proven");
        let mut out = Writer::new();
        out.byte(0).raw(&evidence.encode());
        out.finish()
    };
    let told = [&story[..], &[1, 3, 1, 0, 2, 0, 1, 0, 3, 5, 17]].concat();
    vec![
        ("same-time".to_owned(), file(&same_time)),
        ("old-item".to_owned(), file(&old_item)),
        ("honest".to_owned(), told),
    ]
}
