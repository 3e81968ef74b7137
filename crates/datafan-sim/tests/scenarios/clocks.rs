//! A23, A24, A27, A45, A49: wall clocks decide about timestamps, and about nothing else.

use crate::common::{Mesh, SEEDS, bytes_per_round, refusals};
use datafan_core::{
    engine::CommandError,
    head::Head,
    message::Message,
    time::{SECOND, Timestamp},
};
use datafan_sim::world::{heads_never_go_back, put, uses_no_timestamp_twice};

const HOUR: i64 = 3_600 * SECOND as i64;

#[test]
fn a23_clock_jumps_back() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        world.guard(heads_never_go_back());
        let before = world.put(0, "k", "before");

        world.set_clock(0, -HOUR);
        let after = world.put(0, "k", "after");

        assert!(after.timestamp > before.timestamp);
        world.run_until("the new value", 10 * SECOND, |world| world.all_read(0, "k", Some(b"after")));
        assert!(world.equal());
    }
}

#[test]
fn a24_restart_with_an_older_clock() {
    for seed in SEEDS {
        for clean in [true, false] {
            let mut world = Mesh::line(3, seed);
            world.guard(heads_never_go_back());
            let before = world.put(1, "k", "before");
            world.run_until("equal", 10 * SECOND, |world| world.equal_with(1));

            if clean {
                world.stop(1)
            } else {
                world.crash(1)
            }
            world.set_clock(1, -HOUR / 2);
            world.start(1);
            let after = world.put(1, "k", "after");

            assert!(after.timestamp > before.timestamp);
            world.run_until("the new value", 10 * SECOND, |world| world.all_read(1, "k", Some(b"after")));
            assert!(world.equal());
        }
    }
}

#[test]
fn a27_two_writes_within_one_tick() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        world.guard(uses_no_timestamp_twice());

        let first = world.put(0, "k", "1");
        let second = world.put(0, "k", "2");
        world.ask_commit(0, vec![put("l", "1")]);
        world.ask_commit(0, vec![put("l", "2")]);

        assert!(second.timestamp > first.timestamp);
        world.run_until("both", 10 * SECOND, |world| world.equal_with(2));
        assert!(world.all_read(0, "k", Some(b"2")) && world.all_read(0, "l", Some(b"2")));
    }
}

#[test]
fn a45_a_clock_far_behind_the_last_write_stops_writing_until_it_is_right() {
    let mut world = Mesh::line(2, 1);
    world.put(0, "k", "1");
    world.set_clock(0, -2 * HOUR);
    let error = world.refused(0, vec![put("k", "2")]);
    assert!(matches!(error, CommandError::ClockBehind { ahead_seconds: 7_199..=7_201 }), "{error}");
    world.set_clock(0, 0);
    world.put(0, "k", "3");
    world.run_until("the last value", 5 * SECOND, |world| world.all_read(0, "k", Some(b"3")));
}

#[test]
fn a49_a_head_ahead_of_the_clock_is_refused_once() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        // The end of the line is two hours behind: nothing new of the others is credible to it.
        world.set_clock(2, -2 * HOUR);
        world.put(0, "k", "v");
        world.run_for(60 * SECOND);
        assert_eq!(world.get(2, 0, "k"), None);
        assert_eq!(world.stats(2).refusals.get("clock_ahead"), Some(&1));

        let refused = refusals(&world, 2);
        assert!(bytes_per_round(&mut world, 600 * SECOND) <= 64, "idle rounds stay idle");
        assert_eq!(refusals(&world, 2), refused, "refused once and remembered");

        world.set_clock(2, 0);
        world.run_until("equal with a right clock", 120 * SECOND, |world| world.equal_with(1));
    }
}

#[test]
fn a49_a_head_over_its_owners_quota_is_refused_once() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        world.put(0, "k", "v");
        world.run_until("equal", 10 * SECOND, |world| world.equal_with(1));
        let before = world.content(2);

        // The owner signs a state with more items than it was granted, and its neighbour passes the head on.
        let (key, mesh) = (world.config(0).member.clone(), world.mesh_id());
        let timestamp = Timestamp(world.wall(0).0 + SECOND);
        let (items, root) = (1 << 40, datafan_core::hash::Hash([7; 32]));
        let head = Head { owner: key.id(), timestamp, items, bytes: 0, root, signature: [0; 64] };
        let announced = Message::Announce(vec![head.signed(&mesh, &key)]).encode();
        for _ in 0..5 {
            world.inject(1, 2, announced.clone());
            world.run_for(5 * SECOND);
        }
        assert_eq!(world.stats(2).refusals.get("over_quota"), Some(&1), "{:?}", world.stats(2).refusals);
        assert_eq!(world.content(2), before);
        assert!(bytes_per_round(&mut world, 60 * SECOND) <= 64, "idle rounds stay idle");
        // A smaller state, later, is taken.
        world.run_for(2 * SECOND);
        world.put(0, "l", "v");
        world.run_until("equal", 20 * SECOND, |world| world.equal_with(2));
    }
}

#[test]
fn a_good_head_is_taken_although_a_later_one_was_refused() {
    let mut world = Mesh::line(3, 1);
    world.cut(1, 2);
    world.put(0, "good", "v");
    world.run_until("good at member 1", 5 * SECOND, |world| world.get(1, 0, "good").is_some());

    // The owner's clock goes two hours ahead for one commit. Member 2 hears of that one first, and only of it.
    world.set_clock(0, 2 * HOUR);
    world.put(0, "late", "v");
    world.link(2, 0);
    world.run_until("refused", 5 * SECOND, |world| world.stats(2).refusals.contains_key("clock_ahead"));
    world.cut(2, 0);
    world.heal(1, 2);
    world.run_until("good at member 2", 60 * SECOND, |world| world.get(2, 0, "good").is_some());
    assert_eq!(world.get(2, 0, "late"), None);
}
