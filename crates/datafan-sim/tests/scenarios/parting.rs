//! A51, A52: members that find each other by themselves, parted and united.

use crate::common::{Mesh, SEEDS};
use datafan_core::{engine::Command, time::SECOND};

#[test]
fn a51_two_halves_of_four_come_together_again() {
    for seed in SEEDS {
        let mut world = discovering(8, seed);
        world.run_for(40 * SECOND);
        part(&mut world, 4);
        // Each side heals itself first: both have links enough.
        world.run_for(20 * SECOND);
        world.put(0, "left", "1");
        world.put(7, "right", "2");
        unite(&mut world, 4);
        let took = world.run_until("equal", 15 * SECOND, |world| world.equal());
        assert!(took <= 15 * SECOND && world.all_read(7, "right", Some(b"2")), "{took}");
    }
}

/// A mesh whose members look for links by themselves, publish where they are, and know member 0 to begin with.
fn discovering(n: usize, seed: u64) -> Mesh {
    let mut world = Mesh::mesh_with(n, seed, |_, config| {
        (config.links_min, config.links_wanted_max) = (3, 6);
    });
    for member in 0..n {
        world.ask(member, Command::Publish(vec![format!("m{member}").into()]));
        if member > 0 {
            world.ask(member, Command::Connect { address: "m0".into(), expected: None });
        }
    }
    world.run_until("a common beginning", 60 * SECOND, |world| world.equal());
    world
}

/// Cuts every line between the members below `half` and the others.
fn part(world: &mut Mesh, half: usize) {
    for (a, b) in across(world, half) {
        world.cut(a, b);
    }
}

fn unite(world: &mut Mesh, half: usize) {
    for (a, b) in across(world, half) {
        world.heal(a, b);
    }
}

fn across(world: &Mesh, half: usize) -> Vec<(usize, usize)> {
    let n = world.n_members();
    (0..half).flat_map(|a| (half..n).map(move |b| (a, b))).collect()
}
