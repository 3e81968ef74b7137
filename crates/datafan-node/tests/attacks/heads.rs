//! Heads that nobody signed, or that prove nothing.

use crate::attack::{Act, Attack, Facts, Fate, Stage, Who};
use datafan_core::{
    connector::Frame,
    hash::Hash,
    head::Head,
    id::MeshId,
    identity::Identity,
    item::{Item, Key},
    message::{Hello, Message},
    time::{SECOND, Timestamp},
};
use datafan_testkit::shard::Shard;

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "forged owner",
        does: "signs a head of another owner itself",
        act: Act::Says(|facts| told(facts.forged(later(facts.second.head)))),
        ..SIGNATURE
    },
    Attack {
        name: "later head",
        does: "changes the timestamp of a signed head",
        act: Act::Says(|facts| told(later(facts.second.head))),
        ..SIGNATURE
    },
    Attack {
        name: "head of another root",
        does: "changes the root of a signed head",
        act: Act::Says(|facts| told(Head { root: Hash([0xff; 32]), ..facts.second.head })),
        ..SIGNATURE
    },
    Attack {
        name: "head of other counts",
        does: "changes the counts of a new signed head",
        stage: Stage::Behind,
        act: Act::Says(|facts| told(Head { items: 1, bytes: 1, ..facts.second.head })),
        ..SIGNATURE
    },
    Attack {
        name: "replay from another mesh",
        does: "announces a head that the owner signed for another mesh",
        act: Act::Says(|facts| {
            let mesh = MeshId(facts.key.id());
            told(later(facts.second.head).signed(&mesh, &facts.owner_key))
        }),
        ..SIGNATURE
    },
    Attack {
        name: "forged push",
        does: "pushes an item of another owner under a head that it signed itself",
        act: Act::Says(|facts| {
            let mut delta = facts.second.delta(facts.second.items[3].timestamp);
            delta.items[0].value = b"forged".as_slice().into();
            delta.head = facts.forged(later(delta.head));
            vec![delta.push()]
        }),
        ..SIGNATURE
    },
    Attack {
        name: "own shard injected",
        does: "pushes an item of the victim's own shard",
        act: Act::Says(|facts| vec![of_victim(facts).delta(Timestamp::ZERO).push()]),
        ..SIGNATURE
    },
    Attack {
        name: "own shard in a greeting",
        does: "greets with a later head of the victim's own shard",
        act: Act::Greets(|facts| {
            let hello = Hello { yours: vec![of_victim(facts).head], ..facts.hello() };
            vec![Message::Hello(hello.into()).frame(), Message::Welcome.frame()]
        }),
        fate: Fate::ClosedAndBackedOff,
        outcome: "the signature is not the owner's; the victim continues to write",
        ..SIGNATURE
    },
    Attack {
        name: "stale head",
        does: "announces an outdated head",
        act: Act::Says(|facts| told(facts.first.head)),
        counter: "stale_head",
        fate: Fate::Heard,
        outcome: "not a violation, as data may come late over a longer path; the held state stays",
        ..SIGNATURE
    },
    Attack {
        name: "stale push",
        does: "pushes an outdated commit again",
        act: Act::Says(|facts| vec![facts.first.delta(Timestamp::ZERO).push()]),
        counter: "stale_head",
        fate: Fate::Heard,
        outcome: "not a violation, as data may come late over a longer path; the held state stays",
        ..SIGNATURE
    },
    Attack {
        name: "sock puppet",
        does: "announces a shard whose owner nobody admitted",
        act: Act::Says(|facts| told(shard(&puppet(), facts, &["forged"]).head)),
        counter: "unknown_owner",
        fate: Fate::Heard,
        outcome: "not a violation, as the roster may be on its way; nothing is fetched",
        ..SIGNATURE
    },
    Attack {
        name: "head of the future",
        does: "signs a head of its own shard, two hours ahead",
        act: Act::Says(|facts| {
            let timestamp = Timestamp(facts.second.head.timestamp.0 + 7_200 * SECOND);
            told(Shard::made(&facts.key, &facts.mesh, timestamp, Vec::new()).head)
        }),
        counter: "clock_ahead",
        ..OWN
    },
    Attack {
        name: "head over the quota",
        does: "signs a head of its own shard with 2^64 - 1 items",
        act: Act::Says(|facts| {
            let head = shard(&facts.key, facts, &["forged"]).head;
            told(Head { items: u64::MAX, bytes: u64::MAX, ..head }.signed(&facts.mesh, &facts.key))
        }),
        counter: "over_quota",
        ..OWN
    },
    Attack {
        name: "one key twice",
        does: "signs a shard of its own with two items of one key, and serves it",
        act: Act::Runs(|scene| {
            Box::pin(async {
                let twice = shard(&scene.facts.key, &scene.facts, &["forged", "forged"]);
                scene.violator.meets().await;
                scene.violator.tells_of(twice);
            })
        }),
        counter: "invalid_head",
        outcome: "invalid by its own signature: fetched once, remembered, never shown",
        ..OWN
    },
    Attack {
        name: "content of other counts",
        does: "signs a head of its own shard that counts more items than it has",
        act: Act::Runs(|scene| {
            Box::pin(async {
                let mut shard = shard(&scene.facts.key, &scene.facts, &["forged"]);
                shard.head.items += 1;
                shard.head = shard.head.signed(&scene.facts.mesh, &scene.facts.key);
                scene.violator.meets().await;
                scene.violator.tells_of(shard);
            })
        }),
        counter: "invalid_head",
        outcome: "invalid by its own signature: fetched once, remembered, never shown",
        ..OWN
    },
    Attack {
        name: "meaningless addresses",
        does: "publishes malformed addresses",
        act: Act::Runs(|scene| {
            Box::pin(async {
                let shard = shard(&scene.facts.key, &scene.facts, &["_sys/addresses"]);
                scene.violator.meets().await;
                scene.violator.tells_of(shard);
            })
        }),
        counter: "addresses",
        outcome: "accepted as an item of the attacker's own; nobody dials",
        ..OWN
    },
];

