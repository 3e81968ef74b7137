//! What an attacker holds of a shard: the real thing, and the honest answers that follow from it.

use datafan_core::{
    connector::Frame,
    hash::{Hash, Hasher},
    head::Head,
    id::{MemberId, MeshId},
    identity::Identity,
    item::{Item, Key},
    message::{Ask, ChildAnswer, Delta, Hints, Message, NodeAnswer, Request, encode_delta},
    time::Timestamp,
    trie::{Branch, NewNodes, Node, Nodes, Place, at_slot, join},
};
use datafan_node::Node as Member;
use std::convert::Infallible;

/// One state of a shard, with its trie.
#[derive(Clone)]
pub struct Shard {
    pub head: Head,
    /// Ascending by timestamp.
    pub items: Vec<Item>,
    pub graves: Vec<(Timestamp, Key)>,
    root: Option<Branch>,
    nodes: NewNodes,
}

/// A delta in parts, to be changed before it is sent.
#[derive(Clone)]
pub struct Parts {
    pub head: Head,
    pub base: Timestamp,
    pub items: Vec<Item>,
    pub graves: Vec<(Timestamp, Key)>,
}

/// An answer in parts, to be changed before it is sent.
pub enum Answer {
    Nodes(Request, Vec<NodeAnswer>),
    Ranges(Request, Vec<Vec<Item>>),
}

impl Shard {
    /// The shard of `owner` as `member` holds it.
    pub fn of(member: &Member, owner: &MemberId) -> Self {
        let snapshot = member.snapshot().unwrap().with_system();
        let head = snapshot.head(owner).unwrap().unwrap();
        let items = snapshot.owner(owner).map(|entry| (*entry.unwrap().item).clone()).collect();
        Self::new(head, items)
    }

    /// A state of the shard of `owner` that it never was in, signed by its key.
    pub fn made(owner: &Identity, mesh: &MeshId, timestamp: Timestamp, items: Vec<Item>) -> Self {
        let (bytes, signature) = (items.iter().map(Item::bytes).sum(), [0; 64]);
        let (owner_id, n_items, root) = (owner.id(), items.len() as u64, Hash::empty());
        let head = Head { owner: owner_id, timestamp, items: n_items, bytes, root, signature };
        let mut copy = Self::new(head, items);
        copy.head.root = copy.root.map_or_else(Hash::empty, |root| root.hash);
        copy.head = copy.head.signed(mesh, owner);
        copy
    }

    fn new(head: Head, mut items: Vec<Item>) -> Self {
        items.sort_by_key(|item| item.timestamp);
        let leaves: Vec<Branch> =
            items.iter().map(|item| Branch::leaf(item.timestamp.0, item.leaf())).collect();
        let mut nodes = NewNodes::new();
        let root = join(Hasher::NODE, &leaves, &mut nodes);
        Self { head, items, graves: Vec::new(), root, nodes }
    }

    /// With the graves that its owner left.
    pub fn with(self, graves: Vec<(Timestamp, Key)>) -> Self {
        Self { graves, ..self }
    }

    /// What leads from `since` to this state.
    pub fn delta(&self, since: Timestamp) -> Parts {
        let items = self.items.iter().filter(|item| item.timestamp > since).cloned().collect();
        let graves = self.graves.iter().filter(|(at, _)| *at > since && since > Timestamp::ZERO);
        Parts { head: self.head, base: since, items, graves: graves.cloned().collect() }
    }

    /// The nodes that are asked for; none if one of them is not here.
    pub fn nodes(&self, request: &Request) -> Option<Vec<NodeAnswer>> {
        let node = |ask: &Ask| {
            let branch = self.at(ask)?;
            Some(node_answer(self.nodes.get(&branch.place)?.as_ref()?, ask.hints.as_ref()))
        };
        request.slots.iter().map(node).collect()
    }

    /// The ranges that are asked for; none if one of them is not here.
    pub fn ranges(&self, request: &Request) -> Option<Vec<Vec<Item>>> {
        let range = |ask: &Ask| {
            let span = self.at(ask)?.place.span();
            Some(self.items.iter().filter(|item| span.contains(&item.timestamp.0)).cloned().collect())
        };
        request.slots.iter().map(range).collect()
    }

    fn at(&self, ask: &Ask) -> Option<Branch> {
        let Ok(branch) = at_slot(self, self.root, ask.slot);
        branch.filter(|branch| branch.hash == ask.hash)
    }
}

impl Nodes for Shard {
    type Error = Infallible;

    fn node(&self, place: Place) -> Result<Node, Infallible> {
        Ok(self.nodes[&place].clone().unwrap())
    }
}

impl Parts {
    pub fn push(&self) -> Frame {
        Message::Push(Delta::new(self.head, self.base, &self.body())).frame()
    }

    pub fn answer(&self) -> Frame {
        Message::Delta(Delta::new(self.head, self.base, &self.body())).frame()
    }

    fn body(&self) -> Vec<u8> {
        encode_delta(self.base, &self.items, &self.graves)
    }
}

impl Answer {
    pub fn frame(&self) -> Frame {
        match self {
            Self::Nodes(request, answers) => Message::Nodes(request.id, answers.clone()).frame(),
            Self::Ranges(request, ranges) => Message::Ranges(request.id, ranges.clone()).frame(),
        }
    }
}

fn node_answer(node: &Node, hints: Option<&Hints>) -> NodeAnswer {
    let hints = hints.filter(|hints| hints.place == node.place);
    let known = |digit: u8, hash: &Hash| {
        hints.is_some_and(|hints| {
            hints.children.iter().any(|(at, hint)| *at == digit && hash.0.starts_with(hint))
        })
    };
    let child = |child: &Branch| {
        let digit = node.place.digit_of(child.place.first());
        let other = ChildAnswer::Other { count: child.count, bytes: child.bytes, hash: child.hash };
        (digit, if known(digit, &child.hash) { ChildAnswer::Same } else { other })
    };
    NodeAnswer { place: node.place, children: node.children.iter().map(child).collect() }
}
