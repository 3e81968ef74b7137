//! A53: a member that is restored from an older copy, or rolled back while it runs, whatever its clock does meanwhile. What
//! the mesh had acknowledged is still there or is listed for its owner, and nobody is called a thief.

use crate::common::{Mem, Mesh, SEEDS};
use datafan_core::{
    difference::{Cursor, Difference, State, differences},
    engine::{Alarm, Command, Write},
    store::{ShardState, StoreSnapshot},
    time::SECOND,
};
use datafan_sim::world::{Disk, put};

const MINUTE: u64 = 60 * SECOND;
const MINUTES: i64 = 60 * SECOND as i64;

#[test]
fn a53_what_a_restored_member_had_written_is_kept_for_it_though_its_clock_has_passed_that() {
    for seed in SEEDS {
        for restarts in [0, 1, 2] {
            let mut world = Mesh::line(3, seed);
            let backup = lose(&mut world, 1, 20 * MINUTES);
            restore(&mut world, 1, backup, 0);
            write_alone(&mut world, 1, 25 * MINUTE, restarts);
            meet(&mut world, 1);
            is_listed(&world, 1);
            take_back(&mut world, 1);
        }
    }
}

#[test]
fn a53_seventy_restarts_between_the_loss_and_the_meeting() {
    let mut world = Mesh::line(3, 1);
    let backup = lose(&mut world, 1, 20 * MINUTES);
    restore(&mut world, 1, backup, 0);
    write_alone(&mut world, 1, 25 * MINUTE, 70);
    meet(&mut world, 1);
    is_listed(&world, 1);
    take_back(&mut world, 1);
}

#[test]
fn a53_what_was_written_alone_is_kept_where_the_clock_stays_behind_what_was_lost() {
    for seed in SEEDS {
        for restarts in [0, 1, 2] {
            let mut world = Mesh::line(3, seed);
            let backup = lose(&mut world, 1, 50 * MINUTES);
            restore(&mut world, 1, backup, 0);
            write_alone(&mut world, 1, MINUTE, restarts);
            meet(&mut world, 1);
            // The mesh's state is the later one, so it is the visible one; the other is listed.
            assert!(world.all_read(1, "k", Some(b"2")) && world.all_read(1, "after", Some(b"x")));
            let listed = listed(&world, 1);
            assert!(listed.iter().any(|found| found.key.as_str() == "alone/0"), "{listed:?}");
            take_back(&mut world, 1);
            assert!(world.all_read(1, "alone/0", Some(b"v")), "taken back");
        }
    }
}

#[test]
fn a53_a_lost_deletion_is_listed_and_taken_back() {
    let mut world = Mesh::line(3, 1);
    world.put(1, "gone", "v");
    world.put(1, "k", "1");
    world.run_until("equal", 20 * SECOND, |world| world.equal_with(2));
    let backup = world.disk(1).backup();
    world.delete(1, "gone");
    world.run_until("equal", 20 * SECOND, |world| world.equal_with(1));
    restore(&mut world, 1, backup, 0);
    write_alone(&mut world, 1, MINUTE, 1);
    meet(&mut world, 1);
    let listed = listed(&world, 1);
    assert!(listed.iter().any(|found| found.key.as_str() == "gone" && found.item.is_none()), "{listed:?}");
    take_back(&mut world, 1);
    assert!(world.all_read(1, "gone", None), "deleted again");
}

#[test]
fn a53_copies_of_two_losses_are_both_listed() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        let backup = lose(&mut world, 1, 0);
        restore(&mut world, 1, backup, 0);
        write_alone(&mut world, 1, MINUTE, 0);
        meet(&mut world, 1);
        let backup = world.disk(1).backup();
        world.put(1, "second", "v");
        world.run_until("equal", 20 * SECOND, |world| world.equal());
        restore(&mut world, 1, backup, 0);
        world.run_for(MINUTE);
        world.put(1, "other", "v");
        meet(&mut world, 1);
        world.run_until("both come", 60 * SECOND, |world| {
            ["k", "after", "second"]
                .iter()
                .all(|key| listed(world, 1).iter().any(|found| found.key.as_str() == *key))
        });
        take_back(&mut world, 1);
        for (key, value) in [("k", "2"), ("after", "x"), ("second", "v")] {
            assert!(world.all_read(1, key, Some(value.as_bytes())), "{key}");
        }
    }
}

