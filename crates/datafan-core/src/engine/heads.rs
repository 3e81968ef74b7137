//! The trie of heads: one hash for all that a member holds.
//!
//! The same trie as a shard's, indexed by a keyed hash of the owner's id; a leaf is the hash of owner, timestamp and
//! root. It is advisory: its nodes prove nothing, its leaves are heads and prove themselves.

use crate::{
    hash::{Hash, Hasher},
    head::Head,
    id::{MemberId, MeshId},
    trie::{Branch, Changes, Leaf, NewNodes, Node, Nodes, Place, at_slot, root_hash, update},
};
use alloc::collections::BTreeMap;
use core::convert::Infallible;

/// The heads that a member holds, ordered by place.
pub(crate) struct HeadIndex {
    mesh: MeshId,
    nodes: BTreeMap<Place, Node>,
    root: Option<Branch>,
    // Two owners with one place have a chance of 2^-64: the second is left out, and found by its pushes only.
    owners: BTreeMap<u64, MemberId>,
}

impl HeadIndex {
    pub(crate) fn new(mesh: MeshId) -> Self {
        Self { mesh, nodes: BTreeMap::new(), root: None, owners: BTreeMap::new() }
    }

    pub(crate) fn root(&self) -> Hash {
        root_hash(self.root.as_ref())
    }

    /// Sets or removes the head of `owner`.
    pub(crate) fn set(&mut self, owner: &MemberId, head: Option<&Head>) {
        let place = self.place(owner);
        if self.owners.get(&place).is_some_and(|other| other != owner) {
            return;
        }
        match head {
            Some(_) => self.owners.insert(place, *owner),
            None => self.owners.remove(&place),
        };
        let leaf = head.map(|head| Leaf { bytes: 0, hash: leaf_hash(head) });
        let mut new = NewNodes::new();
        let changes = Changes::from([(place, leaf)]);
        let Ok(root) = update(&*self, Hasher::HEAD_NODE, self.root, &changes, &mut new);
        self.root = root;
        for (place, node) in new {
            match node {
                Some(node) => self.nodes.insert(place, node),
                None => self.nodes.remove(&place),
            };
        }
    }

    /// The topmost branch at or below `slot`.
    pub(crate) fn at_slot(&self, slot: Place) -> Option<Branch> {
        let Ok(branch) = at_slot(self, self.root, slot);
        branch
    }

    /// The node of a branch that is no leaf.
    pub(crate) fn node_of(&self, branch: &Branch) -> Option<&Node> {
        self.nodes.get(&branch.place)
    }

    /// The owners in `place`.
    pub(crate) fn owners_in(&self, place: Place) -> impl Iterator<Item = &MemberId> {
        self.owners.range(place.span()).map(|(_, owner)| owner)
    }

    /// The place of an owner.
    pub(crate) fn place(&self, owner: &MemberId) -> u64 {
        let hash = Hasher::new(Hasher::HEAD_PLACE).bytes(&self.mesh.0.0).bytes(&owner.0).finish();
        let [a, b, c, d, e, f, g, h, ..] = hash.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

fn leaf_hash(head: &Head) -> Hash {
    let mut hasher = Hasher::new(Hasher::HEAD_LEAF);
    hasher.bytes(&head.owner.0).u64(head.timestamp.0).bytes(&head.root.0).finish()
}

impl Nodes for HeadIndex {
    type Error = Infallible;

    fn node(&self, place: Place) -> Result<Node, Infallible> {
        Ok(self.nodes.get(&place).cloned().expect("the index holds all nodes below its root"))
    }
}
