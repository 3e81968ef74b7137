//! The same seed replays the same run.

use crate::common::Mesh;
use datafan_core::{hash::Hash, time::SECOND};
use datafan_sim::world::{Fate, put, random};

#[test]
fn one_seed_tells_one_story() {
    let runs: Vec<(Hash, Hash)> = (0..5).map(|seed| (run(seed), run(seed))).collect();
    for (seed, (first, second)) in runs.iter().enumerate() {
        assert_eq!(first, second, "seed {seed} twice");
    }
    assert!(runs.windows(2).all(|pair| pair[0] != pair[1]), "other seeds give other runs");
}

/// Writes, cuts, a crash and a loss; returns the digest of every message.
fn run(seed: u64) -> Hash {
    let mut world = Mesh::mesh_with(6, seed, |_, config| config.tombstones_max = 4);
    let links = random(6, 3, &mut world.rng);
    world.link_all(&links);
    let mut n_messages = 0u64;
    world.intercept(move |_| {
        n_messages += 1;
        if n_messages.is_multiple_of(13) { Fate::Lose } else { Fate::Pass }
    });
    for step in 0..40 {
        let member = world.rng.below(6) as usize;
        let key = format!("k{}", world.rng.below(5));
        let value = world.rng.bytes(50);
        world.ask_commit(member, vec![put(&key, value)]);
        world.run_for(100_000);
        if step == 20 {
            world.crash(member);
            world.start(member);
        }
    }
    world.run_until("equal", 120 * SECOND, |world| world.equal());
    world.digest()
}
