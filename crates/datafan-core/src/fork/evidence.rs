//! The evidence of a fork: two heads, and an item that one of them lacks.

use crate::{
    codec::{DecodeError, Reader, Writer, malformed},
    hash::{Hash, Hasher},
    head::Head,
    id::MeshId,
    identity::Verifier,
    item::Item,
    time::Timestamp,
    trie::{Branch, LEVELS, Node, Nodes, Place},
};
use alloc::vec::Vec;

const MAGIC: &[u8] = b"datafan fork";
const VERSION: u8 = 1;

/// Two states that one owner signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    /// The mesh.
    pub mesh: MeshId,
    /// The earlier head.
    pub first: Head,
    /// The later head, or another head with the same timestamp.
    pub second: Head,
    /// If the heads' timestamps differ, an item of the second state that the first lacks.
    pub item: Option<Lost>,
}

/// An item that the earlier state lacks although it should have it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lost {
    /// The item.
    pub item: Item,
    /// The nodes of the first trie, from its root down to where the item is missing.
    pub absent: Vec<Node>,
    /// The nodes of the second trie, from its root down to the item.
    pub present: Vec<Node>,
}

/// Why evidence does not prove a fork.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unproven {
    /// The heads belong to two owners.
    #[error("the heads are of two owners")]
    Owners,
    /// A head is not signed by its owner for this mesh.
    #[error("a head is not signed by its owner for this mesh")]
    Signature,
    /// One of the states may be an ancestor of the other.
    #[error("one state may be an ancestor of the other")]
    Consistent,
    /// The nodes do not lead from the signed roots to the item.
    #[error("the nodes do not lead from the signed roots to the item")]
    Path,
}

impl Evidence {
    /// Checks that the evidence proves a fork of the owner.
    ///
    /// # Errors
    /// Why it does not.
    pub fn verify(&self, verifier: &dyn Verifier) -> Result<(), Unproven> {
        if self.first.owner != self.second.owner {
            return Err(Unproven::Owners);
        }
        if !self.first.verify(&self.mesh, verifier) || !self.second.verify(&self.mesh, verifier) {
            return Err(Unproven::Signature);
        }
        let Some(lost) = &self.item else {
            let forked = self.first.timestamp == self.second.timestamp && self.first.root != self.second.root;
            return if forked { Ok(()) } else { Err(Unproven::Consistent) };
        };
        let (at, leaf) = (lost.item.timestamp, lost.item.leaf_hash());
        if at > self.first.timestamp || self.first.timestamp >= self.second.timestamp {
            return Err(Unproven::Consistent);
        }
        let there = |head, path| leaf_at(head, path, at).ok_or(Unproven::Path);
        match (there(&self.first, &lost.absent)?, there(&self.second, &lost.present)?) {
            (first, Some(second)) if second == leaf && first != Some(leaf) => Ok(()),
            _ => Err(Unproven::Consistent),
        }
    }

    /// The bytes of an evidence file.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.raw(MAGIC).byte(VERSION).id(&self.mesh.0);
        self.first.encode(&mut out);
        self.second.encode(&mut out);
        out.option(self.item.as_ref(), |out, lost| {
            lost.item.encode_body(out.fixed(lost.item.timestamp.0));
            for path in [&lost.absent, &lost.present] {
                out.list(path, |out, node| {
                    node.place.encode(out);
                    out.prefixed(&node.encode());
                });
            }
        });
        out.finish()
    }

    /// Decodes what [`Evidence::encode`] wrote. The evidence is not verified.
    ///
    /// # Errors
    /// If the bytes are malformed or exceed a limit.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        if input.take(MAGIC.len())? != MAGIC {
            return Err(malformed("beginning"));
        }
        let found = input.byte()?;
        if found != VERSION {
            return Err(DecodeError::Version { found, known: VERSION });
        }
        let mesh = MeshId(input.id()?);
        let (first, second) = (Head::decode(&mut input)?, Head::decode(&mut input)?);
        let item = input.option(|input| {
            let timestamp = Timestamp(input.fixed()?);
            let item = Item::decode_body(timestamp, input)?;
            Ok(Lost { item, absent: path(input)?, present: path(input)? })
        })?;
        input.end()?;
        Ok(Self { mesh, first, second, item })
    }
}

fn path(input: &mut Reader<'_>) -> Result<Vec<Node>, DecodeError> {
    input.list("nodes", usize::from(LEVELS), |input| {
        let place = Place::decode(input)?;
        Node::decode(place, input.prefixed("node", NODE_BYTES_MAX)?)
    })
}

