//! A shard as its owner signed it.

use datafan_core::{
    hash::Hasher,
    head::Head,
    id::MeshId,
    identity::Identity,
    item::{Item, Key},
    store::{HeldTombstones, ShardChange, ShardNumber, ShardRecord},
    time::Timestamp,
    trie::{Branch, NewNodes, join},
};
use std::sync::Arc;

/// Its number.
pub const SHARD: ShardNumber = ShardNumber(3);

/// A valid shard, and the parts of it to damage.
pub struct Sound {
    pub mesh: MeshId,
    pub owner: Identity,
    pub items: Vec<Arc<Item>>,
    pub nodes: NewNodes,
    pub root: Branch,
}

impl Sound {
    /// 700 items of one owner.
    pub fn new() -> Self {
        let (mesh, owner) = (MeshId(Identity::from_secret(&[1; 32]).id()), Identity::from_secret(&[2; 32]));
        let item = |n: u64| {
            // Some close to each other, some far apart, so that there are nodes of several levels.
            let timestamp = Timestamp(1_000 + 3 * n + (n / 50) * 70_000);
            let key = Key::new(format!("key-{}", n * 7 % 1_000)).unwrap();
            Arc::new(Item { key, timestamp, expiry: None, value: n.to_le_bytes().into() })
        };
        let items: Vec<Arc<Item>> = (0..700).map(item).collect();
        let leaves: Vec<Branch> =
            items.iter().map(|item| Branch::leaf(item.timestamp.0, item.leaf())).collect();
        let mut nodes = NewNodes::new();
        let root = join(Hasher::NODE, &leaves, &mut nodes).expect("there are items");
        Self { mesh, owner, items, nodes, root }
    }

    /// Its head.
    pub fn head(&self) -> Head {
        let timestamp = self.items.last().unwrap().timestamp;
        let Branch { count: items, bytes, hash: root, .. } = self.root;
        let head = Head { owner: self.owner.id(), timestamp, items, bytes, root, signature: [0; 64] };
        head.signed(&self.mesh, &self.owner)
    }

    /// Its record.
    pub fn record(&self) -> ShardRecord {
        ShardRecord::whole(self.head(), Some(self.root), HeldTombstones::default())
    }

    /// All rows in their valid form.
    pub fn rows(&self) -> ShardChange {
        ShardChange {
            record: Some(self.record().into()),
            log: self.items.iter().map(|item| (item.timestamp, Some(item.clone()))).collect(),
            keys: self.items.iter().map(|item| (item.key.clone(), Some(item.timestamp))).collect(),
            nodes: self.nodes.clone(),
            ..ShardChange::default()
        }
    }
}
