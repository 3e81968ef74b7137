//! Push trees: each commit reaches each member once, also when links and members go.

use crate::common::{Mesh, SEEDS};
use datafan_core::time::{MILLI, SECOND, Timestamp};
use datafan_sim::{topology::Topology, world::put};
use std::collections::BTreeSet;

const MEMBERS: usize = 30;
/// The maximum duration of a push; no round finishes in this time.
const PUSH_MICROS: u64 = 150 * MILLI;

#[test]
fn a_grown_tree_brings_each_commit_once() {
    for seed in SEEDS {
        let mut world = mesh_of_six_links(seed);
        grow(&mut world);
        let (redundant, applied) = (redundant(&world), applied(&world));
        for n in 0..100 {
            write(&mut world, n % 5, PUSH_MICROS);
        }
        let redundant = self::redundant(&world) - redundant;
        let applied = self::applied(&world) - applied;
        assert_eq!(applied, 100 * (MEMBERS as u64 - 1));
        assert!(redundant * 20 <= applied, "{redundant} of {applied} pushes brought nothing");
    }
}

#[test]
fn with_a_third_of_the_members_the_others_lose_nothing() {
    for seed in SEEDS {
        let mut world = mesh_of_six_links(seed);
        let links: BTreeSet<(usize, usize)> =
            (0..MEMBERS).flat_map(|a| world.peers(a).into_iter().map(move |b| (a, b))).collect();
        grow(&mut world);
        let lost = lost_third(&mut world, &links);
        lost.iter().for_each(|member| world.crash(*member));
        let left: Vec<usize> = (0..MEMBERS).filter(|member| !lost.contains(member)).collect();
        let width = width(&left, &links);

        // Some of these are written before anybody has noticed.
        let round = 5 * SECOND / 4 + 200 * MILLI;
        for n in 0..40 {
            let owner = n % 5;
            let timestamp = commit(&mut world, owner);
            let beside = left.iter().filter(|a| lost.iter().any(|b| links.contains(&(**a, *b))));
            let beside: Vec<usize> = beside.copied().collect();
            world.run_until("the commit is at the neighbours of the lost", 2 * round, |world| {
                all_hold(world, &beside, owner, timestamp)
            });
            world.run_until("the commit is everywhere", width * round, |world| {
                all_hold(world, &left, owner, timestamp)
            });
        }
        // The rounds have repaired the tree, so that they need not carry the data again.
        for n in 0..40 {
            let timestamp = commit(&mut world, n % 5);
            world.run_until("a push brings the commit", PUSH_MICROS, |world| {
                all_hold(world, &left, n % 5, timestamp)
            });
        }
    }
}

#[test]
fn a_tree_is_mended_before_the_next_commit() {
    for seed in SEEDS {
        // Rounds are so rare that none of them helps.
        let mut world = Mesh::mesh_with(4, seed, |_, config| config.round_micros = 1_000 * SECOND);
        world.link_all(&[(0, 1), (1, 2), (2, 3), (3, 0)]);
        world.run_until("equal", 5 * SECOND, |world| world.equal());
        for _ in 0..5 {
            write(&mut world, 0, PUSH_MICROS);
        }
        // The last member to receive it does so over one of these.
        for parent in [1, 3] {
            world.cut(2, parent);
            world.run_for(2 * SECOND);
            write(&mut world, 0, PUSH_MICROS);
            world.heal(2, parent);
            world.run_until("linked", 30 * SECOND, |world| world.peers(2).len() == 2);
            world.run_for(2 * SECOND);
            write(&mut world, 0, PUSH_MICROS);
        }
    }
}

#[test]
fn a_new_link_between_members_that_are_well_brings_no_copies() {
    for seed in SEEDS {
        let (mut world, links) = well_linked(12, seed);
        let pairs = (1..12).flat_map(|a| (a + 1..12).map(move |b| (a, b)));
        let free: Vec<_> = pairs.filter(|(a, b)| !links.contains(&(*a, *b))).take(4).collect();
        let before = redundant(&world);
        world.link_all(&free);
        world.run_for(3 * SECOND);
        // The owner has none of the new links: it pushes once over its own.
        (0..5).for_each(|_| write(&mut world, 0, PUSH_MICROS));
        assert_eq!((free.len(), redundant(&world) - before), (4, 0));
    }
}

#[test]
fn few_are_asked_for_what_a_lost_link_brought() {
    for seed in SEEDS {
        let (mut world, links) = well_linked(12, seed);
        let peers = |of: usize| links.iter().filter(move |(a, _)| *a == of).map(|(_, b)| *b);
        let far = (1..12).find(|member| !links.contains(&(0, *member))).expect("not all are linked with it");
        let before = redundant(&world);
        for peer in peers(far) {
            world.cut(far, peer);
            world.run_for(SECOND);
            write(&mut world, 0, 3 * SECOND);
            world.heal(far, peer);
            world
                .run_until("linked again", 30 * SECOND, |world| world.peers(far).len() == peers(far).count());
            world.run_for(3 * SECOND);
        }
        let copies = redundant(&world) - before;
        // Two are asked instead of one, which is one too many; and few of the cut links carried anything.
        assert!(copies <= peers(far).count() as u64, "{copies} copies");
    }
}