#[test]
fn a53_copies_five_hops_away_are_told_to_their_owner() {
    for seed in SEEDS {
        // Only the far ends keep what was lost, and nobody links them with the owner but the dialler.
        let mut world = Mesh::mesh_with(7, seed, |_, config| {
            (config.links_min, config.links_wanted_max) = (1, 2);
        });
        for member in 0..7 {
            world.ask(member, Command::Publish(vec![format!("m{member}").into()]));
            if member > 0 {
                let address = format!("m{}", member - 1);
                world.ask(member, Command::Connect { address: address.into(), expected: None });
            }
        }
        world.run_until("a common beginning", 120 * SECOND, |world| world.equal());
        world.put(1, "k", "1");
        world.run_until("equal", 60 * SECOND, |world| world.equal_with(1));
        let backups: Vec<Mem> = (0..6).map(|member| world.disk(member).backup()).collect();
        lose(&mut world, 1, 20 * MINUTES);
        // All disks but the one at the far end are put back, and that member is away: nobody else has what was lost.
        (0..7).for_each(|member| world.stop(member));
        for (member, backup) in backups.into_iter().enumerate() {
            *world.disk(member) = backup;
            world.set_clock(member, 0);
            world.start(member);
            world.ask(member, Command::Publish(vec![format!("m{member}").into()]));
            let address = format!("m{}", (member + 5) % 6);
            world.ask(member, Command::Connect { address: address.into(), expected: None });
        }
        world.run_for(25 * MINUTE);
        world.put(1, "alone/0", "v");
        world.run_until("equal", 120 * SECOND, |world| world.equal_among(&[0, 1, 2, 3, 4, 5]));
        world.start(6);
        world.ask(6, Command::Publish(vec!["m6".into()]));
        world.ask(6, Command::Connect { address: "m5".into(), expected: None });
        world.run_until("told", 300 * SECOND, |world| world.equal() && world.status(1).aside.is_some());
        is_listed(&world, 1);
        take_back(&mut world, 1);
    }
}

/// The member writes with its clock ahead, which the mesh has and a backup of its disk lacks.
fn lose(world: &mut Mesh, member: usize, ahead: i64) -> Mem {
    world.put(member, "k", "1");
    world.run_until("equal", 20 * SECOND, |world| world.equal_with(1));
    let backup = world.disk(member).backup();
    world.set_clock(member, ahead);
    world.put(member, "k", "2");
    world.put(member, "after", "x");
    world.run_until("equal", 20 * SECOND, |world| world.equal_with(2));
    backup
}

/// The old disk is put back, and the member starts with nobody to talk to.
fn restore(world: &mut Mesh, member: usize, backup: Mem, clock: i64) {
    world.stop(member);
    cut_off(world, member);
    world.set_clock(member, clock);
    *world.disk(member) = backup;
    world.start(member);
}

fn write_alone(world: &mut Mesh, member: usize, micros: u64, restarts: usize) {
    world.run_for(micros);
    for n in 0..=restarts {
        world.put(member, &format!("alone/{n}"), "v");
        if n < restarts {
            world.crash(member);
            world.start(member);
        }
    }
}

fn cut_off(world: &mut Mesh, member: usize) {
    others(world, member).into_iter().for_each(|other| world.cut(member, other));
}

fn others(world: &Mesh, member: usize) -> Vec<usize> {
    (0..world.n_members()).filter(|other| *other != member && other.abs_diff(member) == 1).collect()
}

/// The mesh is there again; all end equal, and nobody is called a thief.
fn meet(world: &mut Mesh, member: usize) {
    others(world, member).into_iter().for_each(|other| world.heal(member, other));
    world.run_until("equal, and told", 120 * SECOND, |world| {
        world.equal() && world.status(member).aside.is_some()
    });
    for at in 0..world.n_members() {
        let stolen = world.alarms(at).iter().any(|alarm| matches!(alarm, Alarm::ForeignHead { .. }));
        assert!(!stolen, "m{at}: {:?}", world.alarms(at));
    }
}

/// What the kept states have that is missing from the visible one.
fn listed(world: &Mesh, member: usize) -> Vec<Difference> {
    let (snapshot, id) = (world.snapshot(member), world.id(member));
    let (mut found, mut next) = (Vec::new(), Some(Cursor::START));
    while let Some(from) = next {
        let (page, rest) = differences(&snapshot, &id, from).expect("the store works");
        found.extend(page.into_iter().filter(|found| found.state != State::Back));
        next = rest;
    }
    found
}

/// Everything that the mesh had acknowledged is there or listed.
fn is_listed(world: &Mesh, member: usize) {
    let listed = listed(world, member);
    for (key, value) in [("k", "2"), ("after", "x")] {
        let is_kept = |found: &Difference| {
            found.key.as_str() == key
                && found.item.as_ref().is_some_and(|item| *item.value == *value.as_bytes())
        };
        let visible = world.get(member, member, key).as_deref() == Some(value.as_bytes());
        assert!(visible || listed.iter().any(is_kept), "{key} is gone: {listed:?}");
    }
}

/// What is lacking is written again and the rest given up: then nobody keeps a copy any more.
fn take_back(world: &mut Mesh, member: usize) {
    for lacking in listed(world, member).into_iter().filter(|found| found.state == State::Lacking) {
        let key = lacking.key.clone();
        match lacking.item {
            Some(item) => world.commit(member, vec![put(key.as_str(), &*item.value)]),
            None => world.commit(member, vec![Write::Delete { key }]),
        };
    }
    world.done(member, Command::Forget);
    world.run_until("freed everywhere", 60 * SECOND, |world| {
        world.equal() && (0..world.n_members()).all(|at| n_copies(world, at) == 0)
    });
    assert!(world.status(member).aside.is_none());
}

fn n_copies(world: &Mesh, member: usize) -> usize {
    let shards = world.snapshot(member).shards().expect("the store works");
    shards.iter().filter(|(_, record)| record.state == ShardState::Aside).count()
}
