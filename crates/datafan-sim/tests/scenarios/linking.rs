//! A20 in one process, and finding each other.

use crate::common::{Mesh, SEEDS};
use datafan_core::{
    engine::{Immediate, LinkState},
    identity::Identity,
    time::SECOND,
};
use std::collections::BTreeSet;

#[test]
fn a20_connecting_twice_and_from_both_ends() {
    for seed in SEEDS {
        let mut world = Mesh::mesh(2, seed);
        for (member, peer) in [(0, 1), (1, 0), (0, 1), (1, 0)] {
            connect(&mut world, member, peer);
        }
        world.put(1, "k", "v");
        world.run_until("equal", 10 * SECOND, |world| world.equal_with(1));

        for member in 0..2 {
            let links = world.status(member).links;
            let up = links.iter().filter(|link| link.state == LinkState::Up).count();
            assert_eq!((up, links.len()), (1, 1), "m{member}: {links:?}");
            assert_eq!(world.ready(member).len(), 1, "m{member} reports its peer once");
        }
    }
}

#[test]
fn a20_connecting_to_oneself_is_an_error() {
    let mut world = Mesh::found(1);
    connect(&mut world, 0, 0);
    world.run_for(5 * SECOND);
    let links = world.status(0).links;
    assert!(links.iter().all(|link| link.state != LinkState::Up));
    assert!(links.iter().any(|link| link.error.is_some()), "{links:?}");
    world.put(0, "k", "v");
}

#[test]
fn a_wrong_name_for_an_address_does_not_hide_who_is_there() {
    let mut world = discovering(2, 1);
    let stranger = Identity::from_secret(&[9; 32]).id();
    for member in 0..2 {
        let address = format!("m{}", 1 - member).into();
        world.ask(member, Immediate::Connect { address, expected: Some(stranger) });
    }
    world.run_for(SECOND);
    assert!(!world.linked(0, 1));
    connect(&mut world, 1, 0);
    world.run_until("linked", 60 * SECOND, |world| world.linked(0, 1));
}

#[test]
fn two_that_only_knew_a_third_meet_again_without_it() {
    for seed in SEEDS {
        let mut world = discovering(3, seed);
        (1..3).for_each(|member| connect(&mut world, member, 0));
        world.run_until("linked to all", 60 * SECOND, |world| (0..3).all(|m| world.peers(m).len() == 2));

        (0..3).for_each(|member| world.stop(member));
        world.run_for(10 * SECOND);
        // Member 0 stays away. The others only know of it.
        (1..3).for_each(|member| world.start(member));
        world.run_until("1 and 2 linked", 120 * SECOND, |world| world.linked(1, 2));
        world.put(1, "k", "v");
        world.run_until("equal", 10 * SECOND, |world| world.equal());
        assert!(world.all_read(1, "k", Some(b"v")));
    }
}

#[test]
fn members_dial_until_they_have_enough_links() {
    const N: usize = 12;
    for seed in SEEDS {
        let mut world = discovering(N, seed);
        (1..N).for_each(|member| connect(&mut world, member, 0));
        world.run_until("at least 3 links each", 300 * SECOND, |world| {
            (0..N).all(|member| world.peers(member).len() >= 3)
        });
        world.put(N - 1, "k", "v");
        world.run_until("equal", 30 * SECOND, |world| world.equal());
    }
}

#[test]
fn a_member_that_came_back_elsewhere_is_found_by_what_it_publishes() {
    let mut world = discovering(3, 5);
    (1..3).for_each(|member| connect(&mut world, member, 0));
    world.run_until("equal addresses", 60 * SECOND, |world| {
        world.equal() && (0..3).all(|member| world.heads(0).contains_key(&world.id(member)))
    });
    let published = world.content(2);
    let addresses = published.items.values().filter(|item| item.key.as_str() == "_sys/addresses");
    assert_eq!(addresses.count(), 3, "each publishes its own");
    assert!(published.is_empty(), "and users see none of them");
}

