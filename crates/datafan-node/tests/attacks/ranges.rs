//! Ranges with one change, in answers to a reconciliation.

use crate::attack::{Act, Attack, Fate, Stage, Violation, Who};
use datafan_core::{
    codec::Writer,
    item::{Item, Key},
    limits::RANGE_ITEMS_MAX,
};

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "altered item of a range",
        does: "changes a value in a range",
        act: Act::Violates(Violation::Ranges(|ranges| ranges[0][3].value = b"forged".as_slice().into())),
        ..RANGE
    },
    Attack {
        name: "moved item of a range",
        does: "makes an item of a range a microsecond later",
        act: Act::Violates(Violation::Ranges(|ranges| ranges[0].last_mut().unwrap().timestamp.0 += 1)),
        ..RANGE
    },
    Attack {
        name: "omitted item of a range",
        does: "leaves an item out of a range",
        act: Act::Violates(Violation::Ranges(|ranges| drop(ranges[0].remove(3)))),
        ..RANGE
    },
    Attack {
        name: "empty range",
        does: "answers as if there were no items",
        act: Act::Violates(Violation::Ranges(|ranges| ranges[0].clear())),
        ..RANGE
    },
    Attack {
        name: "extra item of a range",
        does: "adds an item to a range",
        act: Act::Violates(Violation::Ranges(|ranges| {
            let mut item = ranges[0].last().unwrap().clone();
            item.timestamp.0 += 1;
            item.key = Key::new("forged").unwrap();
            ranges[0].push(item);
        })),
        ..RANGE
    },
    Attack {
        name: "exchanged items of a range",
        does: "exchanges two items of a range",
        act: Act::Violates(Violation::Ranges(|ranges| {
            let (one, other) = (ranges[0][3].timestamp, ranges[0][4].timestamp);
            ranges[0].swap(3, 4);
            (ranges[0][3].timestamp, ranges[0][4].timestamp) = (one, other);
        })),
        ..RANGE
    },
    Attack {
        name: "range outside its slot",
        does: "answers with the items of another slot",
        stage: Stage::Behind,
        act: Act::Violates(Violation::Ranges(|ranges| {
            ranges.iter_mut().flatten().for_each(|item| item.timestamp.0 ^= 1 << 40);
        })),
        ..RANGE
    },
    Attack {
        name: "wrong number of ranges",
        does: "answers with one range too many",
        act: Act::Violates(Violation::Ranges(|ranges| ranges.push(Vec::new()))),
        counter: "wrong_answer",
        ..RANGE
    },
    Attack {
        name: "repeated item of a range",
        does: "sends an item of a range twice",
        act: Act::Violates(Violation::Ranges(|ranges| {
            let item = ranges[0][3].clone();
            ranges[0].insert(3, item);
        })),
        ..BROKEN
    },
    Attack {
        name: "endless range",
        does: "sends more items than any range may have",
        act: Act::Violates(Violation::Ranges(|ranges| {
            let last = ranges[0].last().unwrap().clone();
            let item = |ahead| Item {
                timestamp: datafan_core::time::Timestamp(last.timestamp.0 + ahead),
                ..last.clone()
            };
            ranges[0].extend((1..=RANGE_ITEMS_MAX as u64).map(item));
        })),
        ..BROKEN
    },
    Attack {
        name: "counted range",
        does: "says that 2^60 items follow, and sends none",
        act: Act::Violates(Violation::Bytes(|bytes| {
            let mut out = Writer::new();
            out.raw(&bytes[..3]).varint(1).varint(1 << 60);
            *bytes = out.finish();
        })),
        ..BROKEN
    },
];

const RANGE: Attack = Attack {
    name: "",
    does: "",
    who: Who::Member,
    stage: Stage::New,
    act: Act::Violates(Violation::None),
    counter: "range",
    fate: Fate::BackedOff,
    outcome: "does not have the requested hash; reconciliation goes on with another member",
};

const BROKEN: Attack = Attack {
    counter: "malformed",
    fate: Fate::ClosedAndBackedOff,
    outcome: "refused before memory is reserved for it",
    ..RANGE
};
