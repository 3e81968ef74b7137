//! A51, A52: members that find each other by themselves, separated and reunited.

use crate::common::{Mesh, SEEDS};
use datafan_core::{
    engine::{Immediate, Reachability},
    time::SECOND,
};

#[test]
fn a51_two_halves_of_four_come_together_again() {
    for seed in SEEDS {
        let mut world = discovering(8, seed);
        part(&mut world, 4);
        // Each side heals itself first: both have enough links.
        world.run_for(20 * SECOND);
        write_on_both_sides(&mut world);
        unite(&mut world, 4);
        world.run_until("one component", 15 * SECOND, is_one);
        world.run_until("equal", 15 * SECOND, |world| world.equal());
        assert!(world.all_read(7, "right", Some(b"2")));
    }
}

#[test]
fn a51_when_nobody_seeks_a_lost_link_any_more() {
    for (n, half) in [(8, 4), (20, 4), (24, 12)] {
        let mut world = discovering(n, 7);
        part(&mut world, half);
        world.run_for(400 * SECOND);
        write_on_both_sides(&mut world);
        unite(&mut world, half);
        world.run_until("one component", 75 * SECOND, is_one);
        world.run_until("equal", 15 * SECOND, |world| world.equal());
    }
}

#[test]
fn a51_with_many_dead_members_in_the_roster() {
    let mut world = discovering(60, 3);
    (10..60).for_each(|dead| world.crash(dead));
    world.run_for(400 * SECOND);
    part(&mut world, 5);
    world.run_for(400 * SECOND);
    unite(&mut world, 5);
    world.run_until("one component", 75 * SECOND, is_one);
}

#[test]
fn a52_three_islands_are_one_again() {
    for seed in SEEDS {
        let mut world = discovering(15, seed);
        let islands = |world: &Mesh| {
            across(world, 5).into_iter().chain(across(world, 10)).collect::<Vec<(usize, usize)>>()
        };
        islands(&world).into_iter().for_each(|(a, b)| world.cut(a, b));
        world.run_for(400 * SECOND);
        islands(&world).into_iter().for_each(|(a, b)| world.heal(a, b));
        world.run_until("one component", 120 * SECOND, is_one);
    }
}

#[test]
fn links_beyond_the_wanted_number_go_and_nothing_swings_after_that() {
    let mut world = discovering(14, 2);
    let wanted = world.config(0).links_wanted_max;
    world.run_for(600 * SECOND);
    let links = |world: &Mesh| (0..14).map(|member| world.peers(member)).collect::<Vec<_>>();
    let before = links(&world);
    // Only the smaller id drops links, so the member with the greatest may keep more.
    let mean = before.iter().map(Vec::len).sum::<usize>() as f64 / 14.0;
    assert!(mean <= wanted as f64 + 1.0, "{before:?}");
    assert!(before.iter().all(|peers| peers.len() >= 3), "{before:?}");
    assert!(is_one(&world));
    let dials = |world: &Mesh| (0..14).map(|member| world.stats(member).dials).max();
    let dialled = dials(&world);
    world.run_for(3_600 * SECOND);
    let after = links(&world);
    let lost =
        |(before, now): (&Vec<usize>, &Vec<usize>)| before.iter().filter(|peer| !now.contains(peer)).count();
    let n_lost: usize = before.iter().zip(&after).map(lost).sum();
    // Of the existing links, only one that was just dialled for a check may go, and both of its ends lose it.
    assert!(n_lost <= 4, "{before:?} {after:?}");
    // At most one dial in ten minutes: occasionally to a member that is reachable and not linked.
    assert!(dials(&world) <= dialled.map(|dials| dials + 8), "{:?} {dialled:?}", dials(&world));
}

#[test]
fn everybody_sees_who_is_reachable() {
    let mut world = discovering(8, 1);
    world.run_for(60 * SECOND);
    for (member, reach) in (0..8).map(|member| (member, reach(&world, member))) {
        assert!(reach.iter().all(|reach| !is_gone(reach)), "m{member}: {reach:?}");
        assert_eq!(reach.iter().filter(|reach| **reach == Reachability::Itself).count(), 1);
        let linked = reach.iter().filter(|reach| **reach == Reachability::Linked).count();
        assert_eq!(linked, world.peers(member).len(), "m{member}");
    }
    let began = world.wall(0);
    part(&mut world, 4);
    let gone =
        |world: &Mesh| (0..8).all(|member| reach(world, member).iter().filter(|r| is_gone(r)).count() == 4);
    // A minute in which heads of the others had moved here, and the time to publish lost links.
    world.run_until("the others are seen as gone", 110 * SECOND, gone);
    for member in 0..8 {
        for reach in reach(&world, member) {
            if let Reachability::Unreachable { since } = reach {
                assert!(since >= began && since <= world.wall(member), "{since:?}");
            }
        }
        let status = world.status(member);
        let stale = status.shards.iter().filter(|shard| shard.unreachable_since.is_some()).count();
        assert_eq!(stale, 4, "what is held of them may be old");
    }
    unite(&mut world, 4);
    let back = |world: &Mesh| (0..8).all(|member| reach(world, member).iter().all(|reach| !is_gone(reach)));
    world.run_until("all are seen again", 120 * SECOND, back);
}

/// A mesh whose members look for links by themselves, publish their addresses, and know member 0 at first.
pub fn discovering(n: usize, seed: u64) -> Mesh {
    let mut world = Mesh::mesh_with(n, seed, |_, config| {
        (config.links_min, config.links_wanted_max) = (3, 6);
    });
    find_each_other(&mut world);
    world
}

/// Gives members of such a mesh time to find each other.
pub fn find_each_other(world: &mut Mesh) {
    let n = world.n_members();
    for member in 0..n {
        world.ask(member, Immediate::Publish(vec![format!("m{member}").into()]));
        if member > 0 {
            world.ask(member, Immediate::Connect { address: "m0".into(), expected: None });
        }
    }
    world.run_for(40 * SECOND);
    world.run_until("a common beginning", 60 * SECOND, |world| world.equal());
}

fn write_on_both_sides(world: &mut Mesh) {
    world.put(0, "left", "1");
    world.put(world.n_members() - 1, "right", "2");
}

/// Whether links connect all running members.
pub fn is_one(world: &Mesh) -> bool {
    let running: Vec<usize> = (0..world.n_members()).filter(|member| world.runs(*member)).collect();
    let (mut reached, mut waiting) = (vec![running[0]], vec![running[0]]);
    while let Some(member) = waiting.pop() {
        for peer in world.peers(member) {
            if !reached.contains(&peer) {
                reached.push(peer);
                waiting.push(peer);
            }
        }
    }
    reached.len() == running.len()
}

/// The reachability of each member, as `member` sees it.
pub fn reach(world: &Mesh, member: usize) -> Vec<Reachability> {
    world.status(member).reach.values().map(|member| member.reach).collect()
}

/// Whether it is considered unreachable.
pub fn is_gone(reach: &Reachability) -> bool {
    matches!(reach, Reachability::Unreachable { .. })
}

/// Cuts every line between the members below `half` and the others.
pub fn part(world: &mut Mesh, half: usize) {
    for (a, b) in across(world, half) {
        world.cut(a, b);
    }
}

/// Ends what [`part`] began.
pub fn unite(world: &mut Mesh, half: usize) {
    for (a, b) in across(world, half) {
        world.heal(a, b);
    }
}

/// All pairs of a member below `half` and another one.
pub fn across(world: &Mesh, half: usize) -> Vec<(usize, usize)> {
    let n = world.n_members();
    (0..half).flat_map(|a| (half..n).map(move |b| (a, b))).collect()
}
