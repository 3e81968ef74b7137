//! A48: owners whose signed content breaks a rule. Everybody keeps the last good head, and relays are not
//! blamed.

use crate::common::{Mesh, SEEDS};
use datafan_core::{
    head::Head,
    item::{Item, Key},
    message::Message,
    time::{MILLI, SECOND, Timestamp},
};
use datafan_sim::world::Fate;
use datafan_testkit::shard::Shard;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

#[test]
fn a48_two_items_of_one_key() {
    is_void(
        |items| {
            let twice = Item { timestamp: Timestamp(last(items).0 + 1), ..items[3].clone() };
            items.push(twice);
        },
        |_| {},
    );
}

#[test]
fn a48_an_item_later_than_its_head() {
    is_void(|items| items.push(item("late", Timestamp(last(items).0 + 2))), |head| head.timestamp.0 -= 1);
}

#[test]
fn a48_more_items_than_there_are() {
    is_void(|items| items.push(item("new", Timestamp(last(items).0 + 1))), |head| head.items += 1);
}

#[test]
fn a48_fewer_bytes_than_there_are() {
    is_void(|items| items.push(item("new", Timestamp(last(items).0 + 1))), |head| head.bytes -= 1);
}

#[test]
fn who_signs_invalid_heads_again_and_again_is_heard_once_per_round() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        world.put(0, "k", "v");
        world.put(0, "l", "v");
        world.run_until("equal", 20 * SECOND, |world| world.equal_with(2));
        let twice = |items: &mut Vec<Item>| {
            let twice = Item { timestamp: Timestamp(last(items).0 + 1), ..items[0].clone() };
            items.push(twice);
        };
        let (key, invalid) = (world.config(0).member.clone(), signed(&mut world, twice, |_| {}));
        let told = Rc::new(RefCell::new(invalid));
        let _asked = relays(&mut world, told.clone(), Serves::Deltas);
        let rounds = world.stats(2).rounds;
        for _ in 0..200 {
            let next = told.borrow().head.timestamp.0 + 1;
            let head = Head { timestamp: Timestamp(next), ..told.borrow().head };
            told.borrow_mut().head = head.signed(&world.mesh_id(), &key);
            let told = Message::Announce(vec![told.borrow().head]).encode();
            world.inject(1, 2, told);
            world.run_for(50 * MILLI);
        }
        let (rounds, n_void) = (world.stats(2).rounds - rounds, world.stats(2).refusals["invalid_head"]);
        assert!((3..=rounds + 1).contains(&n_void), "{n_void} of 200 looked at in {rounds} rounds");

        // Its valid data comes with the rounds, too.
        world.put(0, "k", "changed");
        let micros = world.run_until("equal", 10 * SECOND, |world| world.equal());
        assert!(micros < 4 * SECOND, "{micros}");
    }
}

/// Member 0 signs such a state, and its neighbour, member 1, serves it to member 2 like an honest relay that
/// checks nothing: by deltas, or by nodes and ranges.
fn is_void(change: fn(&mut Vec<Item>), says: fn(&mut Head)) {
    for seed in SEEDS {
        for serves in [Serves::Deltas, Serves::Gaps] {
            let mut world = Mesh::line(4, seed);
            (0..40).for_each(|n| _ = world.put(0, &format!("k{n:02}"), format!("value {n}")));
            world.run_until("equal", 20 * SECOND, |world| world.equal_with(40));
            let good = world.content(3);
            let invalid = signed(&mut world, change, says);
            let asked = relays(&mut world, Rc::new(RefCell::new(invalid)), serves);
            world.run_for(60 * SECOND);
            for member in 1..4 {
                assert_eq!(world.content(member), good, "m{member} keeps the last good head");
            }
            assert_eq!(
                world.stats(2).refusals.get("invalid_head"),
                Some(&1),
                "{:?}",
                world.stats(2).refusals
            );
            assert!(!world.stats(3).refusals.contains_key("invalid_head"), "nobody passes it on");
            let violations = ["malformed", "signature", "node", "range", "wrong_answer", "penalized"];
            for member in 0..4 {
                let refusals = &world.stats(member).refusals;
                assert!(
                    violations.iter().all(|violation| !refusals.contains_key(*violation)),
                    "m{member} blames: {refusals:?}"
                );
            }

            // It is announced repeatedly, and nobody requests it.
            let n_asked = asked.get();
            assert!(n_asked > 0);
            world.run_for(600 * SECOND);
            assert_eq!(asked.get(), n_asked, "idle stays idle");

            // Valid data still arrives, from the same members.
            world.put(0, "k00", "changed");
            world.run_until("equal", 10 * SECOND, |world| {
                world.equal() && world.all_read(0, "k00", Some(b"changed"))
            });
        }
    }
}

