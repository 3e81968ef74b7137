//! A31, A35: commits are applied completely or not at all, everywhere; a commit over a limit is not applied.

use crate::common::{Mesh, SEEDS, refusals};
use datafan_core::{
    engine::{Answer, OwnChange, Write, WriteError},
    item::{Key, KeyError},
    limits::{COMMIT_BYTES_MAX, COMMIT_WRITES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX},
    time::{MILLI, SECOND},
};
use datafan_sim::world::{delete, put};

#[test]
fn a31_large_commits_are_seen_whole_or_not_at_all() {
    // With 20 B the commit is pushed; with 200 B it is too large, and only its head is.
    for value_bytes in [1, 20, 200] {
        let mut world = Mesh::line(4, value_bytes as u64);
        let old = (0..500).map(|n| put(&format!("old-{n}"), [7; 20])).collect();
        world.commit(0, old);
        world.run_until("the old ones", 20 * SECOND, |world| world.equal_with(500));

        world.guard(|member, content| {
            let counted =
                |prefix| content.items.keys().filter(|(_, key)| key.as_str().starts_with(prefix)).count();
            let seen = (counted("old-"), counted("new-"));
            assert!(seen == (500, 0) || seen == (0, 1_000), "m{member} sees a part: {seen:?}");
        });
        let mut writes: Vec<Write> = (0..500).map(|n| delete(&format!("old-{n}"))).collect();
        writes.extend((0..1_000).map(|n| put(&format!("new-{n}"), vec![8; value_bytes])));
        world.commit(0, writes);
        world.run_until("the new ones", 20 * SECOND, |world| world.equal_with(1_000));
    }
}

#[test]
fn a35_what_is_over_a_limit_is_refused_and_harms_nothing() {
    let mut world = Mesh::mesh_with(2, 1, |_, config| config.value_bytes_max = 1_000);
    world.link(1, 0);
    world.put(0, "before", "v");

    assert_eq!(Key::new("k".repeat(KEY_BYTES_MAX + 1)), Err(KeyError::TooLong { len: KEY_BYTES_MAX + 1 }));
    assert_eq!(Key::new(""), Err(KeyError::Empty));
    let error = world.refused(0, vec![put("good", "v"), put("long", [1; 1_001])]);
    assert_eq!(error, WriteError::ValueTooLong { key: "long".into(), len: 1_001, limit: 1_000 });
    assert!(error.to_string().contains("1001 bytes, limit 1000"), "{error}");
    let error = world.refused(0, vec![put("_sys/addresses", "v")]);
    assert_eq!(error, WriteError::SystemKey { key: "_sys/addresses".into() });
    let many = (0..=COMMIT_WRITES_MAX).map(|n| put(&n.to_string(), "v")).collect();
    let writes = COMMIT_WRITES_MAX + 1;
    assert_eq!(world.refused(0, many), WriteError::TooManyWrites { writes });

    world.put(0, "after", [1; 1_000]);
    world.run_until("before and after", 10 * SECOND, |world| world.equal_with(2));
}

#[test]
fn a35_receivers_take_up_to_the_fixed_maximum() {
    let mut world = Mesh::mesh_with(2, 1, |member, config| {
        config.value_bytes_max = if member == 1 { 10 } else { VALUE_BYTES_MAX };
    });
    world.link(1, 0);
    let longest_key = "k".repeat(KEY_BYTES_MAX);
    world.put(0, &longest_key, vec![1; VALUE_BYTES_MAX]);
    world.run_until("the longest", 10 * SECOND, |world| world.equal_with(1));

    let too_much = (0..5).map(|n| put(&n.to_string(), vec![1; VALUE_BYTES_MAX])).collect();
    let bytes = 5 * (VALUE_BYTES_MAX + 1);
    assert!(bytes > COMMIT_BYTES_MAX);
    assert_eq!(world.refused(0, too_much), WriteError::CommitTooLarge { bytes });
}

#[test]
fn the_last_write_of_a_key_in_one_commit_wins() {
    let mut world = Mesh::line(2, 1);
    let before = world.put(0, "gone", "v").timestamp;
    let done = world.commit(0, vec![put("k", "1"), put("k", "2"), put("gone", "w"), delete("gone")]);
    assert_eq!(done.changed, 2);
    assert!(done.timestamp > before);
    world.run_until("equal", 10 * SECOND, |world| world.equal_with(1));
    assert!(world.all_read(0, "k", Some(b"2")) && world.all_read(0, "gone", None));
}

#[test]
fn several_owned_shards_move_side_by_side() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        // Member 0 owns its own shard and the roster; both change at the same time, with a slow disk.
        world.slow_sync(0, 5_000);
        let newcomer = world.add(|_| ());
        let (id, name) = (world.id(newcomer), world.config(newcomer).name.clone());
        world.ask_commit(0, vec![put("k", "1")]);
        world.ask(0, OwnChange::Admit { id, name });
        world.ask_commit(0, vec![put("k", "2")]);
        world.run_until("both at the end of the line", 10 * SECOND, |world| {
            let knows = world.status(2).members.iter().any(|(member, _)| *member == id);
            knows && world.get(2, 0, "k").as_deref() == Some(b"2") && world.equal()
        });

        let roster = world.heads(0)[&world.authority().id()];
        world.crash(0);
        world.set_clock(0, -(1_800 * SECOND as i64));
        world.start(0);
        let other = world.add(|_| ());
        world.admit(other);
        assert!(world.heads(0)[&world.authority().id()] > roster, "the roster moves on");
        world.run_until("equal", 10 * SECOND, |world| world.equal());
    }
}

#[test]
fn a_group_over_two_shards_is_answered_whichever_bound_moves() {
    for pauses in [[0, 0], [700_000, 0], [0, 700_000], [1_500_000, 700_000]] {
        let mut world = Mesh::line(2, 1);
        let newcomers = [world.add(|_| ()), world.add(|_| ())];
        world.run_for(2 * SECOND + pauses[0]);
        world.put(0, "k", "first");
        world.run_for(pauses[1]);
        for (n, newcomer) in newcomers.into_iter().enumerate() {
            let (id, name) = (world.id(newcomer), world.config(newcomer).name.clone());
            let own = world.ask_commit(0, vec![put("k", n.to_string())]);
            let roster = world.ask(0, OwnChange::Admit { id, name });
            world.run_for(1_000);
            for ticket in [own, roster] {
                assert!(
                    matches!(world.answer(0, ticket), Some(Answer::Committed(_))),
                    "{ticket:?}, {pauses:?}"
                );
            }
        }
        world.run_until("equal", 10 * SECOND, |world| world.equal_with(1));
    }
}

#[test]
fn who_is_slow_takes_in_many_commits_at_once() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        world.slow_handling(1, 50 * MILLI);
        let verified = world.stats(1).verified;
        for n in 0..400 {
            match n % 3 {
                0 | 1 => drop(world.ask_commit(0, vec![put(&format!("k{}", n % 7), n.to_string())])),
                _ => drop(world.ask_commit(0, vec![delete(&format!("k{}", n % 5))])),
            }
            world.run_for(MILLI);
        }
        world.run_until("equal", 20 * SECOND, |world| world.equal());
        let verified = world.stats(1).verified - verified;
        assert!(verified < 60, "{verified} heads of 400 commits were verified");
        assert_eq!(world.stats(1).reconciliations + world.stats(2).reconciliations, 0);
        assert_eq!((refusals(&world, 1), refusals(&world, 2)), (0, 0), "{:?}", world.stats(1).refusals);
    }
}
