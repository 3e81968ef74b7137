//! A23, A24, A27, A45, A49: wall clocks decide about timestamps, and about nothing else.

use crate::common::{Mesh, SEEDS, bytes_per_round, refusals};
use datafan_core::{
    engine::{Answer, NotWritable, OwnChange, WriteError},
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

        world.run_for(SECOND / 1_000);
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
    assert!(
        matches!(
            error,
            WriteError::NotWritable(NotWritable::ClockBehind { ahead_seconds: 7_199..=7_201, .. })
        ),
        "{error}"
    );
    world.set_clock(0, 0);
    world.put(0, "k", "3");
    world.run_until("the last value", 5 * SECOND, |world| world.all_read(0, "k", Some(b"3")));
}

#[test]
fn a45_what_was_written_two_years_ahead_is_restamped_and_void_for_ever() {
    const TWO_YEARS: i64 = 2 * 365 * 24 * HOUR;
    for seed in SEEDS {
        // One member's clock is wrong in the same way, so it accepts what nobody else does.
        let mut world = Mesh::mesh(4, seed);
        world.link_all(&[(0, 1), (0, 2), (2, 3)]);
        world.put(0, "before", "v");
        world.put(0, "k", "right");
        world.run_until("equal", 20 * SECOND, |world| world.equal_with(2));
        let right = world.content(2);
        [0, 1].into_iter().for_each(|member| world.set_clock(member, TWO_YEARS));
        world.put(0, "k", "future");
        let future = world.put(0, "n", "future").timestamp;
        world
            .run_until("the future", 10 * SECOND, |world| world.get(1, 0, "n").as_deref() == Some(b"future"));
        assert_eq!(world.content(2), right, "nobody else keeps it");
        let replayed = world.heads(0)[&world.id(0)];
        assert_eq!(replayed.0, future);

        [0, 1].into_iter().for_each(|member| world.set_clock(member, 0));
        let error = world.refused(0, vec![put("k", "again")]);
        assert!(matches!(error, WriteError::NotWritable(NotWritable::ClockBehind { .. })), "{error}");
        let Answer::Committed(done) = world.done(0, OwnChange::Restamp) else { panic!("refused") };
        assert_eq!(done.changed, 2, "one overwritten, one new");
        assert!(done.timestamp < future && done.timestamp <= Timestamp(world.wall(0).0 + SECOND));
        let nothing = world.done(0, OwnChange::Restamp);
        assert!(matches!(nothing, Answer::Committed(done) if done.changed == 0));
        world.put(0, "after", "v");
        world.run_until("equal", 30 * SECOND, |world| world.equal_with(4));
        for (key, value) in [("k", "future"), ("n", "future"), ("before", "v"), ("after", "v")] {
            assert!(world.all_read(0, key, Some(value.as_bytes())), "{key}");
        }

        // Two years later nobody takes the old head for a new one, not even after a restart.
        (0..4).for_each(|member| world.set_clock(member, TWO_YEARS + HOUR));
        world.crash(3);
        world.start(3);
        world.run_until("equal again", 20 * SECOND, |world| world.linked(2, 3) && world.equal());
        let (key, mesh) = (world.config(0).member.clone(), world.mesh_id());
        let (timestamp, root) = replayed;
        let head = Head { owner: key.id(), timestamp, items: 3, bytes: 9, root, signature: [0; 64] };
        let announced = Message::Announce(vec![head.signed(&mesh, &key)]).encode();
        let before = world.content(3);
        world.inject(2, 3, announced.clone());
        world.run_for(10 * SECOND);
        assert_eq!(world.content(3), before);
        // Its owner continues above it, so that members that hold it take the new state.
        world.inject(1, 0, announced);
        world.run_until("above it", 20 * SECOND, |world| {
            world.heads(3)[&world.id(0)].0 > timestamp && world.equal()
        });
        assert_eq!(world.content(3).items, before.items);
        assert_eq!(world.stats(3).refusals.get("restamped_head"), Some(&1));
        assert!(world.alarms(0).is_empty(), "{:?}", world.alarms(0));
        world.put(0, "k", "then");
        world.run_until("equal", 30 * SECOND, |world| world.all_read(0, "k", Some(b"then")));
    }
}

#[test]
fn a45_large_shards_and_the_roster_are_restamped_too() {
    let mut world = Mesh::line(2, 1);
    let many = |from: usize, n: usize| (from..from + n).map(|n| put(&format!("k{n}"), "v")).collect();
    world.commit(0, many(0, 3_000));
    world.run_until("equal", 30 * SECOND, |world| world.equal_with(3_000));
    world.set_clock(0, 24 * HOUR);
    world.commit(0, many(2_000, 4_000));
    world.commit(0, many(6_000, 4_000));
    let late = world.add(|_| {});
    world.admit(late);
    world.set_clock(0, 0);
    let Answer::Committed(done) = world.done(0, OwnChange::Restamp) else { panic!("refused") };
    assert_eq!(done.changed, 7_001, "seven thousand items that changed and one entry");
    world.start(late);
    world.link(late, 1);
    world.run_until("equal", 60 * SECOND, |world| world.equal_with(10_000));
    world.crash(0);
    world.start(0);
    world.put(0, "k0", "w");
    world.run_until("equal", 60 * SECOND, |world| world.all_read(0, "k0", Some(b"w")));
}

#[test]
fn a49_a_head_ahead_of_the_clock_is_refused_once() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        // The end of the line is two hours behind: it accepts no new state of the others.
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

        // The owner signs a state with more items than its quota, and its neighbour forwards the head.
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
        // A smaller, later state is accepted.
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

    // The owner's clock is two hours ahead for one commit. Member 2 learns of that one first, and only of it.
    world.set_clock(0, 2 * HOUR);
    world.put(0, "late", "v");
    world.link(2, 0);
    world.run_until("refused", 5 * SECOND, |world| world.stats(2).refusals.contains_key("clock_ahead"));
    world.cut(2, 0);
    world.heal(1, 2);
    world.run_until("good at member 2", 60 * SECOND, |world| world.get(2, 0, "good").is_some());
    assert_eq!(world.get(2, 0, "late"), None);
}