#[test]
fn whoever_has_many_links_begins_with_few_of_them() {
    for seed in SEEDS {
        let leaves = 20;
        let mut world = Mesh::mesh(leaves + 1, seed);
        world.link_all(&(1..=leaves).map(|leaf| (leaf, 0)).collect::<Vec<_>>());
        world.run_until("equal", 20 * SECOND, |world| world.equal());
        let before = world.stats(0).pushes_sent;
        let timestamp = commit(&mut world, 1);
        world.run_for(PUSH_MICROS);
        // The writer is one of the six.
        assert_eq!(world.stats(0).pushes_sent - before, 5);
        let all: Vec<usize> = (0..=leaves).collect();
        world.run_until("a round has brought it", 2 * SECOND, |world| all_hold(world, &all, 1, timestamp));
        // From now on the leaves that had to ask for it are included.
        write(&mut world, 1, PUSH_MICROS);
    }
}

/// Members with six links on average, more than their minimum, that have grown the tree of the first one; and
/// the links, both ways.
fn well_linked(members: usize, seed: u64) -> (Mesh, BTreeSet<(usize, usize)>) {
    // Only the test writes.
    let mut world = Mesh::mesh_with(members, seed, |_, config| {
        (config.links_min, config.publish_links) = (3, false);
    });
    let links = Topology::Random(3, 3).links(members, &mut world.rng).expect("a sound topology");
    world.link_all(&links);
    world.run_until("equal", 30 * SECOND, |world| world.equal());
    (0..20).for_each(|_| write(&mut world, 0, 3 * SECOND));
    let both = (0..members).flat_map(|a| world.peers(a).into_iter().map(move |b| (a, b))).collect();
    (world, both)
}

fn mesh_of_six_links(seed: u64) -> Mesh {
    let mut world = Mesh::mesh(MEMBERS, seed);
    let links = Topology::Random(3, 3).links(MEMBERS, &mut world.rng).expect("a sound topology");
    world.link_all(&links);
    world.run_until("equal", 30 * SECOND, |world| world.equal());
    world
}

/// Five members write until their trees have grown.
fn grow(world: &mut Mesh) {
    for n in 0..50 {
        write(world, n % 5, 3 * SECOND);
    }
}

/// A member writes 100 bytes, which reach all running members within `micros`.
fn write(world: &mut Mesh, owner: usize, micros: u64) {
    let timestamp = commit(world, owner);
    let all: Vec<usize> = (0..world.n_members()).collect();
    world.run_until("the commit is everywhere", micros, |world| all_hold(world, &all, owner, timestamp));
}

fn commit(world: &mut Mesh, owner: usize) -> Timestamp {
    let value = world.rng.bytes(100);
    world.commit(owner, vec![put("k", value)]).timestamp
}

fn all_hold(world: &Mesh, members: &[usize], owner: usize, timestamp: Timestamp) -> bool {
    let owner = world.id(owner);
    members.iter().all(|member| world.heads(*member).get(&owner).is_some_and(|head| head.0 >= timestamp))
}

/// A third of the members, none of whom writes; the others are connected without them.
fn lost_third(world: &mut Mesh, links: &BTreeSet<(usize, usize)>) -> Vec<usize> {
    loop {
        let mut others: Vec<usize> = (5..MEMBERS).collect();
        let lost: Vec<usize> =
            (0..MEMBERS / 3).map(|_| others.swap_remove(world.rng.index(others.len()))).collect();
        let left: Vec<usize> = (0..5).chain(others).collect();
        if reached(left[0], &left, links).0 == left.len() {
            return lost;
        }
    }
}

/// The length in links of the longest of the shortest paths between `members`.
fn width(members: &[usize], links: &BTreeSet<(usize, usize)>) -> u64 {
    members.iter().map(|from| reached(*from, members, links).1).max().expect("somebody is left")
}

/// The number of `members` reachable from one of them through others, and the maximum number of links.
fn reached(from: usize, members: &[usize], links: &BTreeSet<(usize, usize)>) -> (usize, u64) {
    let (mut seen, mut last, mut hops) = (BTreeSet::from([from]), vec![from], 0);
    loop {
        let next = members.iter().filter(|to| last.iter().any(|from| links.contains(&(*from, **to))));
        let next: Vec<usize> = next.copied().filter(|member| !seen.contains(member)).collect();
        if next.is_empty() {
            return (seen.len(), hops);
        }
        hops += 1;
        seen.extend(&next);
        last = next;
    }
}

fn redundant(world: &Mesh) -> u64 {
    (0..world.n_members()).map(|member| world.stats(member).redundant).sum()
}

fn applied(world: &Mesh) -> u64 {
    (0..world.n_members()).map(|member| world.stats(member).applied).sum()
}
