//! Messages that break the format or a limit.

use crate::{
    attack::{Act, Attack, Facts, Fate, Stage, Who},
    violator::raw,
};
use datafan_core::{
    codec::Writer,
    connector::Frame,
    limits::{ADDRESSES_MAX, HELLO_HEADS_MAX, NAME_BYTES_MAX, OWNERS_PER_MESSAGE_MAX, SLOTS_MAX},
    message::{Hello, Message, PROTOCOL_VERSION},
};

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "unknown message",
        does: "sends a message with an unknown tag",
        act: Act::Says(|_| vec![raw([PROTOCOL_VERSION, 99])]),
        ..FORMAT
    },
    Attack {
        name: "unknown version",
        does: "sends a message of another version",
        act: Act::Says(|_| vec![raw([PROTOCOL_VERSION + 1, 2])]),
        ..FORMAT
    },
    Attack {
        name: "empty message",
        does: "sends an empty frame",
        act: Act::Says(|_| vec![raw([])]),
        ..FORMAT
    },
    Attack {
        name: "cut message",
        does: "leaves out the end of a message",
        act: Act::Says(|facts| {
            let bytes = announced(facts);
            vec![raw(&bytes[..bytes.len() - 1])]
        }),
        ..FORMAT
    },
    Attack {
        name: "trailing bytes",
        does: "appends a byte to a message",
        act: Act::Says(|facts| vec![raw([announced(facts), vec![0]].concat())]),
        ..FORMAT
    },
    Attack {
        name: "long varint",
        does: "writes a count in two bytes that fits one",
        act: Act::Says(|facts| {
            let mut bytes = announced(facts);
            bytes.splice(2..3, [0x81, 0]);
            vec![raw(bytes)]
        }),
        ..FORMAT
    },
    Attack {
        name: "varint without an end",
        does: "writes a count of more than 64 bits",
        act: Act::Says(|_| vec![raw([&[PROTOCOL_VERSION, 5][..], &[0xff; 12]].concat())]),
        ..FORMAT
    },
    Attack {
        name: "counted heads",
        does: "says that 2^60 heads follow, and sends none",
        act: Act::Says(|_| vec![written(|out| out.raw(&[1, 5]).varint(1 << 60))]),
        ..FORMAT
    },
    Attack {
        name: "too many heads",
        does: "announces more heads at once than a message may have",
        act: Act::Says(|facts| {
            vec![Message::Announce(vec![facts.second.head; OWNERS_PER_MESSAGE_MAX + 1]).frame()]
        }),
        ..FORMAT
    },
    Attack {
        name: "too many slots",
        does: "requests more nodes at once than a request may have",
        act: Act::Says(|facts| vec![crate::load::asks(facts, SLOTS_MAX + 1)]),
        ..FORMAT
    },
    Attack {
        name: "place outside the axis",
        does: "asks for a slot whose prefix is longer than its level allows",
        act: Act::Says(|facts| {
            let (owner, root) = (facts.owner.0, facts.second.head.root.0);
            vec![written(|out| {
                out.raw(&[1, 13, 1]).raw(&owner).raw(&root).raw(&[1, 16, 1]).raw(&root).raw(&[0])
            })]
        }),
        ..FORMAT
    },
    Attack {
        name: "hello with too many heads",
        does: "greets with nine heads of the victim's shards",
        act: Act::Greets(|facts| {
            greets(facts, |hello, facts| hello.yours = vec![facts.first.head; HELLO_HEADS_MAX + 1])
        }),
        ..FORMAT
    },
    Attack {
        name: "hello with too many addresses",
        does: "greets with nine addresses",
        act: Act::Greets(|facts| {
            greets(facts, |hello, _| hello.addresses = vec!["host:1".into(); ADDRESSES_MAX + 1])
        }),
        ..FORMAT
    },
    Attack {
        name: "hello with a long address",
        does: "greets with an address of 260 bytes",
        act: Act::Greets(|facts| greets(facts, |hello, _| hello.addresses = vec!["a".repeat(260).into()])),
        ..FORMAT
    },
    Attack {
        name: "hello with a long name",
        does: "greets with a name of 64 bytes",
        act: Act::Greets(|facts| {
            let name = "a".repeat(NAME_BYTES_MAX + 1);
            vec![written(|out| {
                let out = out.raw(&[1, 1]).id(&facts.mesh.0).prefixed(name.as_bytes());
                out.raw(&[0, 0]).fixed(1).raw(&[0])
            })]
        }),
        ..FORMAT
    },
];

const FORMAT: Attack = Attack {
    name: "",
    does: "",
    who: Who::Member,
    stage: Stage::Linked,
    act: Act::Says(|_| Vec::new()),
    counter: "malformed",
    fate: Fate::ClosedAndBackedOff,
    outcome: "refused before memory is reserved for it",
};

fn announced(facts: &Facts) -> Vec<u8> {
    Message::Announce(vec![facts.second.head]).encode()
}

fn greets(facts: &Facts, change: fn(&mut Hello, &Facts)) -> Vec<Frame> {
    let mut hello = facts.hello();
    change(&mut hello, facts);
    vec![Message::Hello(hello.into()).frame()]
}

fn written(write: impl FnOnce(&mut Writer) -> &mut Writer) -> Frame {
    let mut out = Writer::new();
    write(&mut out);
    raw(out.finish())
}