const SIGNATURE: Attack = Attack {
    name: "",
    does: "",
    who: Who::Member,
    stage: Stage::Linked,
    act: Act::Says(|_| Vec::new()),
    counter: "signature",
    fate: Fate::BackedOff,
    outcome: "the signature is not the owner's for this content and mesh; nothing is fetched",
};

/// The owner's fault, whoever announces it: relays are not to blame.
const OWN: Attack =
    Attack { fate: Fate::Heard, outcome: "refused before it is fetched, and remembered", ..SIGNATURE };

fn told(head: Head) -> Vec<Frame> {
    vec![Message::Announce(vec![head]).frame()]
}

fn later(head: Head) -> Head {
    Head { timestamp: Timestamp(head.timestamp.0 + 1_000), ..head }
}

/// A shard with an item of each of `keys`.
pub fn shard(owner: &Identity, facts: &Facts, keys: &[&str]) -> Shard {
    let last = facts.second.head.timestamp;
    let item = |(n, key): (usize, &&str)| Item {
        key: Key::new(key).unwrap(),
        timestamp: Timestamp(last.0 - n as u64),
        expiry: None,
        value: format!("forged {n}").into_bytes().into(),
    };
    Shard::made(owner, &facts.mesh, last, keys.iter().enumerate().map(item).collect())
}

/// A stranger that was never admitted.
pub fn puppet() -> Identity {
    Identity::from_secret(&[9; 32])
}

/// A later state of the victim's own shard, signed by the attacker.
fn of_victim(facts: &Facts) -> Shard {
    let mut copy = shard(&facts.key, facts, &["forged"]);
    copy.head.owner = facts.victim;
    // The victim may have written after the owner.
    copy.head.timestamp.0 += 60 * SECOND;
    copy
}
