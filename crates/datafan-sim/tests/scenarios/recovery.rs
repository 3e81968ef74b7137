//! A25, A29, A41 and what else becomes of owners whose disk knows less than the mesh.

use crate::common::{Mem, Mesh, SEEDS};
use datafan_core::{
    engine::{Alarm, Answer, OwnState, Write},
    time::{MILLI, SECOND, Timestamp},
};
use datafan_sim::world::{Disk, delete, put, uses_no_timestamp_twice};

#[test]
fn a25_an_owner_without_its_disk_gets_its_shard_back_before_it_writes() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        world.guard(uses_no_timestamp_twice());
        world.put(1, "k", "v");
        world.put(1, "other", "v");
        world.run_until("equal", 10 * SECOND, |world| world.equal_with(2));

        world.crash(1);
        *world.disk(1) = Mem::empty();
        world.start(1);
        // Asked for at once: it waits.
        let ticket = world.ask_commit(1, vec![put("k", "w")]);
        world.run_until("written", 20 * SECOND, |world| world.answer(1, ticket).is_some());
        assert!(matches!(world.answer(1, ticket), Some(Answer::Committed(done)) if done.changed == 1));
        world.run_until("equal", 10 * SECOND, |world| world.equal());
        assert!(world.all_read(1, "k", Some(b"w")) && world.all_read(1, "other", Some(b"v")));

        let alarms = world.alarms(1);
        assert!(matches!(alarms[0], Alarm::Recovering { ours: None, .. }), "{alarms:?}");
        assert!(matches!(alarms[1], Alarm::Recovered { .. }) && alarms.len() == 2, "{alarms:?}");
        let status = world.status(1);
        let recovered = status.recovered.expect("told for ever");
        assert_eq!((status.own, recovered.from), (OwnState::Confirmed, Timestamp::ZERO));
        assert!(recovered.to > Timestamp::ZERO);
    }
}

#[test]
fn a29_a41_an_owner_restored_from_a_backup_takes_back_what_the_mesh_has() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        world.guard(uses_no_timestamp_twice());
        world.put(1, "k", "yesterday");
        let yesterday = world.put(1, "gone", "soon").timestamp;
        world.run_until("equal", 10 * SECOND, |world| world.equal_with(2));
        let backup = world.disk(1).backup();
        world.put(1, "k", "today");
        world.put(1, "new", "today");
        let today = world.commit(1, vec![delete("gone")]).timestamp;
        world.run_until("equal", 10 * SECOND, |world| world.equal());

        world.stop(1);
        *world.disk(1) = backup;
        world.start(1);
        let ticket = world.ask_commit(1, vec![put("more", "v")]);
        world.run_until("written", 20 * SECOND, |world| world.answer(1, ticket).is_some());
        world.run_until("equal", 10 * SECOND, |world| world.equal());
        assert!(world.all_read(1, "k", Some(b"today")) && world.all_read(1, "new", Some(b"today")));
        assert!(world.all_read(1, "gone", None) && world.all_read(1, "more", Some(b"v")));

        let recovered = world.status(1).recovered.expect("the owner is told");
        assert_eq!((recovered.from, recovered.to), (yesterday, today));
        assert_eq!(world.alarms(1).len(), 2, "{:?}", world.alarms(1));
    }
}

#[test]
fn the_greatest_head_among_the_peers_comes_back() {
    for seed in SEEDS {
        // The owner in the middle of a star: its peers hear of each other through it alone.
        let mut world = Mesh::mesh(4, seed);
        world.link_all(&[(1, 0), (2, 0), (3, 0)]);
        world.run_until("equal", 20 * SECOND, |world| world.equal());
        for (n, peer) in [3, 2, 1].into_iter().enumerate() {
            world.put(0, "k", format!("{n}"));
            world.run_until("there", 10 * SECOND, |world| world.get(peer, 0, "k") == world.get(0, 0, "k"));
            world.cut(0, peer);
        }
        world.crash(0);
        *world.disk(0) = Mem::empty();
        world.start(0);
        [3, 2, 1].into_iter().for_each(|peer| world.heal(0, peer));
        world.run_until("equal", 60 * SECOND, |world| world.equal());
        assert!(world.all_read(0, "k", Some(b"2")), "the last one that anybody has heard of");
        assert_eq!(world.status(0).own, OwnState::Confirmed);
    }
}

#[test]
fn a_member_that_loses_its_disk_twice_while_it_recovers_still_recovers() {
    for seed in 1..11 {
        let mut world = Mesh::line(3, seed);
        world.guard(uses_no_timestamp_twice());
        let writes =
            |n: usize| (0..200).map(|k| put(&format!("k{k}"), format!("{n}"))).collect::<Vec<Write>>();
        for n in 0..3 {
            world.commit(1, writes(n));
        }
        world.run_until("equal", 10 * SECOND, |world| world.equal_with(200));
        for _ in 0..3 {
            world.crash(1);
            if world.rng.below(2) == 0 {
                *world.disk(1) = Mem::empty();
            }
            world.start(1);
            let pause = world.rng.below(3 * SECOND) + MILLI;
            world.run_for(pause);
        }
        world.put(1, "last", "v");
        world.run_until("equal", 30 * SECOND, |world| world.equal());
        assert!(world.all_read(1, "k0", Some(b"2")) && world.all_read(1, "k199", Some(b"2")));
    }
}

#[test]
fn expired_items_that_came_back_are_removed_in_time() {
    let mut world = Mesh::line(2, 1);
    let expiry = Timestamp(world.wall(1).0 + 60 * SECOND);
    let key = datafan_core::item::Key::new("short").unwrap();
    world.commit(1, vec![Write::Put { key, value: b"v".as_slice().into(), expiry: Some(expiry) }]);
    world.run_until("equal", 10 * SECOND, |world| world.equal());
    world.crash(1);
    *world.disk(1) = Mem::empty();
    world.start(1);
    world.run_until("equal", 20 * SECOND, |world| world.equal());
    let items = |world: &Mesh| world.status(0).shards.iter().map(|shard| shard.items).sum::<u64>();
    let held = items(&world);
    world.run_for(3_700 * SECOND);
    assert_eq!(items(&world), held - 1, "only the owner removes it, an hour after its expiry");
}

#[test]
fn a42_an_authority_without_its_disk_or_with_an_old_one_takes_its_roster_back() {
    for seed in SEEDS {
        for empty in [false, true] {
            let mut world = Mesh::line(3, seed);
            world.run_until("equal", 20 * SECOND, |world| world.equal());
            let backup = world.disk(0).backup();
            let late = world.add(|_| {});
            world.admit(late);
            world.start(late);
            world.link(late, 1);
            world.run_until("equal", 20 * SECOND, |world| world.equal());

            world.crash(0);
            *world.disk(0) = if empty { Mem::empty() } else { backup };
            // Only the one that the old roster does not know is there to ask.
            world.stop(1);
            world.stop(2);
            world.start(0);
            world.link(late, 0);
            world.run_until("linked", 30 * SECOND, |world| world.linked(0, late));
            let next = world.add(|_| {});
            world.admit(next);
            world.start(next);
            world.link(next, 0);
            world.start(1);
            world.start(2);
            world.run_until("equal", 60 * SECOND, |world| world.equal());
            assert_eq!(world.status(2).members.len(), 5, "nobody is forgotten");
            for member in [1, 2, late] {
                assert!(world.alarms(member).is_empty(), "{:?}", world.alarms(member));
            }
        }
    }
}