/// How a relay answers pulls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Serves {
    Deltas,
    Gaps,
}

/// A state of member 0's shard that its engine never had.
fn signed(world: &mut Mesh, change: fn(&mut Vec<Item>), says: fn(&mut Head)) -> Shard {
    let (key, mesh) = (world.config(0).member.clone(), world.mesh_id());
    let held = world.content(0).items;
    let mut items: Vec<Item> = held
        .into_iter()
        .filter(|((owner, _), _)| *owner == key.id())
        .map(|(_, item)| (*item).clone())
        .collect();
    items.sort_by_key(|item| item.timestamp);
    change(&mut items);
    let mut invalid = Shard::made(&key, &mesh, last(&items), items);
    says(&mut invalid.head);
    invalid.head = invalid.head.signed(&mesh, &key);
    invalid
}

/// From now on member 1 announces the current `invalid` to member 2 in each round, and answers its requests.
/// Counts the requests.
fn relays(world: &mut Mesh, invalid: Rc<RefCell<Shard>>, serves: Serves) -> Rc<Cell<u64>> {
    let (mut requests, n_asked) = (BTreeMap::new(), Rc::new(Cell::new(0)));
    let (count, mut since) = (n_asked.clone(), Timestamp::ZERO);
    world.intercept(move |passing| {
        let Ok(message) = Message::decode(passing.bytes) else { return Fate::Pass };
        let invalid = invalid.borrow();
        match (passing.from, passing.to, message) {
            (2, 1, Message::AskNodes(request) | Message::AskRanges(request)) => {
                count.set(count.get() + 1);
                requests.insert(request.id, passing.bytes.to_vec());
            }
            (2, 1, Message::Pull(wants)) => {
                count.set(count.get() + 1);
                since = wants[0].since;
            }
            (1, 2, Message::Round(_)) => {
                return Fate::Followed(vec![Message::Announce(vec![invalid.head]).encode()]);
            }
            // Its engine does not know the state, so these answers are replaced.
            (1, 2, Message::UpToDate(owner)) if owner == invalid.head.owner => {
                let delta = || invalid.delta(since).answer().bytes.to_vec();
                let gap = || Message::DeltaUnavailable(invalid.head).encode();
                return Fate::Become(if serves == Serves::Deltas { delta() } else { gap() });
            }
            (1, 2, Message::StateChanged(id, _)) => {
                let asked = requests.remove(&id).unwrap_or_default();
                let answer = Message::decode(&asked).ok().and_then(|asked| invalid.answer(&asked));
                return answer.map_or(Fate::Pass, |answer| Fate::Become(answer.frame().bytes.to_vec()));
            }
            _ => {}
        }
        Fate::Pass
    });
    n_asked
}

fn item(key: &str, timestamp: Timestamp) -> Item {
    Item {
        key: Key::new(key).expect("a sound key"),
        timestamp,
        expiry: None,
        value: b"invalid".as_slice().into(),
    }
}

fn last(items: &[Item]) -> Timestamp {
    items.last().expect("there are some").timestamp
}
