//! Overload: countless requests, and answers that are never read.

use crate::{
    attack::{Act, Attack, Facts, Fate, Stage, Who},
    heads::shard,
    patience,
    raw::Raw,
    scene::{Scene, fresh_key, put},
};
use datafan_core::{
    connector::Frame,
    hash::Hash,
    head::Head,
    limits::{OWNERS_PER_MESSAGE_MAX, STRANGERS_MAX},
    message::{Ask, Message, Request, Want},
    time::Timestamp,
    trie::Place,
};

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "flood of requests",
        does: "asks for 256 deltas in one message, many times over",
        act: Act::Says(|facts| vec![pulls(facts, OWNERS_PER_MESSAGE_MAX); 20]),
        ..LOAD
    },
    Attack {
        name: "asking without reading",
        does: "sends requests without end and reads no answer",
        act: Act::Runs(|scene| Box::pin(asks_on(scene))),
        outcome: "the waiting answers are bounded, then nothing more is looked up; other links are served \
            in turn",
        ..LOAD
    },
    Attack {
        name: "commits without end",
        does: "signs 256 heads of its own shard within a moment, and announces all of them",
        act: Act::Says(|facts| {
            let Head { timestamp, .. } = shard(&facts.key, facts, &["forged"]).head;
            let head = |n| {
                let head = Head {
                    timestamp: Timestamp(timestamp.0 + n),
                    ..shard(&facts.key, facts, &["forged"]).head
                };
                head.signed(&facts.mesh, &facts.key)
            };
            vec![Message::Announce((0..OWNERS_PER_MESSAGE_MAX as u64).map(head).collect()).frame()]
        }),
        counter: "over_rate",
        outcome: "100 in a tenth of a second are checked, of the others only the newest, at its end",
        ..LOAD
    },
    Attack {
        name: "flood of strangers",
        does: "links with ever new keys that nobody admitted, and never greets",
        act: Act::Runs(|scene| Box::pin(strangers_come(scene))),
        counter: "crowded",
        outcome: "16 of them have a place until another needs it; members get theirs meanwhile",
        ..LOAD
    },
    Attack {
        name: "invented request",
        does: "requests a node by a hash that nobody sent",
        act: Act::Says(|facts| {
            let slots = vec![Ask { slot: Place::ALL, hash: Hash([7; 32]), hints: None }];
            let root = facts.second.head.root;
            vec![Message::AskNodes(Request { id: 1, owner: facts.owner, root, slots }).frame()]
        }),
        counter: "wrong_request",
        outcome: "is answered with the present head; counted, as no honest member sends such a request",
        ..LOAD
    },
];

const LOAD: Attack = Attack {
    name: "",
    does: "",
    who: Who::Member,
    stage: Stage::Linked,
    act: Act::Says(|_| Vec::new()),
    counter: "too_many_requests",
    fate: Fate::Heard,
    outcome: "at most 64 wait, the rest is dropped; other links are served in turn",
};

/// Requests hundreds of times the allowed amount, and reads again when the victim looks up nothing more.
async fn asks_on(scene: &mut Scene) {
    scene.owner_writes(vec![put("large", &"v".repeat(1 << 20))]).await;
    scene.violator.meets().await;
    scene.violator.reads = false;
    for _ in 0..100 {
        scene.violator.says(pulls(&scene.facts, 60));
    }
    scene.counts("too_many_requests").await;
    scene.owner_writes(vec![put("meanwhile", "others are served")]).await;
    let sent = scene.victim.stats().await.unwrap().bytes_sent;
    assert!(sent < WAITING_BYTES_MAX, "{sent} bytes wait or are on the line");
    scene.violator.reads_on();
}

/// Takes all free places and more, and then connects as a member.
async fn strangers_come(scene: &mut Scene) {
    let mut strangers = Vec::new();
    let come = async {
        while !scene.victim.status().await.unwrap().refusals.contains_key("crowded") {
            strangers.extend(Raw::comes(&fresh_key(), &scene.victim).await);
        }
    };
    patience("crowd", come).await;
    let n_links = scene.status().await.links.len();
    assert!((1..=STRANGERS_MAX + 2).contains(&n_links), "owner and witness have one too: {n_links}");
    scene.meets().await;
}

/// A pull of the owner's whole shard, `n` times.
fn pulls(facts: &Facts, n: usize) -> Frame {
    let want = Want { owner: facts.owner, since: Timestamp::ZERO };
    Message::Pull(vec![want; n]).frame()
}

/// A request for the top node, `n_slots` times.
pub fn asks(facts: &Facts, n_slots: usize) -> Frame {
    let root = facts.second.head.root;
    let ask = Ask { slot: Place::ALL, hash: root, hints: None };
    Message::AskNodes(Request { id: 1, owner: facts.owner, root, slots: vec![ask; n_slots] }).frame()
}

/// The buffers of two connectors for a link, and the answers of one call of an engine: 17, 8 and 8 MiB, and
/// some more in flight. 6,000 MiB are requested.
const WAITING_BYTES_MAX: u64 = 48 << 20;