/// Sixteen children of at most 64 bytes, and their count.
const NODE_BYTES_MAX: usize = 16 * 64 + 1;

/// The leaf at `at` in a head's trie, found through the nodes of `path`. `Some(None)` if there is no leaf;
/// `None` if the nodes do not lead there.
#[expect(clippy::option_option, reason = "nothing there, and nothing known, are two things")]
fn leaf_at(head: &Head, path: &[Node], at: Timestamp) -> Option<Option<Hash>> {
    let mut expected = head.root;
    match head.items {
        0 => return (expected == Hash::empty()).then_some(None),
        1 => return Some(Some(expected)),
        _ => {}
    }
    let position = Place { level: 0, prefix: at.0 };
    for node in path {
        if !node.is_well_formed() || node.hash(Hasher::NODE) != expected {
            return None;
        }
        if !node.place.contains(&position) {
            return Some(None);
        }
        match node.child(node.place.digit_of(at.0)) {
            None => return Some(None),
            Some(leaf) if leaf.count == 1 => return Some(Some(leaf.hash)),
            Some(child) => expected = child.hash,
        }
    }
    None
}

/// The nodes from a root down to `at`, or to where it is missing.
pub(crate) fn way<N: Nodes>(nodes: &N, root: Option<Branch>, at: Timestamp) -> Result<Vec<Node>, N::Error> {
    let mut way = Vec::new();
    let mut here = root.filter(|branch| branch.place.level > 0);
    while let Some(branch) = here {
        let node = nodes.node(branch.place)?;
        let inside = branch.place.contains(&Place { level: 0, prefix: at.0 });
        let child = node.child(branch.place.digit_of(at.0)).copied().filter(|_| inside);
        here = child.filter(|child| child.place.level > 0);
        way.push(node);
    }
    Ok(way)
}

