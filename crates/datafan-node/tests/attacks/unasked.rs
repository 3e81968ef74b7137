//! Messages out of turn: unrequested answers, and greetings that are repeated or too late.

use crate::attack::{Act, Attack, Fate, Stage, Who};
use datafan_core::{
    claim::Claim,
    hash::Hash,
    id::MemberId,
    message::{Ask, HeadAnswer, Message, Request},
    runs::RunId,
    time::Timestamp,
    trie::Place,
};
use datafan_testkit::shard::Answer;

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "unasked nodes",
        does: "sends nodes without a request",
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
        does: "sends items without a request",
        act: Act::Says(|facts| vec![Message::Ranges(77, vec![facts.first.items.clone()]).frame()]),
        ..UNASKED
    },
    Attack {
        name: "unasked delta",
        does: "sends a delta without a pull",
        stage: Stage::Behind,
        act: Act::Says(|facts| vec![facts.second.delta(facts.first.head.timestamp).answer()]),
        ..UNASKED
    },
    Attack {
        name: "unasked gap",
        does: "sends a gap without a pull",
        stage: Stage::Behind,
        act: Act::Says(|facts| vec![Message::DeltaUnavailable(facts.second.head).frame()]),
        ..UNASKED
    },
    Attack {
        name: "unasked nothing",
        does: "says that there is nothing later, without a pull",
        act: Act::Says(|facts| vec![Message::UpToDate(facts.owner).frame()]),
        ..UNASKED
    },
    Attack {
        name: "unasked move",
        does: "says that a state is gone, without a request",
        act: Act::Says(|facts| vec![Message::StateChanged(77, Some(facts.second.head)).frame()]),
        ..UNASKED
    },
    Attack {
        name: "unasked heads",
        does: "sends nodes of the trie of heads without a request",
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
        outcome: "not a violation, as the roster may be on its way; nothing is remembered of them",
        ..UNASKED
    },
    Attack {
        name: "second hello",
        does: "greets twice, the second time without the roster",
        act: Act::Says(|facts| {
            let mut hello = facts.hello();
            hello.roster = None;
            vec![Message::Hello(hello.into()).frame()]
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
        name: "claim of another key",
        does: "says that an older process has the victim's key, and signs that itself",
        act: Act::Says(|facts| {
            let claim = Claim::signed(&facts.mesh, &facts.key, RunId([1; 8]), RunId([2; 8]));
            vec![Message::Claim(Claim { member: facts.victim, ..claim }).frame()]
        }),
        counter: "claim",
        outcome: "not a violation, as it is not about the victim's process: not verified; only a statement \
            that its own key has signed about its process stops it",
        ..UNASKED
    },
    Attack {
        name: "claims about nobody",
        does: "claims that it, and the owner, began before processes that were never linked",
        act: Act::Says(|facts| {
            let claims =
                (0..100).map(|n| Claim::signed(&facts.mesh, &facts.key, RunId([7; 8]), RunId([100 + n; 8])));
            let owners = Claim::signed(&facts.mesh, &facts.owner_key, RunId([1; 8]), RunId([2; 8]));
            claims.chain([owners]).map(|claim| Message::Claim(claim).frame()).collect()
        }),
        counter: "claim",
        outcome: "not a violation, as its maker may be forgotten here; nothing is kept or passed on",
        ..UNASKED
    },
    Attack {
        name: "nonexistent processes",
        does: "says a thousand times that another process with the victim's key was linked with it",
        act: Act::Says(|_| {
            let runs = (0..1_000u64).map(|n| RunId(n.to_be_bytes()));
            let told = runs.map(|run| Message::OtherRun { run, age_micros: run.0[7].into() });
            told.chain([Message::Claim(NOBODYS)]).map(|message| message.frame()).collect()
        }),
        counter: "claim",
        outcome: "not a violation: the victim signs that it is older, which is true; the log says so \
                  once an hour",
        ..UNASKED
    },
    Attack {
        name: "message before the welcome",
        does: "sends a round and a push before it greets",
        act: Act::Greets(|facts| {
            let round = Message::Round(Hash([7; 32])).frame();
            [vec![round, facts.first.delta(Timestamp::ZERO).push()], facts.greeting()].concat()
        }),
        counter: "before_welcome",
        outcome: "dropped; before the welcome only messages about the roster are accepted",
        ..UNASKED
    },
];

/// A message of any kind, about no member of this mesh.
const NOBODYS: Claim =
    Claim { member: MemberId([1; 32]), older: RunId([1; 8]), newer: RunId([2; 8]), signature: [0; 64] };

/// Not a violation: a request may have been abandoned when its answer arrives.
const UNASKED: Attack = Attack {
    name: "",
    does: "",
    who: Who::Member,
    stage: Stage::Linked,
    act: Act::Says(|_| Vec::new()),
    counter: "unasked",
    fate: Fate::Heard,
    outcome: "not a violation, as answers to requests that were given up come late; dropped unread",
};
