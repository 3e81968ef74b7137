//! A16, and the cost of an idle mesh.

use crate::common::{Mesh, SEEDS, bytes_per_round, total_traffic};
use datafan_core::{message::Message, time::SECOND};
use datafan_sim::world::{line, put};

const ROUND_MICROS: u64 = SECOND;

#[test]
fn a16_cost_of_a_line() {
    for seed in SEEDS {
        let per_member_and_item: Vec<u64> = [6, 12, 24].map(|n| cost_of_a_line(n, seed)).into();
        // A head, three items and the requests for them; it must not grow.
        let (least, most) = (per_member_and_item[0], per_member_and_item[2]);
        assert!(most <= 400 && most <= least * 3 / 2, "bytes per member and item: {per_member_and_item:?}");
    }
}

/// Bytes per member and item until a restored line, in which every member has written three items, is equal.
fn cost_of_a_line(n: usize, seed: u64) -> u64 {
    let mut world = Mesh::mesh_with(n, seed, |_, config| config.round_micros = ROUND_MICROS);
    world.link_all(&line(n));
    world.run_until("a common beginning", 60 * SECOND, |world| world.equal());
    line(n).into_iter().for_each(|(a, b)| world.cut(a, b));
    for member in 0..n {
        let writes = ["a", "b", "c"].map(|key| put(key, world.rng.bytes(32)));
        world.commit(member, writes.into());
    }
    let (before, _) = total_traffic(&world);

    line(n).into_iter().for_each(|(a, b)| world.heal(a, b));
    let limit = (n as u64 + 2) * ROUND_MICROS;
    world.run_until("equal within n + 2 rounds", limit, |world| world.equal_with(3 * n));
    (total_traffic(&world).0 - before) / (n * 3 * n) as u64
}

#[test]
fn an_idle_round_costs_the_same_whatever_is_held() {
    for (members, items) in [(2, 1), (2, 2_000), (12, 3), (12, 100)] {
        let mut world = Mesh::mesh(members, 7);
        world.link_all(&line(members));
        for member in 0..members {
            let writes = (0..items).map(|n| put(&format!("key-{n}"), world.rng.bytes(16))).collect();
            world.ask_commit(member, writes);
        }
        world.run_until("equal", 60 * SECOND, |world| world.equal_with(members * items));
        world.run_for(10 * SECOND);
        let bytes = bytes_per_round(&mut world, 100 * SECOND);
        assert!(bytes <= 64, "{members} members with {items} items each: {bytes} B per round");
    }
}

#[test]
fn putting_what_is_there_costs_nothing() {
    let mut world = Mesh::line(3, 1);
    let first = world.put(0, "k", "v");
    world.run_until("equal", 5 * SECOND, |world| world.equal_with(1));
    let again = world.put(0, "k", "v");
    assert_eq!((again.changed, again.timestamp), (0, first.timestamp));
    assert!(bytes_per_round(&mut world, 100 * SECOND) <= 64);
}

#[test]
fn what_nobody_wakes_for_changes_nothing() {
    let mut world = Mesh::line(3, 1);
    world.put(0, "k", "v");
    assert_eq!(world.noop_round(0), None, "who has just written listens");
    world.run_until("all know that they are equal", 10 * SECOND, |world| {
        world.equal_with(1) && (0..3).all(|member| world.noop_round(member).is_some())
    });
    let noop = world.noop_round(1).expect("nothing is left to do");
    assert_eq!(Message::decode(&noop).map(|message| message.frame().bytes), Ok(noop.as_slice().into()));
    let before = world.stats(1).clone();
    world.inject(0, 1, noop.clone());
    world.run_until("it has come", SECOND, |world| {
        world.stats(1).messages_received > before.messages_received
    });
    let after = world.stats(1);
    assert_eq!((after.messages_sent, after.rounds), (before.messages_sent, before.rounds));
    assert_eq!(world.noop_round(1), Some(noop));

    // Member 2 receives nothing, so the messages to it are inspected.
    world.deafen(1, 2);
    world.put(1, "k", "w");
    // Shorter than the timeout of a silent link.
    world.run_for(2 * SECOND);
    assert_eq!(world.noop_round(1), None);
    world.undeafen(1, 2);
    world.run_until("nothing is left to do again", 20 * SECOND, |world| {
        world.equal_with(2) && (0..3).all(|member| world.noop_round(member).is_some())
    });
}
