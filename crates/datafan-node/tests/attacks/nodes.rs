//! Nodes of a shard's trie with one change, in answers to a reconciliation.

use crate::attack::{Act, Attack, Fate, Stage, Violation, Who};
use datafan_core::{
    hash::Hash,
    message::{ChildAnswer, Message, NodeAnswer},
    trie::Place,
};

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "wrong hash",
        does: "changes the hash of a child in a node",
        act: Act::Violates(Violation::Nodes(|_, nodes| *other(nodes).hash = Hash([7; 32]))),
        ..NODE
    },
    Attack {
        name: "wrong counts",
        does: "says that a child has one item more",
        act: Act::Violates(Violation::Nodes(|_, nodes| *other(nodes).count += 1)),
        ..NODE
    },
    Attack {
        name: "overflowing counts",
        does: "says that a child has 2^64 - 1 items",
        act: Act::Violates(Violation::Nodes(|_, nodes| *other(nodes).count = u64::MAX)),
        ..NODE
    },
    Attack {
        name: "wrong bytes",
        does: "says that a child has fewer bytes",
        act: Act::Violates(Violation::Nodes(|_, nodes| *other(nodes).bytes -= 1)),
        ..NODE
    },
    Attack {
        name: "wrong level",
        does: "moves a node up by a level",
        act: Act::Violates(Violation::Nodes(|_, nodes| {
            let Place { level, prefix } = nodes[0].place;
            nodes[0].place = Place { level: level + 1, prefix: prefix >> 4 };
        })),
        ..NODE
    },
    Attack {
        name: "foreign prefix",
        does: "answers with a node outside the requested slot",
        act: Act::Violates(Violation::Nodes(|request, nodes| {
            for (ask, node) in request.slots.iter().zip(nodes).filter(|(ask, _)| ask.slot != Place::ALL) {
                node.place = Place { prefix: ask.slot.prefix ^ 1, ..ask.slot };
            }
        })),
        ..NODE
    },
    Attack {
        name: "wrong digit",
        does: "moves a child to another digit",
        act: Act::Violates(Violation::Nodes(|_, nodes| move_child(nodes))),
        ..NODE
    },
    Attack {
        name: "omitted child",
        does: "leaves a child out of a node",
        act: Act::Violates(Violation::Nodes(|_, nodes| {
            let large = nodes.iter_mut().filter(|node| node.children.len() > 2);
            large.for_each(|node| node.children.truncate(node.children.len() - 1));
        })),
        ..NODE
    },
    Attack {
        name: "claimed hint",
        does: "says that a child is as hinted when it is not, or nothing was hinted",
        act: Act::Violates(Violation::Nodes(|_, nodes| {
            nodes[0].children.iter_mut().for_each(|(_, child)| *child = ChildAnswer::Same);
        })),
        ..NODE
    },
    Attack {
        name: "wrong number of nodes",
        does: "answers with one node too many",
        act: Act::Violates(Violation::Nodes(|_, nodes| nodes.push(nodes[0].clone()))),
        counter: "wrong_answer",
        ..NODE
    },
    Attack {
        name: "wrong kind of answer",
        does: "answers with ranges to a request for nodes",
        act: Act::Violates(Violation::Instead(|shard, request| {
            Message::Ranges(request.id, vec![shard.items.clone(); request.slots.len()])
        })),
        counter: "wrong_answer",
        ..NODE
    },
    Attack {
        name: "empty child",
        does: "says that a child has no items",
        act: Act::Violates(Violation::Nodes(|_, nodes| *other(nodes).count = 0)),
        counter: "malformed",
        fate: Fate::ClosedAndBackedOff,
        ..NODE
    },
    Attack {
        name: "lone child",
        does: "sends a node with a single child",
        act: Act::Violates(Violation::Nodes(|_, nodes| nodes[0].children.truncate(1))),
        counter: "malformed",
        fate: Fate::ClosedAndBackedOff,
        ..NODE
    },
    Attack {
        name: "node without a level",
        does: "sends a node at the level of items",
        act: Act::Violates(Violation::Nodes(|_, nodes| nodes[0].place = Place { level: 0, prefix: 1 })),
        counter: "malformed",
        fate: Fate::ClosedAndBackedOff,
        ..NODE
    },
];

const NODE: Attack = Attack {
    name: "",
    does: "",
    who: Who::Member,
    stage: Stage::Behind,
    act: Act::Violates(Violation::None),
    counter: "node",
    fate: Fate::BackedOff,
    outcome: "does not have the requested hash; reconciliation goes on with another member",
};

/// Parts of a child that is sent.
struct Other<'a> {
    count: &'a mut u64,
    bytes: &'a mut u64,
    hash: &'a mut Hash,
}

fn other(nodes: &mut [NodeAnswer]) -> Other<'_> {
    let children = nodes[0].children.iter_mut();
    let mut others = children.filter_map(|(_, child)| match child {
        ChildAnswer::Other { count, bytes, hash } => Some(Other { count, bytes, hash }),
        ChildAnswer::Same => None,
    });
    others.next().unwrap()
}

fn move_child(nodes: &mut [NodeAnswer]) {
    let children = &mut nodes[0].children;
    let free = (0..16).find(|digit| children.iter().all(|(taken, _)| taken != digit)).unwrap();
    let sent = children.iter().position(|(_, child)| *child != ChildAnswer::Same).unwrap();
    children[sent].0 = free;
    children.sort_by_key(|(digit, _)| *digit);
}
