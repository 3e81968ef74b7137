//! Every message decodes to itself, no byte more or less is accepted, and the bytes equal the golden ones.

use super::*;
use crate::{
    grant::GRANT_PREFIX,
    id::{MeshId, Name},
    item::Key,
    runs::RunId,
    time::Timestamp,
    trie::Place,
};
use alloc::{format, string::String, vec};
use proptest::prelude::*;

fn head() -> Head {
    let (owner, root) = (MemberId([2; 32]), Hash([3; 32]));
    Head { owner, timestamp: Timestamp(1_000), items: 1, bytes: 5, root, signature: [4; 64] }
}

fn item(timestamp: u64, key: &str) -> Item {
    let key = Key::new(key).unwrap();
    Item { key, timestamp: Timestamp(timestamp), expiry: Some(Timestamp(2_000)), value: (*b"red").into() }
}

fn asks() -> Vec<Ask> {
    let place = Place { level: 2, prefix: 0xab };
    let hints = Some(Hints { place, children: vec![(1, [1; 4]), (9, [2; 4])] });
    vec![
        Ask { slot: Place::ALL, hash: Hash([7; 32]), hints },
        Ask { slot: Place { level: 0, prefix: 77 }, hash: Hash([8; 32]), hints: None },
    ]
}

fn body() -> Vec<u8> {
    encode_delta(Timestamp(900), &[item(950, "color")], &[(Timestamp(901), Key::new("shape").unwrap())])
}

fn messages(body: &[u8]) -> Vec<Message<'_>> {
    let hello = Hello {
        mesh: MeshId(MemberId([1; 32])),
        name: Name::new("edge").unwrap(),
        roster: Some(head()),
        yours: vec![head()],
        wall: Timestamp(5),
        run: RunId([9; 8]),
        age_micros: 77,
        addresses: vec!["127.0.0.1:4815".into()],
        below_minimum: true,
    };
    let delta = Delta::new(head(), Timestamp(900), body);
    let place = Place { level: 1, prefix: 6 };
    let other = ChildAnswer::Other { count: 3, bytes: 300, hash: Hash([5; 32]) };
    let request = || Request { id: 7, owner: MemberId([2; 32]), root: Hash([3; 32]), slots: asks() };
    vec![
        Message::Hello(hello.into()),
        Message::Welcome,
        Message::Refuse(Refusal::NotAdmitted),
        Message::Push(delta),
        Message::Announce(vec![head()]),
        Message::Round(Hash([6; 32])),
        Message::AskHeads(asks()),
        Message::Heads(vec![
            HeadAnswer::Empty,
            HeadAnswer::Leaf(head()),
            HeadAnswer::Node {
                place,
                children: vec![
                    (0, HeadChild::Same),
                    (3, HeadChild::Leaf(head())),
                    (15, HeadChild::Node(Hash([9; 32]))),
                ],
            },
        ]),
        Message::Pull(vec![Want { owner: MemberId([2; 32]), since: Timestamp(900) }]),
        Message::Delta(delta),
        Message::DeltaUnavailable(head()),
        Message::UpToDate(MemberId([2; 32])),
        Message::AskNodes(request()),
        Message::Nodes(7, vec![NodeAnswer { place, children: vec![(0, ChildAnswer::Same), (4, other)] }]),
        Message::AskRanges(request()),
        Message::Ranges(7, vec![vec![], vec![item(950, "color"), item(951, "shape")]]),
        Message::StateChanged(7, Some(head())),
        Message::Prune(vec![MemberId([2; 32]), MemberId([3; 32])]),
        Message::Graft(vec![MemberId([2; 32])]),
        Message::Probe,
        Message::Alive,
        Message::Diverged(vec![head()]),
        Message::OtherRun { run: RunId([9; 8]), age_micros: 77 },
        Message::Claim(Claim {
            member: MemberId([2; 32]),
            older: RunId([8; 8]),
            newer: RunId([9; 8]),
            signature: [4; 64],
        }),
    ]
}

