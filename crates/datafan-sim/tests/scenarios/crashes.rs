//! A50, and the possible loss in a crash at any moment: nothing that anybody was told.

use crate::common::{Mesh, SEEDS};
use datafan_core::{
    engine::{Answer, Ticket},
    time::{MILLI, SECOND, Timestamp},
};
use datafan_sim::world::{put, uses_no_timestamp_twice};

#[test]
fn a50_no_timestamp_is_used_twice() {
    for seed in 1..11 {
        let mut world = Mesh::line(3, seed);
        world.guard(uses_no_timestamp_twice());
        let mut asked = Vec::new();
        for n in 0..15 {
            // Several commits, some announced and some not yet on disk when the member crashes.
            world.slow_sync(1, 3 * MILLI);
            for k in 0..4 {
                asked.push(world.ask_commit(1, vec![put(&format!("k{k}"), format!("{n}"))]));
                let pause = world.rng.below(4 * MILLI);
                world.run_for(pause);
            }
            world.crash(1);
            // Each time an earlier clock than before: never beyond the bound that stops writing.
            world.set_clock(1, -(n * 60 * SECOND as i64));
            world.start(1);
            let pause = world.rng.below(8 * SECOND);
            world.run_for(pause);
        }
        world.slow_sync(1, 0);
        world.put(1, "last", "v");
        world.run_until("equal", 30 * SECOND, |world| world.equal());
        assert!(world.all_read(1, "last", Some(b"v")));

        let answers = asked.iter().filter_map(|ticket| world.answer(1, *ticket));
        let timestamps: Vec<Timestamp> = answers.filter_map(written).collect();
        assert!(timestamps.windows(2).all(|pair| pair[0] < pair[1]), "acknowledged: {timestamps:?}");
    }
}

fn written(answer: &Answer) -> Option<Timestamp> {
    match answer {
        Answer::Committed(committed) if committed.changed > 0 => Some(committed.timestamp),
        Answer::Committed(_) | Answer::Refused(_) => None,
    }
}

#[test]
fn own_data_is_on_disk_before_anybody_hears_of_it() {
    for seed in SEEDS {
        for others_write in [false, true] {
            let mut world = Mesh::line(3, seed);
            // The first commit of a second also moves the bound of timestamps, synced; the next ones do not.
            world.put(1, "first", "v");
            world.slow_sync(1, 20 * MILLI);
            if others_write {
                // Gives the member something to forward while its own commit is not on disk.
                world.ask_commit(0, vec![put("other", "v")]);
                world.run_for(2 * MILLI);
            }
            let ticket = world.ask_commit(1, vec![put("k", "v")]);
            world.run_for(10 * MILLI);
            assert!(world.is_syncing(1));
            assert!(world.answer(1, ticket).is_none(), "not acknowledged before it is on disk");
            world.crash(1);
            world.run_for(5 * SECOND);
            // With its disk it could not have known better: nobody knows what it has lost.
            assert!(world.get(0, 1, "k").is_none() && world.get(2, 1, "k").is_none());
            world.start(1);
            world.put(1, "k", "again");
            world.run_until("equal", 10 * SECOND, |world| world.equal());
            assert!(world.alarms(1).is_empty(), "{:?}", world.alarms(1));
        }
    }
}

#[test]
fn a32_no_acknowledged_write_is_lost_by_crashes_at_any_instant() {
    for seed in 1..7 {
        let mut world = Mesh::line(3, seed);
        (0..3).for_each(|member| world.slow_sync(member, 2 * MILLI));
        let mut asked: Vec<(usize, String, Ticket)> = Vec::new();
        for n in 0..60 {
            for member in 0..3 {
                let key = format!("k{n}");
                let ticket = world.ask_commit(member, vec![put(&key, n.to_string())]);
                asked.push((member, key, ticket));
            }
            let (pause, victim) = (world.rng.below(30 * MILLI), world.rng.below(6) as usize);
            world.run_for(pause);
            if victim < 3 {
                world.crash(victim);
                let pause = world.rng.below(SECOND);
                world.run_for(pause);
                world.start(victim);
            }
        }
        world.run_until("equal", 60 * SECOND, |world| world.equal());
        for (member, key, ticket) in asked {
            if let Some(Answer::Committed(_)) = world.answer(member, ticket) {
                assert!(
                    world.get(0, member, &key).is_some(),
                    "m{member} lost its acknowledged {key}, seed {seed}"
                );
            }
        }
    }
}

#[test]
fn a_lonely_member_with_a_proven_store_writes_after_a_while() {
    let mut world = Mesh::line(2, 1);
    world.put(1, "k", "1");
    world.stop(0);
    world.stop(1);
    world.start(1);
    let before = world.time();
    let ticket = world.ask_commit(1, vec![put("k", "2")]);
    world.run_for(4 * SECOND);
    assert!(world.answer(1, ticket).is_none(), "it waits for a peer to compare with");
    assert_eq!(world.get(1, 1, "k").as_deref(), Some(&b"1"[..]), "reads work");
    world.run_until("written", 3 * SECOND, |world| world.answer(1, ticket).is_some());
    assert!(world.time().0 - before.0 >= 5 * SECOND);
    let Some(Answer::Committed(committed)) = world.answer(1, ticket) else { panic!("refused") };
    assert!(committed.timestamp > Timestamp::ZERO);
}
