//! Messages out of turn: answers that nobody asked for, greetings twice or too late.

use crate::attack::{Act, Attack, Fate, Stage, Who};
use datafan_core::{
    hash::Hash,
    id::MemberId,
    message::{Ask, HeadAnswer, Message, Request},
    time::Timestamp,
    trie::Place,
};
use datafan_testkit::shard::Answer;

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "unasked nodes",
        does: "sends nodes that nobody asked for",
        act: Act::Says(|facts| {
            let slots = vec![Ask { slot: Place::ALL, hash: facts.second.head.root, hints: None }];
            let request = Request { id: 77, owner: facts.owner, root: facts.second.head.root, slots };
            let nodes = facts.second.nodes(&request).unwrap();
            vec![Answer::Nodes(request, nodes).frame()]
        }),
        ..UNASKED
    },
    Attack {
        name: "unasked ranges",
        does: "sends items that nobody asked for",
        act: Act::Says(|facts| vec![Message::Ranges(77, vec![facts.first.items.clone()]).frame()]),
        ..UNASKED
    },
    Attack {
        name: "unasked delta",
        does: "sends a delta as the answer to a pull that there was not",
        stage: Stage::Behind,
        act: Act::Says(|facts| vec![facts.second.delta(facts.first.head.timestamp).answer()]),
        ..UNASKED
    },
    Attack {
        name: "unasked gap",
        does: "answers with a gap where nothing was pulled",
        stage: Stage::Behind,
        act: Act::Says(|facts| vec![Message::Gap(facts.second.head).frame()]),
        ..UNASKED
    },
    Attack {
        name: "unasked nothing",
        does: "says that there is nothing later where nothing was pulled",
        act: Act::Says(|facts| vec![Message::Nothing(facts.owner).frame()]),
        ..UNASKED
    },
    Attack {
        name: "unasked move",
        does: "says that a state is gone that nobody asked for",
        act: Act::Says(|facts| vec![Message::Moved(77, Some(facts.second.head)).frame()]),
        ..UNASKED
    },
    Attack {
        name: "unasked heads",
        does: "sends nodes of the trie of heads that nobody asked for",
        act: Act::Says(|facts| vec![Message::Heads(vec![HeadAnswer::Leaf(facts.first.head)]).frame()]),
        ..UNASKED
    },
    Attack {
        name: "prune of strangers",
        does: "prunes and grafts pushes of owners that nobody admitted",
        act: Act::Says(|_| {
            let owners: Vec<_> = (0..100).map(|n| MemberId([n; 32])).collect();
            vec![Message::Prune(owners.clone()).frame(), Message::Graft(owners).frame()]
        }),
        counter: "unknown_owner",
        outcome: "no lie: the roster may be on its way; nothing is remembered of them",
        ..UNASKED
    },
    Attack {
        name: "second hello",
        does: "greets twice, the second time without the roster",
        act: Act::Says(|facts| {
            let mut hello = facts.hello();
            hello.roster = None;
            vec![Message::Hello(hello).frame()]
        }),
        counter: "second_hello",
        outcome: "the first one stands",
        ..UNASKED
    },
    Attack {
        name: "second welcome",
        does: "answers the greeting twice",
        act: Act::Says(|_| vec![Message::Welcome.frame()]),
        counter: "second_welcome",
        outcome: "the first one stands",
        ..UNASKED
    },
    Attack {
        name: "message before the welcome",
        does: "begins with a round and a push, and greets then",
        act: Act::Greets(|facts| {
            let round = Message::Round(Hash([7; 32])).frame();
            [vec![round, facts.first.delta(Timestamp::ZERO).push()], facts.greeting()].concat()
        }),
        counter: "before_welcome",
        outcome: "dropped; only the roster is spoken of before the welcome",
        ..UNASKED
    },
];

/// No lie: a request may have been given up when its answer comes.
const UNASKED: Attack = Attack {
    name: "",
    does: "",
    who: Who::Member,
    stage: Stage::Linked,
    act: Act::Says(|_| Vec::new()),
    counter: "unasked",
    fate: Fate::Heard,
    outcome: "no lie: requests are given up in time, and their answers come late; dropped unread",
};
