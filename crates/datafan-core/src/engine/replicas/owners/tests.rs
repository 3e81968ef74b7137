//! Compares the table with a map, and its hashes with the plain trie over all heads.

use super::{Owner, Owners, hash_place};
use crate::{
    hash::{Hash, Hasher},
    head::Head,
    id::{MemberId, MeshId},
    rng::Rng,
    store::{HeldTombstones, ShardNumber, ShardRecord},
    time::Timestamp,
    trie::{Branch, Leaf, NewNodes, Node, Nodes, Place, at_slot, join, root_hash},
};
use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};

/// Few owners in one page, some at the edge of its split, and many in two levels of pages.
#[test]
fn the_table_has_the_hashes_of_the_plain_trie() {
    for (seed, n_owners) in [(1, 1), (2, 7), (3, 60), (4, 90), (5, 3_000)] {
        let mut rng = Rng::new(seed);
        let mut check = Check::new();
        for step in 0..2 * n_owners {
            let owner = owner(rng.next() % n_owners);
            match rng.next() % 8 {
                0 => check.set(owner, None),
                1 => drop(check.owners.entry(&owner)),
                _ => check.set(owner, Some(rng.next())),
            }
            if step % (n_owners / 8 + 1) == 0 {
                check.compare(&mut rng);
            }
        }
        check.compare(&mut rng);
    }
}

struct Check {
    owners: Owners,
    heads: BTreeMap<MemberId, Head>,
    /// All heads that were ever held.
    ever: Vec<Head>,
}

struct Plain(NewNodes);

impl Check {
    fn new() -> Self {
        Self { owners: Owners::new(MESH), heads: BTreeMap::new(), ever: Vec::new() }
    }

    fn set(&mut self, owner: MemberId, timestamp: Option<u64>) {
        let Some(timestamp) = timestamp else {
            self.heads.remove(&owner);
            return self.owners.hold(&owner, None);
        };
        let (timestamp, root) = (Timestamp(timestamp), Hash([timestamp as u8; 32]));
        let head = Head { owner, timestamp, items: 1, bytes: 1, root, signature: [0; 64] };
        let record = ShardRecord::whole(head, None, HeldTombstones::default());
        self.heads.insert(owner, head);
        self.owners.hold(&owner, Some((ShardNumber(7), Arc::new(record))));
        assert!(self.owners.is_recent_head(&head));
        self.ever.push(head);
    }

    fn compare(&mut self, rng: &mut Rng) {
        let mut leaves: Vec<Branch> = self.heads.values().map(leaf).collect();
        leaves.sort_by_key(|leaf| leaf.place.prefix);
        let mut nodes = NewNodes::new();
        let root = join(Hasher::HEAD_NODE, &leaves, &mut nodes);
        assert_eq!(self.owners.root(), root_hash(root.as_ref()));
        let plain = Plain(nodes);
        for _ in 0..50 {
            let slot = Place::containing(rng.next(), (rng.next() % 17) as u8);
            let slot = match leaves.get(rng.next() as usize % leaves.len().max(1)) {
                Some(leaf) => Place::containing(leaf.place.prefix, slot.level),
                None => slot,
            };
            let branch = self.owners.at_slot(slot);
            assert_eq!(Ok(branch), at_slot(&plain, root, slot));
            let Some(branch) = branch else { continue };
            let node = (branch.place.level > 0).then(|| plain.node(branch.place).unwrap());
            assert_eq!(self.owners.node_of(&branch), node);
            assert_eq!(self.owners.head_at(&branch).is_some(), node.is_none());
        }
        for head in self.ever.iter().filter(|head| self.owners.is_recent_head(head)) {
            assert_eq!(self.heads.get(&head.owner), Some(head));
        }
        let held = self.owners.iter().filter_map(|owner| Some((*owner.id(), *owner.head()?)));
        assert_eq!(held.collect::<BTreeMap<_, _>>(), self.heads);
        assert!(self.heads.iter().all(|(id, head)| self.owners[id].head() == Some(head)));
    }
}

/// What makes the table small: see [`Owner`].
#[test]
fn an_idle_owner_is_small() {
    assert_eq!(size_of::<Owner>(), 24);
}

impl Nodes for Plain {
    type Error = ();

    fn node(&self, place: Place) -> Result<Node, ()> {
        self.0.get(&place).cloned().flatten().ok_or(())
    }
}

const MESH: MeshId = MeshId(MemberId([9; 32]));

fn owner(n: u64) -> MemberId {
    let mut id = [3; 32];
    id[..8].copy_from_slice(&n.to_be_bytes());
    MemberId(id)
}

fn leaf(head: &Head) -> Branch {
    let mut hasher = Hasher::new(Hasher::HEAD_LEAF);
    let hash = hasher.bytes(&head.owner.0).u64(head.timestamp.0).bytes(&head.root.0).finish();
    Branch::leaf(hash_place(&MESH, &head.owner), Leaf { bytes: 0, hash })
}
