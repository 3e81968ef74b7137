//! A member that signs whatever the script says, and answers requests for it.

use super::{
    script::Script,
    setting::{self, Who},
};
use datafan_core::{
    hash::{Hash, Hasher},
    head::Head,
    identity::Identity,
    item::{Item, Key},
    message::{ChildAnswer, Delta, HeadAnswer, Hello, Message, NodeAnswer, encode_delta},
    runs::RunId,
    time::Timestamp,
    trie::{Branch, NewNodes, Node, Nodes, Place, at_slot, join, root_hash},
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

pub struct Violator {
    identity: Identity,
    /// By timestamp: a key may occur twice.
    items: BTreeMap<Timestamp, Item>,
    head: Option<Head>,
    requests: VecDeque<Arc<[u8]>>,
}

/// The trie of the violator.
struct Trie {
    nodes: NewNodes,
    root: Option<Branch>,
}

impl Violator {
    pub fn new() -> Self {
        Self {
            identity: setting::identity(Who::Violator),
            items: BTreeMap::new(),
            head: None,
            requests: VecDeque::new(),
        }
    }

    /// Receives the effects of the victim; only requests are kept.
    pub fn hear(&mut self, bytes: Arc<[u8]>) {
        if self.requests.len() < 64 {
            self.requests.push_back(bytes);
        }
    }

    /// Hello and Welcome.
    pub fn greeting(who: Who, roster: Option<Head>, wall: Timestamp) -> [Vec<u8>; 2] {
        let (mesh, name) = (setting::mesh(), setting::config(who).name);
        let (run, addresses) = (RunId([7; 8]), vec!["host:1".into()]);
        let (yours, age_micros, below_minimum) = (vec![], 1, true);
        let hello = Hello { mesh, name, roster, yours, wall, run, age_micros, addresses, below_minimum };
        [Message::Hello(hello.into()).encode(), Message::Welcome.encode()]
    }

    /// A new state, as valid as the script wants it, and the message that announces it.
    pub fn craft(&mut self, script: &mut Script<'_>, wall: Timestamp) -> Vec<u8> {
        let before = self.head.map_or(Timestamp::ZERO, |head| head.timestamp);
        let mut at = before.max(Timestamp(wall.0.saturating_sub(1_000_000)));
        let specified: Vec<[u8; 3]> =
            (0..script.byte() % 24).map(|_| [script.byte(), script.byte(), script.byte()]).collect();
        let flags = script.byte();
        let has = |bit: u8| flags & bit != 0;
        if !has(32) {
            self.items.clear();
        }
        for [key, gap, len] in specified {
            at = Timestamp(at.0 + 1 + (u64::from(gap) << (gap % 24)));
            let key = Key::new(format!("r{}", key % 12)).expect("a key");
            if !has(1) {
                self.items.retain(|_, item| item.key != key);
            }
            let expiry = (len % 16 == 1).then_some(Timestamp(wall.0 + u64::from(len)));
            let value = vec![len; usize::from(len)].into();
            self.items.insert(at, Item { key, timestamp: at, expiry, value });
        }
        let head = self.signed(script, flags);
        self.head = Some(head);
        let base = if has(128) { Timestamp::ZERO } else { before };
        let told: Vec<&Item> = self.items.range(Timestamp(base.0 + 1)..).map(|(_, item)| item).collect();
        let body = encode_delta(base, &told, &[]);
        match has(64) {
            true => Message::Announce(vec![head]).encode(),
            false => Message::Push(Delta::new(head, base, &body)).encode(),
        }
    }

    fn signed(&self, script: &mut Script<'_>, flags: u8) -> Head {
        let has = |bit: u8| flags & bit != 0;
        let bytes = self.items.values().map(Item::bytes).sum::<u64>();
        let last = self.items.last_key_value().map_or(Timestamp(1), |(at, _)| *at);
        let mut root = root_hash(self.trie().root.as_ref());
        if has(16) {
            root = Hash([script.byte(); 32]);
        }
        let head = Head {
            owner: self.identity.id(),
            timestamp: if has(2) { Timestamp(last.0.saturating_sub(1)) } else { last },
            items: self.items.len() as u64 + if has(4) { u64::from(script.byte()) } else { 0 },
            bytes: bytes.wrapping_add(if has(8) { u64::from(script.byte()).wrapping_neg() } else { 0 }),
            root,
            signature: [0; 64],
        };
        head.signed(&setting::mesh(), &self.identity)
    }

    /// The answer to the oldest request; `None` if there is none, or it is not a request.
    pub fn answer(&mut self, script: &mut Script<'_>) -> Option<Vec<u8>> {
        let bytes = self.requests.pop_front()?;
        let (choice, head) = (script.byte(), self.head?);
        let trie = self.trie();
        let message = match Message::decode(&bytes).ok()? {
            Message::Pull(wants) => {
                let want = wants.first()?;
                let since = want.since.min(Timestamp(u64::MAX - 1));
                let items: Vec<&Item> = self.items.range(since.next()?..).map(|(_, item)| item).collect();
                let body = encode_delta(since, &items, &[]);
                return Some(match choice % 4 {
                    0 | 1 => Message::Delta(Delta::new(head, since, &body)).encode(),
                    2 => Message::DeltaUnavailable(head).encode(),
                    _ => Message::UpToDate(want.owner).encode(),
                });
            }
            Message::AskHeads(_) => Message::Heads(vec![HeadAnswer::Leaf(head)]),
            Message::AskNodes(request) => {
                let answers = request.slots.iter().map(|ask| trie.answer(ask.slot)).collect::<Option<_>>();
                answers.map_or(Message::StateChanged(request.id, Some(head)), |all| {
                    Message::Nodes(request.id, all)
                })
            }
            Message::AskRanges(request) => {
                let inside = |slot: Place| {
                    let span = Timestamp(slot.first())..=Timestamp(slot.last());
                    self.items.range(span).map(|(_, item)| item.clone()).collect()
                };
                Message::Ranges(request.id, request.slots.iter().map(|ask| inside(ask.slot)).collect())
            }
            _ => return None,
        };
        Some(message.encode())
    }

    fn trie(&self) -> Trie {
        let leaves: Vec<Branch> =
            self.items.values().map(|item| Branch::leaf(item.timestamp.0, item.leaf())).collect();
        let mut nodes = NewNodes::new();
        let root = join(Hasher::NODE, &leaves, &mut nodes);
        Trie { nodes, root }
    }
}

impl Trie {
    fn answer(&self, slot: Place) -> Option<NodeAnswer> {
        let branch = at_slot(self, self.root, slot).ok()??;
        let node = self.node(branch.place).ok()?;
        let child = |child: &Branch| {
            let digit = node.place.digit_of(child.place.first());
            (digit, ChildAnswer::Other { count: child.count, bytes: child.bytes, hash: child.hash })
        };
        Some(NodeAnswer { place: node.place, children: node.children.iter().map(child).collect() })
    }
}

impl Nodes for Trie {
    type Error = ();

    fn node(&self, place: Place) -> Result<Node, ()> {
        self.nodes.get(&place).cloned().flatten().ok_or(())
    }
}