#[test]
fn every_message_decodes_to_itself_and_needs_every_byte() {
    for message in messages(&body()) {
        let bytes = message.encode();
        assert_eq!(Message::decode(&bytes).as_ref(), Ok(&message));
        for len in 0..bytes.len() {
            let cut = Message::decode(&bytes[..len]);
            let late = matches!(&cut, Ok(Message::Push(d) | Message::Delta(d)) if d.contents().is_err());
            assert!(cut.is_err() || late, "{message:?} cut to {len}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        let long = Message::decode(&longer);
        let late = matches!(&long, Ok(Message::Push(d) | Message::Delta(d)) if d.contents().is_err());
        assert!(long.is_err() || late, "{message:?} with a spare byte");
    }
}

#[test]
fn the_bytes_are_golden() {
    let golden = include_str!("golden.txt");
    let body = body();
    let lines = messages(&body).into_iter().map(|message| {
        let name = format!("{message:?}");
        let name: String = name.chars().take_while(char::is_ascii_alphanumeric).collect();
        let hex: String = message.encode().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{name} {hex}\n")
    });
    assert_eq!(
        lines.collect::<String>(),
        golden,
        "a changed layout changes the protocol version and docs/protocol.md"
    );
}

#[test]
fn a_delta_keeps_order_and_bounds() {
    let good = body();
    assert_eq!(
        Delta::new(head(), Timestamp(900), &good).contents().map(|c| (c.0.len(), c.1.len())),
        Ok((1, 1))
    );
    // Later than the head: if the owner signed this, a relay did nothing wrong.
    let late = encode_delta(Timestamp(900), &[item(1_001, "color")], &[]);
    assert!(Delta::new(head(), Timestamp(900), &late).contents().is_ok());
    // Not ascending.
    let mut twice = Writer::new();
    twice.varint(2);
    for ahead in [50, 0] {
        twice.varint(ahead);
        item(950, "color").encode_body(&mut twice);
    }
    twice.varint(0);
    assert!(Delta::new(head(), Timestamp(900), &twice.finish()).contents().is_err());
    assert_eq!(GRANT_PREFIX, "_sys/member/");
}

/// A message with a given number of elements.
type Counted = fn(usize) -> Vec<u8>;

#[test]
fn every_count_is_taken_up_to_its_limit_and_no_further() {
    let cases: &[(&str, usize, Counted)] = &[
        ("own heads in a hello", HELLO_HEADS_MAX, |n| hello(|hello| hello.yours = vec![head(); n])),
        ("addresses in a hello", ADDRESSES_MAX, |n| hello(|hello| hello.addresses = vec!["a:1".into(); n])),
        ("bytes of an address", ADDRESS_BYTES_MAX, |n| {
            hello(|hello| hello.addresses = vec!["a".repeat(n).into()])
        }),
        ("heads told", OWNERS_PER_MESSAGE_MAX, |n| Message::Announce(vec![head(); n]).encode()),
        ("slots of the trie of heads", HEAD_SLOTS_MAX, |n| Message::AskHeads(slots(n)).encode()),
        ("answers about heads", HEAD_SLOTS_MAX, |n| Message::Heads(vec![HeadAnswer::Empty; n]).encode()),
        ("owners pulled", OWNERS_PER_MESSAGE_MAX, |n| {
            Message::Pull(vec![Want { owner: MemberId([2; 32]), since: Timestamp(9) }; n]).encode()
        }),
        ("nodes asked", SLOTS_MAX, |n| Message::AskNodes(request(n)).encode()),
        ("ranges asked", SLOTS_MAX, |n| Message::AskRanges(request(n)).encode()),
        ("nodes", SLOTS_MAX, |n| Message::Nodes(7, vec![node(); n]).encode()),
        ("ranges", SLOTS_MAX, |n| Message::Ranges(7, vec![vec![]; n]).encode()),
        ("items in ranges", RANGE_ITEMS_MAX, |n| Message::Ranges(7, vec![items(n)]).encode()),
        ("bytes of a key", KEY_BYTES_MAX, |n| ranged(&"k".repeat(n).into_bytes(), 1)),
        ("bytes of a value", VALUE_BYTES_MAX, |n| ranged(b"k", n)),
    ];
    for (what, max, message) in cases {
        assert_eq!(Message::decode(&message(*max)).err(), None, "{what}: {max}");
        assert!(Message::decode(&message(max + 1)).is_err(), "{what}: {max} and one more");
    }
}

#[test]
fn deltas_are_taken_up_to_their_limits_and_no_further() {
    let far = Head { timestamp: Timestamp(1 << 40), ..head() };
    let contents = |body: &[u8]| {
        Delta::new(far, Timestamp(900), body).contents().map(|found| (found.0.len(), found.1.len()))
    };
    let of_items = |n| encode_delta(Timestamp(900), &items(n), &[]);
    assert_eq!(contents(&of_items(DELTA_ITEMS_MAX)), Ok((DELTA_ITEMS_MAX, 0)));
    assert!(contents(&of_items(DELTA_ITEMS_MAX + 1)).is_err());
    let distinct =
        |n: usize| (0..n as u64).map(|at| (Timestamp(901 + at), Key::new("k").unwrap())).collect::<Vec<_>>();
    let body = |n| encode_delta::<Item>(Timestamp(900), &[], &distinct(n));
    assert_eq!(contents(&body(DELTA_TOMBSTONES_MAX)), Ok((0, DELTA_TOMBSTONES_MAX)));
    assert!(contents(&body(DELTA_TOMBSTONES_MAX + 1)).is_err());
}

fn hello(adjust: impl FnOnce(&mut Hello)) -> Vec<u8> {
    let mut hello = Hello {
        mesh: MeshId(MemberId([1; 32])),
        name: Name::new("edge").unwrap(),
        roster: None,
        yours: vec![],
        wall: Timestamp(5),
        run: RunId([9; 8]),
        age_micros: 77,
        addresses: vec![],
        below_minimum: false,
    };
    adjust(&mut hello);
    Message::Hello(hello.into()).encode()
}

fn slots(n: usize) -> Vec<Ask> {
    vec![Ask { slot: Place::ALL, hash: Hash([7; 32]), hints: None }; n]
}

fn request(n: usize) -> Request {
    Request { id: 7, owner: MemberId([2; 32]), root: Hash([3; 32]), slots: slots(n) }
}

fn node() -> NodeAnswer {
    let place = Place { level: 1, prefix: 6 };
    NodeAnswer { place, children: vec![(0, ChildAnswer::Same), (4, ChildAnswer::Same)] }
}

fn items(n: usize) -> Vec<Item> {
    (0..n as u64).map(|at| item(1_000 + at, "k")).collect()
}

/// An answer with one item whose key or value may have any length.
fn ranged(key: &[u8], n_value: usize) -> Vec<u8> {
    let mut out = Writer::new();
    out.raw(&Message::Ranges(7, vec![vec![]]).encode());
    let mut bytes = out.finish();
    // The count of items in the only range.
    assert_eq!(bytes.pop(), Some(0));
    let mut out = Writer::new();
    out.raw(&bytes).varint(1).varint(950).varint(0).prefixed(key).prefixed(&vec![7; n_value]);
    out.finish()
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = PROTOCOL_VERSION;
        }
        if let Ok(Message::Push(delta) | Message::Delta(delta)) = Message::decode(&bytes) {
            let _ = delta.contents();
        }
    }

    #[test]
    fn a_changed_message_is_refused_or_canonical(which in 0usize..24, at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let body = body();
        let mut bytes = messages(&body)[which].encode();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(message) = Message::decode(&bytes) {
            prop_assert_eq!(message.encode(), bytes);
        }
    }
}