/// The first leaf up to `until` that one trie has and the other lacks. Reads only what differs between them,
/// each node once.
pub(crate) fn first_lost<N: Nodes, M: Nodes<Error = N::Error>>(
    (has, root): (&N, Option<Branch>),
    (lacks, other): (&M, Option<Branch>),
    until: Timestamp,
) -> Result<Option<Timestamp>, N::Error> {
    // Each branch is paired with the topmost branch of the other trie in a slot around it.
    let mut below: Vec<(Branch, Option<Branch>)> = root.into_iter().map(|root| (root, other)).collect();
    while let Some((branch, around)) = below.pop() {
        if branch.place.first() > until.0 {
            continue;
        }
        let there = crate::trie::at_slot(lacks, around, branch.place)?;
        if there.is_some_and(|there| there.hash == branch.hash) {
            continue;
        }
        if branch.place.level == 0 {
            return Ok(Some(Timestamp(branch.place.prefix)));
        }
        let same = there.filter(|there| there.place == branch.place);
        let node = same.map(|there| lacks.node(there.place)).transpose()?;
        for child in has.node(branch.place)?.children.into_iter().rev() {
            let digit = branch.place.digit_of(child.place.first());
            let around = node.as_ref().map_or(there, |node| node.child(digit).copied());
            below.push((child, around));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        identity::{Identity, Strict},
        item::Key,
        trie::{NewNodes, join, root_hash},
    };
    use alloc::{format, sync::Arc, vec};

    struct State {
        nodes: NewNodes,
        root: Option<Branch>,
        head: Head,
    }

    impl Nodes for State {
        type Error = ();

        fn node(&self, place: Place) -> Result<Node, ()> {
            self.nodes.get(&place).cloned().flatten().ok_or(())
        }
    }

    fn owner() -> (MeshId, Identity) {
        (MeshId(Identity::from_secret(&[1; 32]).id()), Identity::from_secret(&[2; 32]))
    }

    fn item(at: u64) -> Item {
        let key = Key::new(format!("k{at}")).unwrap();
        Item { key, timestamp: Timestamp(at), expiry: None, value: Arc::from(*b"value") }
    }

    /// The state of items at `times`, as the owner signs it after its last write at `last`.
    fn state(times: &[u64], last: u64) -> State {
        let (mesh, owner) = owner();
        let leaves: Vec<Branch> = times.iter().map(|at| Branch::leaf(*at, item(*at).leaf())).collect();
        let mut nodes = NewNodes::new();
        let root = join(Hasher::NODE, &leaves, &mut nodes);
        let (items, bytes) = root.map_or((0, 0), |root| (root.count, root.bytes));
        let root_hash = root_hash(root.as_ref());
        let head = Head {
            owner: owner.id(),
            timestamp: Timestamp(last),
            items,
            bytes,
            root: root_hash,
            signature: [0; 64],
        };
        State { nodes, root, head: head.signed(&mesh, &owner) }
    }

    fn evidence(first: &State, second: &State) -> Option<Evidence> {
        let found = first_lost((second, second.root), (first, first.root), first.head.timestamp).unwrap();
        let at = found?;
        let absent = way(first, first.root, at).unwrap();
        let present = way(second, second.root, at).unwrap();
        let lost = Lost { item: item(at.0), absent, present };
        Some(Evidence { mesh: owner().0, first: first.head, second: second.head, item: Some(lost) })
    }

    #[test]
    fn an_old_item_that_comes_back_proves_a_fork() {
        let all: Vec<u64> = (0..200).map(|n| 1_000 + n * 37).collect();
        let without: Vec<u64> = all.iter().copied().filter(|at| *at != all[77]).collect();
        let later: Vec<u64> = all.iter().copied().chain([900_000]).collect();
        for (first, second) in [
            (state(&without, 800_000), state(&later, 900_000)),
            (state(&[], 800_000), state(&later, 900_000)),
            (state(&[50], 800_000), state(&[50, 60], 900_000)),
            (state(&[50], 800_000), state(&[60], 900_000)),
            (state(&[7_000_000_000, 7_000_000_001], 8_000_000_000), state(&all, 9_000_000_000)),
        ] {
            let evidence = evidence(&first, &second).expect("an old item is present again");
            assert_eq!(evidence.verify(&Strict), Ok(()));
            let bytes = evidence.encode();
            assert!(bytes.len() < crate::limits::EVIDENCE_BYTES_MAX);
            assert_eq!(Evidence::decode(&bytes).as_ref(), Ok(&evidence));
            for at in 0..bytes.len() {
                let mut altered = bytes.clone();
                altered[at] ^= 1;
                let proves =
                    Evidence::decode(&altered).is_ok_and(|evidence| evidence.verify(&Strict).is_ok());
                assert!(!proves || altered_place_only(&bytes, &altered, &evidence), "byte {at}");
                assert!(Evidence::decode(&bytes[..at]).is_err(), "cut at {at}");
            }
        }
    }

    /// The position of a leaf within its slot is not part of its parent's hash, so it proves nothing.
    fn altered_place_only(bytes: &[u8], altered: &[u8], evidence: &Evidence) -> bool {
        let (before, after) = (Evidence::decode(bytes).unwrap(), Evidence::decode(altered).unwrap());
        let (Some(before), Some(after)) = (before.item, after.item) else { return false };
        let hashes = |path: &[Node]| path.iter().map(|node| node.hash(Hasher::NODE)).collect::<Vec<_>>();
        before.item == after.item
            && hashes(&before.absent) == hashes(&after.absent)
            && hashes(&before.present) == hashes(&after.present)
            && evidence.verify(&Strict).is_ok()
    }

    #[test]
    fn an_honest_owner_is_never_convicted() {
        let before = state(&[10, 20, 30], 30);
        for (times, last) in
            [(vec![10, 30, 40], 40), (vec![40], 40), (vec![], 41), (vec![10, 20, 30, 31], 31)]
        {
            let after = state(&times, last);
            assert_eq!(evidence(&before, &after), None);
            for item_at in [10, 20, 31, 40] {
                let at = Timestamp(item_at);
                let absent = way(&before, before.root, at).unwrap();
                let present = way(&after, after.root, at).unwrap();
                let lost = Lost { item: item(item_at), absent, present };
                let mesh = owner().0;
                let made_up = Evidence { mesh, first: before.head, second: after.head, item: Some(lost) };
                assert!(made_up.verify(&Strict).is_err());
                let swapped = Evidence { first: after.head, second: before.head, ..made_up };
                assert!(swapped.verify(&Strict).is_err());
            }
        }
        let same = Evidence { mesh: owner().0, first: before.head, second: before.head, item: None };
        assert_eq!(same.verify(&Strict), Err(Unproven::Consistent));
        let other = Evidence { second: state(&[10, 21, 30], 30).head, ..same.clone() };
        assert_eq!(other.verify(&Strict), Ok(()), "two states with one timestamp");
        let elsewhere = Evidence { mesh: MeshId(owner().1.id()), ..other };
        assert_eq!(elsewhere.verify(&Strict), Err(Unproven::Signature));
    }
}
