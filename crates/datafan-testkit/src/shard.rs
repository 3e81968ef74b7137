//! A shard without an engine: a real one, or one that its owner never had, and the honest answers that follow
//! from it. Attackers change one detail of them.

use datafan_core::{
    connector::Frame,
    hash::{Hash, Hasher},
    head::Head,
    id::MeshId,
    identity::Identity,
    item::{Item, Key},
    message::{Ask, ChildAnswer, Delta, Hints, Message, NodeAnswer, Request, encode_delta},
    time::Timestamp,
    trie::{Branch, NewNodes, Node, Nodes, Place, at_slot, join},
};
use std::convert::Infallible;

/// A state of a shard, with its trie.
#[derive(Clone)]
pub struct Shard {
    /// The signed head.
    pub head: Head,
    /// Ascending by timestamp.
    pub items: Vec<Item>,
    /// The tombstones of its owner; none unless set with [`Shard::with`].
    pub tombstones: Vec<(Timestamp, Key)>,
    root: Option<Branch>,
    nodes: NewNodes,
}

/// The parts of a delta, to be changed before it is sent.
#[derive(Clone)]
pub struct Parts {
    /// The head that it leads to.
    pub head: Head,
    /// The timestamp from which it applies.
    pub base: Timestamp,
    /// Ascending by timestamp.
    pub items: Vec<Item>,
    /// Ascending.
    pub tombstones: Vec<(Timestamp, Key)>,
}

/// The parts of an answer, to be changed before it is sent.
pub enum Answer {
    /// The answer to [`Message::AskNodes`].
    Nodes(Request, Vec<NodeAnswer>),
    /// The answer to [`Message::AskRanges`].
    Ranges(Request, Vec<Vec<Item>>),
}

impl Shard {
    /// A state that the shard of `owner` never had, signed with its key.
    pub fn made(owner: &Identity, mesh: &MeshId, timestamp: Timestamp, items: Vec<Item>) -> Self {
        let (bytes, signature) = (items.iter().map(Item::bytes).sum(), [0; 64]);
        let (owner_id, n_items, root) = (owner.id(), items.len() as u64, Hash::empty());
        let head = Head { owner: owner_id, timestamp, items: n_items, bytes, root, signature };
        let mut copy = Self::new(head, items);
        copy.head.root = copy.root.map_or_else(Hash::empty, |root| root.hash);
        copy.head = copy.head.signed(mesh, owner);
        copy
    }

    /// A state with `items` and a given head, which may belong to another state.
    pub fn new(head: Head, mut items: Vec<Item>) -> Self {
        items.sort_by_key(|item| item.timestamp);
        let leaves: Vec<Branch> =
            items.iter().map(|item| Branch::leaf(item.timestamp.0, item.leaf())).collect();
        let mut nodes = NewNodes::new();
        let root = join(Hasher::NODE, &leaves, &mut nodes);
        Self { head, items, tombstones: Vec::new(), root, nodes }
    }

    /// Adds the tombstones that its owner left.
    pub fn with(self, tombstones: Vec<(Timestamp, Key)>) -> Self {
        Self { tombstones, ..self }
    }

    /// The delta from `since` to this state.
    pub fn delta(&self, since: Timestamp) -> Parts {
        let items = self.items.iter().filter(|item| item.timestamp > since).cloned().collect();
        let tombstones = self.tombstones.iter().filter(|(at, _)| *at > since && since > Timestamp::ZERO);
        Parts { head: self.head, base: since, items, tombstones: tombstones.cloned().collect() }
    }

    /// The answer to a request; `None` if the requested data is not here, or it is not a request.
    pub fn answer(&self, message: &Message<'_>) -> Option<Answer> {
        match message {
            Message::AskNodes(request) => Some(Answer::Nodes(request.clone(), self.nodes(request)?)),
            Message::AskRanges(request) => Some(Answer::Ranges(request.clone(), self.ranges(request)?)),
            _ => None,
        }
    }

    /// The requested nodes; `None` if one of them is not here.
    pub fn nodes(&self, request: &Request) -> Option<Vec<NodeAnswer>> {
        let node = |ask: &Ask| {
            let branch = self.at(ask)?;
            Some(node_answer(self.nodes.get(&branch.place)?.as_ref()?, ask.hints.as_ref()))
        };
        request.slots.iter().map(node).collect()
    }

    /// The requested ranges; `None` if one of them is not here.
    fn ranges(&self, request: &Request) -> Option<Vec<Vec<Item>>> {
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
        Ok(self.nodes[&place].clone().expect("a node of this trie"))
    }
}

impl Parts {
    /// The message that sends it unasked.
    pub fn push(&self) -> Frame {
        Message::Push(Delta::new(self.head, self.base, &self.body())).frame()
    }

    /// The message that answers a pull with it.
    pub fn answer(&self) -> Frame {
        Message::Delta(Delta::new(self.head, self.base, &self.body())).frame()
    }

    fn body(&self) -> Vec<u8> {
        encode_delta(self.base, &self.items, &self.tombstones)
    }
}

impl Answer {
    /// The message.
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
