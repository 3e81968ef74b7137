//! A40: expired items are gone for readers at once, everywhere; the owner removes them later.

use crate::common::{Mesh, SEEDS};
use datafan_core::time::{SECOND, Timestamp};
use datafan_sim::world::put_until;

#[test]
fn a40_expired_items_disappear_everywhere() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        let expiry = in_seconds(&world, 60);
        world.commit(0, vec![put_until("short", "v", expiry)]);
        world.put(0, "long", "v");
        world.run_until("both", 10 * SECOND, |world| world.equal_with(2));

        world.stop(0);
        world.run_for(40 * SECOND);
        assert_eq!(world.get(2, 0, "short").as_deref(), Some(&b"v"[..]), "not yet");
        world.run_for(30 * SECOND);
        assert!(world.all_read(0, "short", None), "gone although its owner is away");
        assert!(world.all_read(0, "long", Some(b"v")));
    }
}

#[test]
fn a40_only_the_owner_removes_an_expired_item_later() {
    for seed in SEEDS {
        let mut world = Mesh::line(2, seed);
        let expiry = in_seconds(&world, 60);
        world.commit(0, vec![put_until("short", "v", expiry)]);
        world.run_until("equal", 10 * SECOND, |world| world.equal_with(1));
        let held = |world: &Mesh| -> Vec<u64> {
            let shards = (0..2).map(|member| world.status(member).shards);
            let own = shards.map(|shards| shards.into_iter().find(|shard| shard.owner == world.id(0)));
            own.map(|shard| shard.expect("the shard is held").items).collect()
        };

        world.run_for(120 * SECOND);
        assert_eq!(held(&world), [2, 2], "hidden, but there: clocks may be off by an hour");
        world.run_for(2 * 3_600 * SECOND);
        assert_eq!(
            held(&world),
            [1, 1],
            "the owner has removed it, beyond the bound on clocks; its run stays"
        );
        assert!(world.equal());
    }
}

#[test]
fn a40_putting_it_again_is_a_write() {
    let mut world = Mesh::line(2, 1);
    let (first, later) = (in_seconds(&world, 60), in_seconds(&world, 600));
    assert_eq!(world.commit(0, vec![put_until("k", "v", first)]).changed, 1);
    assert_eq!(world.commit(0, vec![put_until("k", "v", first)]).changed, 0, "the very same");
    assert_eq!(world.commit(0, vec![put_until("k", "v", later)]).changed, 1, "a new expiry");
    world.run_for(700 * SECOND);
    assert!(world.all_read(0, "k", None));
    let again = in_seconds(&world, 60);
    assert_eq!(world.commit(0, vec![put_until("k", "v", again)]).changed, 1, "it had expired");
    world.run_until("back", 10 * SECOND, |world| world.all_read(0, "k", Some(b"v")));
}

fn in_seconds(world: &Mesh, seconds: u64) -> Timestamp {
    Timestamp(world.wall(0).0 + seconds * SECOND)
}
