//! A1-A14 and A17: all members end with all data, whatever the links.

use crate::common::{Mesh, SEEDS};
use datafan_core::time::SECOND;
use datafan_sim::world::{circle, circle2, full, keeps_what_was_readable, line, line2, put, random};
use datafan_testkit::rng::Rng;

const MEMBERS: usize = 15;
const KEYS: [&str; 5] = ["alpha", "beta", "gamma", "delta", "epsilon"];

#[test]
fn a01_line() {
    all_changes_reach_everybody(|_| line(MEMBERS));
}

#[test]
fn a02_line2() {
    all_changes_reach_everybody(|_| line2(MEMBERS));
}

#[test]
fn a03_circle() {
    all_changes_reach_everybody(|_| circle(MEMBERS));
}

#[test]
fn a04_circle2() {
    all_changes_reach_everybody(|_| circle2(MEMBERS));
}

#[test]
fn a05_full() {
    all_changes_reach_everybody(|_| full(MEMBERS));
}

#[test]
fn a06_random3() {
    all_changes_reach_everybody(|rng| random(MEMBERS, 2, rng));
}

#[test]
fn a07_random4() {
    all_changes_reach_everybody(|rng| random(MEMBERS, 3, rng));
}

#[test]
fn a08_line_guarded() {
    nothing_readable_is_lost(|_| line(MEMBERS));
}

#[test]
fn a09_line2_guarded() {
    nothing_readable_is_lost(|_| line2(MEMBERS));
}

#[test]
fn a10_circle_guarded() {
    nothing_readable_is_lost(|_| circle(MEMBERS));
}

#[test]
fn a11_circle2_guarded() {
    nothing_readable_is_lost(|_| circle2(MEMBERS));
}

#[test]
fn a12_full_guarded() {
    nothing_readable_is_lost(|_| full(MEMBERS));
}

#[test]
fn a13_random3_guarded() {
    nothing_readable_is_lost(|rng| random(MEMBERS, 2, rng));
}

#[test]
fn a14_random4_guarded() {
    nothing_readable_is_lost(|rng| random(MEMBERS, 3, rng));
}

#[test]
fn a17_demo() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        world.put(0, "david", "1");
        world.run_until("1 item", 5 * SECOND, |world| world.equal_with(1));

        world.put(1, "eric", "1");
        world.put(2, "cedric", "1");
        world.run_until("3 items", 5 * SECOND, |world| world.equal_with(3));

        world.put(1, "eric", "2");
        world.delete(0, "david");
        world.run_until("2 items", 5 * SECOND, |world| world.equal_with(2));
        assert!(world.all_read(1, "eric", Some(b"2")));

        world.delete(1, "eric");
        world.delete(2, "cedric");
        world.run_until("no items", 5 * SECOND, |world| world.equal_with(0));
    }
}

fn all_changes_reach_everybody(topology: impl Fn(&mut Rng) -> Vec<(usize, usize)>) {
    for seed in SEEDS {
        let mut world = Mesh::mesh(MEMBERS, seed);
        add_and_overwrite(&mut world, &topology);
        world.delete(0, "David");
        world.run_until("75 items again", 30 * SECOND, |world| world.equal_with(75));
        assert!(world.all_read(0, "David", None));
    }
}

fn nothing_readable_is_lost(topology: impl Fn(&mut Rng) -> Vec<(usize, usize)>) {
    for seed in SEEDS {
        let mut world = Mesh::mesh(MEMBERS, seed);
        world.guard(keeps_what_was_readable());
        add_and_overwrite(&mut world, &topology);
    }
}

/// Every member writes five items and gets all 75; member 0 adds a 76th and overwrites it.
fn add_and_overwrite(world: &mut Mesh, topology: &impl Fn(&mut Rng) -> Vec<(usize, usize)>) {
    let links = topology(&mut world.rng);
    world.link_all(&links);
    for member in 0..MEMBERS {
        let writes = KEYS.map(|key| put(key, world.rng.bytes(24)));
        world.ask_commit(member, writes.into());
    }
    world.run_until("75 items", 60 * SECOND, |world| world.equal_with(75));

    world.put(0, "David", "first");
    world.run_until("76 items", 30 * SECOND, |world| world.equal_with(76));

    world.put(0, "David", "second");
    world.run_until("the new value", 30 * SECOND, |world| world.all_read(0, "David", Some(b"second")));
    world.run_until("76 items still", 30 * SECOND, |world| world.equal_with(76));
}
