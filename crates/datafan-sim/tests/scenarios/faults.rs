//! A21, A22, A26, A33: messages that are lost, late or too many.

use crate::common::{Mesh, SEEDS, carries, is_delta};
use datafan_core::{
    connector::Lane,
    time::{MILLI, SECOND},
};
use datafan_sim::world::{Fate, LinkProfile, full, heads_never_go_back, keeps_what_was_readable, put};

#[test]
fn a21_lost_reply_after_delete() {
    for seed in SEEDS {
        for n_lost in 1..4 {
            let mut world = Mesh::line(2, seed);
            world.put(0, "k1", "v");
            world.run_until("k1", 5 * SECOND, |world| world.equal_with(1));

            // The first of these is the push, the others are answers.
            (0..n_lost).for_each(|_| world.lose_next(0, 1, |bytes| carries(bytes, "k3")));
            world.delete(0, "k1");
            world.put(0, "k3", "v");

            world.run_until("k3", 60 * SECOND, |world| world.all_read(0, "k3", Some(b"v")));
            assert!(world.equal_with(1));
        }
    }
}

#[test]
fn a22_a_later_head_heard_while_an_item_is_under_way() {
    for seed in SEEDS {
        let mut world = Mesh::mesh(3, seed);
        world.link_all(&full(3));
        world.guard(keeps_what_was_readable());
        world.put(0, "k1", "v");
        world.run_until("k1", 10 * SECOND, |world| world.equal_with(1));

        // Member 2 gets k3 at once; messages with k3 reach member 1 after three seconds.
        world.intercept(|passing| {
            let slow = (passing.from, passing.to) != (0, 2) && carries(passing.bytes, "k3");
            if slow { Fate::Delay(3 * SECOND) } else { Fate::Pass }
        });
        world.put(0, "k3", "v");
        world.run_until("k3 at member 2", SECOND, |world| world.get(2, 0, "k3").is_some());
        world.put(0, "k4", "v");

        world.run_until("all three", 60 * SECOND, |world| world.equal_with(3));
    }
}

#[test]
fn a26_a_late_answer_brings_nothing_back() {
    for seed in SEEDS {
        let mut world = Mesh::mesh(3, seed);
        world.link_all(&full(3));
        world.guard(heads_never_go_back());
        world.run_until("a common beginning", 20 * SECOND, |world| world.equal());

        // Messages with the old value reach member 1 20 seconds later.
        world.intercept(|passing| {
            let old = passing.bytes.windows(9).any(|bytes| bytes == b"old-value");
            if old && passing.to == 1 { Fate::Delay(20 * SECOND) } else { Fate::Pass }
        });
        world.put(0, "k", "old-value");
        world.run_for(5 * SECOND);
        world.put(0, "k", "new-value");
        world.run_until("the new value", 15 * SECOND, |world| world.all_read(0, "k", Some(b"new-value")));

        world.run_for(60 * SECOND);
        assert!(world.all_read(0, "k", Some(b"new-value")) && world.equal());
    }
}

#[test]
fn messages_that_come_twice_or_never_harm_nothing() {
    for seed in 1..8 {
        let mut world = Mesh::mesh(5, seed);
        world.link_all(&full(5));
        world.guard(heads_never_go_back());
        let mut rng = world.rng.fork();
        world.intercept(move |_| match rng.below(10) {
            0 | 1 => Fate::Lose,
            2 => Fate::Twice,
            3 => Fate::Delay(rng.below(2 * SECOND)),
            _ => Fate::Pass,
        });
        for n in 0..60 {
            let member = world.rng.below(5) as usize;
            let value = world.rng.bytes(40);
            world.ask_commit(member, vec![put(&format!("k{}", n % 7), value)]);
            world.run_for(150 * MILLI);
        }
        world.run_until("equal", 600 * SECOND, |world| world.equal());
    }
}

#[test]
fn a33_a_slow_peer_gets_one_combined_change() {
    const KEYS: u64 = 1_000;
    let mut world = Mesh::line(2, 1);
    world.run_for(3 * SECOND);
    *world.link_profile(0, 1) = slow();
    let (before, applied) = (world.traffic(0, 1), world.stats(1).applied);

    // 10,000 commits within a second: 100 callers every 10 ms.
    for n in 0..10_000u64 {
        let (key, value) = (format!("key-{}", n % KEYS), world.rng.bytes(100));
        world.ask_commit(0, vec![put(&key, value)]);
        if n % 100 == 99 {
            world.run_for(10 * MILLI);
        }
    }
    let took = world.run_until("equal", 60 * SECOND, |world| world.equal_with(KEYS as usize));

    let spent = world.traffic(0, 1).bytes - before.bytes;
    let content = KEYS * 110;
    assert!(spent <= 4 * content, "{spent} B for {content} B of content");
    let kept = [Lane::Bulk, Lane::Small].map(|lane| world.most_kept(0, lane));
    assert!(kept.iter().all(|kept| *kept <= 1 << 20), "{kept:?} B waited");
    let applied = world.stats(1).applied - applied;
    assert!(applied <= 20, "{applied} combined changes in {took} us");
}

/// 50 kB/s, and a short timeout.
fn slow() -> LinkProfile {
    LinkProfile { rate: Some(50_000), queue_bytes: 16 << 10, ..LinkProfile::default() }
}

#[test]
fn a_lost_push_is_repaired_by_the_next_round() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        world.lose_next(0, 1, is_delta);
        world.put(0, "k", "v");
        let took = world.run_until("repaired", 5 * SECOND, |world| world.equal_with(1));
        assert!(took <= 3 * SECOND, "{took} us");
    }
}
