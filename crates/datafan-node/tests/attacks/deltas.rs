//! Deltas with one change: requested or pushed.

use crate::{
    attack::{Act, Attack, Facts, Fate, Stage, Violation, Who},
    violator::raw,
};
use datafan_core::{connector::Frame, item::Key, message::Message, time::Timestamp};
use datafan_testkit::shard::Parts;

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "altered value",
        does: "changes a value in a delta",
        act: Act::Violates(Violation::Delta(|delta| delta.items[1].value = b"forged".as_slice().into())),
        ..MISSED
    },
    Attack {
        name: "altered key",
        does: "gives a value another key",
        act: Act::Violates(Violation::Delta(|delta| delta.items[1].key = Key::new("forged").unwrap())),
        ..MISSED
    },
    Attack {
        name: "altered timestamp",
        does: "makes an item a microsecond older",
        act: Act::Violates(Violation::Delta(|delta| delta.items[0].timestamp.0 -= 1)),
        ..MISSED
    },
    Attack {
        name: "altered expiry",
        does: "adds an expiry to an item that never expires",
        act: Act::Violates(Violation::Delta(|delta| delta.items[0].expiry = Some(Timestamp(1)))),
        ..MISSED
    },
    Attack {
        name: "altered order",
        does: "exchanges the timestamps of two items",
        act: Act::Violates(Violation::Delta(exchange)),
        ..MISSED
    },
    Attack {
        name: "omitted item",
        does: "leaves an item out of a delta",
        act: Act::Violates(Violation::Delta(|delta| drop(delta.items.remove(1)))),
        ..MISSED
    },
    Attack {
        name: "invented item",
        does: "adds an item to a delta",
        act: Act::Violates(Violation::Delta(invent)),
        ..MISSED
    },
    Attack {
        name: "omitted deletion",
        does: "leaves out a tombstone, so that a deleted item would stay",
        act: Act::Violates(Violation::Delta(|delta| delta.tombstones.clear())),
        ..MISSED
    },
    Attack {
        name: "invented deletion",
        does: "adds a tombstone for a live item",
        act: Act::Violates(Violation::Delta(|delta| {
            delta.tombstones.push((delta.head.timestamp, Key::new("k31").unwrap()))
        })),
        ..MISSED
    },
    Attack {
        name: "resurrected item",
        does: "puts a deleted item, which its owner did sign once, into a first copy",
        stage: Stage::New,
        act: Act::Violates(Violation::Delta(resurrect)),
        ..MISSED
    },
    Attack {
        name: "altered push",
        does: "changes a value in a commit that it relays",
        act: Act::Says(|facts| {
            let mut delta = facts.second.delta(facts.first.head.timestamp);
            delta.items[1].value = b"forged".as_slice().into();
            vec![delta.push()]
        }),
        outcome: "nothing of it is shown; others are asked for the data first",
        ..MISSED
    },
    Attack {
        name: "repeated timestamp",
        does: "gives two items of a delta one timestamp",
        act: Act::Violates(Violation::Delta(|delta| delta.items[1].timestamp = delta.items[0].timestamp)),
        counter: "malformed",
        ..CAUGHT
    },
    Attack {
        name: "item later than its head",
        does: "gives an item a timestamp after the head's",
        act: Act::Violates(Violation::Delta(|delta| delta.items.last_mut().unwrap().timestamp.0 += 1)),
        ..MISSED
    },
    Attack {
        name: "tombstone out of order",
        does: "sends a tombstone from before the base of its delta",
        act: Act::Says(early_tombstone),
        counter: "malformed",
        outcome: "the head is learned, its data comes from another member",
        ..CAUGHT
    },
    Attack {
        name: "late base",
        does: "answers with a delta that begins after what was asked for",
        act: Act::Violates(Violation::Delta(|delta| {
            let first = delta.items.remove(0);
            delta.base = first.timestamp;
            delta.tombstones.clear();
        })),
        counter: "wrong_answer",
        ..CAUGHT
    },
];

/// Not a violation: an honest relay that dropped tombstones sends such deltas.
const MISSED: Attack = Attack {
    name: "",
    does: "",
    who: Who::Member,
    stage: Stage::Behind,
    act: Act::Violates(Violation::None),
    counter: "delta",
    fate: Fate::Heard,
    outcome: "does not lead to the signed root, so nothing is written; reconciliation brings the right items",
};

const CAUGHT: Attack = Attack { fate: Fate::BackedOff, outcome: "nothing is written", ..MISSED };

fn exchange(delta: &mut Parts) {
    let [one, other, ..] = &mut delta.items[..] else { unreachable!("it has some") };
    std::mem::swap(&mut one.key, &mut other.key);
    std::mem::swap(&mut one.value, &mut other.value);
}

fn invent(delta: &mut Parts) {
    let mut item = delta.items[0].clone();
    item.key = Key::new("forged").unwrap();
    item.timestamp.0 -= 1;
    delta.items.insert(0, item);
}

fn resurrect(delta: &mut Parts) {
    let mut item = delta.items.iter().find(|item| item.key.as_str() == "k39").unwrap().clone();
    item.key = Key::new("dead").unwrap();
    item.value = b"not any more".as_slice().into();
    item.timestamp.0 += 1;
    let at = delta.items.partition_point(|other| other.timestamp < item.timestamp);
    delta.items.insert(at, item);
}

/// The distance of a tombstone is counted from the base; it cannot be negative, but can wrap around.
fn early_tombstone(facts: &Facts) -> Vec<Frame> {
    let mut delta = facts.second.delta(facts.first.head.timestamp);
    delta.tombstones.clear();
    let mut bytes = delta.push().bytes.to_vec();
    // Instead of no tombstones: one, 2^64 - 1 after the base, with the key `k`.
    assert_eq!(bytes.pop(), Some(0));
    bytes.push(1);
    bytes.extend([[0xff; 9].as_slice(), &[1, 1, b'k']].concat());
    assert!(Message::decode(&bytes).is_ok(), "the inside of a delta is looked at later");
    vec![raw(bytes)]
}