/// Nobody is told of their end: without a probe, members that had links only to them wait for their
/// connectors.
#[test]
fn a61_two_fifths_die_at_once_and_the_others_have_each_write_within_5_s() {
    const N: usize = 50;
    const DEAD: usize = 20;
    for seed in SEEDS {
        let mut world = Mesh::mesh_with(N, seed, |_, config| {
            (config.links_min, config.links_wanted_max) = (4, 4);
        });
        for member in 0..N {
            world.ask(member, Immediate::Publish(vec![format!("m{member}").into()]));
            world.ask(member, Immediate::Connect { address: "m0".into(), expected: None });
        }
        world.run_until("links", 300 * SECOND, |world| {
            world.equal() && (0..N).all(|member| world.peers(member).len() >= 4)
        });
        world.run_for(30 * SECOND);
        let (dead, alone) = hit(&world, DEAD, seed as usize);
        dead.iter().for_each(|member| world.kill(*member));
        let alive: Vec<usize> = (0..N).filter(|member| !dead.contains(member)).collect();
        for round in 0..8u64 {
            let writer = if round < 2 { alone[0] } else { alive[7 * round as usize % alive.len()] };
            let key = format!("k{round}");
            world.put(writer, &key, "v");
            let has = |world: &Mesh| {
                alive.iter().all(|member| world.get(*member, writer, &key).as_deref() == Some(b"v"))
            };
            world.run_until(&format!("{key} of m{writer} everywhere"), 5 * SECOND, has);
            world.run_for(SECOND);
        }
        let links = alive.iter().flat_map(|member| world.peers(*member));
        assert!(links.clone().all(|peer| alive.contains(&peer)), "no link with the dead is left");
    }

    /// The victims: all peers of some members, so that these know no living member, and others up to this
    /// number.
    /// many.
    fn hit(world: &Mesh, n: usize, first: usize) -> (BTreeSet<usize>, Vec<usize>) {
        let (mut dead, mut alone) = (BTreeSet::new(), Vec::<usize>::new());
        let order = (0..N).map(|member| (member + 11 * first) % N);
        for member in order.clone() {
            let peers: BTreeSet<usize> = world.peers(member).into_iter().collect();
            let with = &dead | &peers;
            if !dead.contains(&member) && with.len() <= n && alone.iter().all(|one| !with.contains(one)) {
                dead = with;
                alone.push(member);
            }
        }
        assert!(!alone.is_empty());
        let others: Vec<usize> =
            order.filter(|member| !dead.contains(member) && !alone.contains(member)).collect();
        dead.extend(others.into_iter().take(n - dead.len()));
        (dead, alone)
    }
}

#[test]
fn a_healthy_idle_link_is_not_probed_and_one_with_longer_rounds_answers() {
    let mut world = Mesh::mesh_with(3, 1, |member, config| {
        if member == 2 {
            config.round_micros = 20 * SECOND;
        }
    });
    world.link(0, 1);
    world.link(0, 2);
    world.run_until("equal", 60 * SECOND, |world| world.equal());
    world.run_for(300 * SECOND);
    assert_eq!(world.stats(1).probes_sent, 0);
    let probes = world.stats(0).probes_sent;
    let rounds = world.stats(0).rounds;
    assert!((rounds / 4..=rounds / 3 + 1).contains(&probes), "{probes} in {rounds} rounds: every third");
    assert_eq!(world.stats(0).refusals.get("no_answer"), None);
    assert!(world.linked(0, 1) && world.linked(0, 2));
}

/// A mesh whose members look for links by themselves, and publish their addresses.
fn discovering(n: usize, seed: u64) -> Mesh {
    let mut world = Mesh::mesh_with(n, seed, |_, config| {
        (config.links_min, config.links_wanted_max) = (3, 6);
    });
    for member in 0..n {
        world.ask(member, Immediate::Publish(vec![format!("m{member}").into()]));
    }
    world
}

fn connect(world: &mut Mesh, member: usize, to: usize) {
    world.ask(member, Immediate::Connect { address: format!("m{to}").into(), expected: None });
}
