//! A member with a limited send budget.

use crate::common::{Mesh, SEEDS};
use datafan_core::time::{MILLI, SECOND};
use datafan_sim::world::put;

const BYTES_PER_SECOND: u64 = 100_000;
/// The burst beside the rate: a tenth of a second's worth, and one answer, since nobody requests more at
/// first.
const BURST: u64 = BYTES_PER_SECOND / 10 + (1 << 20);

#[test]
fn a_copy_takes_as_long_as_the_budget_says_and_news_do_not_wait_for_it() {
    for seed in SEEDS {
        let mut world = member_with_a_budget(seed, 2);
        let writes = (0..500).map(|n| put(&format!("k{n:03}"), "v".repeat(4_000))).collect();
        world.commit(0, writes);
        world.stop(1);
        world.link(1, 0);
        world.start(1);
        let (before, mut slowest) = (sent(&world), 0);
        for n in 0..20 {
            let timestamp = world.put(2, "news", n.to_string()).timestamp;
            let owner = world.id(2);
            let micros = world.run_until("news come through", SECOND, |world| {
                world.heads(0).get(&owner).is_some_and(|head| head.0 >= timestamp)
            });
            slowest = slowest.max(micros);
            world.run_for(500 * MILLI);
        }
        assert!(world.content(1).len() < 500, "two megabytes take twenty seconds");
        let spent = sent(&world) - before;
        assert!(spent <= 11 * BYTES_PER_SECOND + BURST, "{spent} bytes in ten to eleven seconds");
        let micros = world.run_until("the copy is there", 40 * SECOND, |world| world.equal());
        let spent = sent(&world) - before;
        assert!(
            spent <= BYTES_PER_SECOND * (11 + micros / SECOND) + BURST / 10,
            "{spent} bytes in {micros} us"
        );
        assert!(slowest < 100 * MILLI, "{slowest} us");
    }
}

#[test]
fn who_writes_more_than_the_budget_is_followed_in_steps() {
    for seed in SEEDS {
        let mut world = member_with_a_budget(seed, 2);
        world.link(1, 0);
        world.run_until("equal", 20 * SECOND, |world| world.equal());
        let before = sent(&world);
        // Eight times as much as may be sent.
        for n in 0..1_000 {
            world.put(0, &format!("k{}", n % 10), "v".repeat(8_000));
            world.run_for(10 * MILLI);
        }
        let spent = sent(&world) - before;
        assert!(spent <= 11 * BYTES_PER_SECOND + BURST, "{spent} bytes in ten to eleven seconds");
        world.run_until("all have the last of it", 5 * SECOND, |world| world.equal());
    }
}

/// Member 0 has a budget and links to `n` others; the first of them is not linked yet.
fn member_with_a_budget(seed: u64, n: usize) -> Mesh {
    let mut world = Mesh::mesh_with(n + 1, seed, |member, config| {
        if member == 0 {
            config.send_bytes_max = BYTES_PER_SECOND;
        }
    });
    for member in 2..=n {
        world.link(member, 0);
    }
    world.run_until("the others are linked", 20 * SECOND, |world| world.peers(0).len() == n - 1);
    world.run_for(5 * SECOND);
    world
}

fn sent(world: &Mesh) -> u64 {
    (1..world.n_members()).map(|to| world.traffic(0, to).bytes).sum()
}
