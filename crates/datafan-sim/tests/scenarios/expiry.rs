//! A40, A58: expired items disappear for readers at once, everywhere; the owner removes them later, or when
//! its quota would refuse a write.

use crate::common::{Mesh, SEEDS};
use datafan_core::{
    engine::{OwnChange, WriteError},
    limits::COMMIT_WRITES_MAX,
    roster::{GrantChange, RosterChange},
    time::{SECOND, Timestamp},
};
use datafan_sim::world::{delete, put, put_until};

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

#[test]
fn a58_a_quota_full_of_expired_items_refuses_no_write() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        set_quota(&mut world, 0, 100);
        for n in 0..100 {
            let expiry = in_seconds(&world, 1);
            world.commit(0, vec![put_until(&format!("short/{n:03}"), "v", expiry)]);
        }
        world.run_until("equal", 20 * SECOND, |world| world.equal_with(100));
        let error = world.refused(0, vec![put("k", "v")]);
        assert!(matches!(error, WriteError::OverQuota { items: 101, items_max: 100, .. }), "{error}");
        world.run_for(5 * SECOND);

        let done = world.commit(0, vec![put("k", "v")]);
        assert_eq!(done.changed, 1, "what nobody sees is not counted");
        // As many at once as the quota allows, one of them under a key that had expired.
        let many = (0..99).map(|n| put(&format!("short/{n:03}"), "again")).collect();
        assert_eq!(world.commit(0, many).changed, 99);
        let error = world.refused(0, vec![put("one too many", "v")]);
        assert!(matches!(error, WriteError::OverQuota { items: 101, .. }), "{error}");
        world.run_until("equal", 20 * SECOND, |world| world.equal_with(100));
        assert!(world.all_read(0, "short/098", Some(b"again")) && world.all_read(0, "short/099", None));
        world.crash(0);
        world.start(0);
        world.run_until("equal again", 20 * SECOND, |world| world.equal_with(100));
    }
}

#[test]
fn a58_more_expired_items_than_a_commit_removes() {
    let mut world = Mesh::line(2, 1);
    let n_items = 3 * COMMIT_WRITES_MAX;
    set_quota(&mut world, 0, n_items as u64);
    let expiry = in_seconds(&world, 60);
    for first in (0..n_items).step_by(COMMIT_WRITES_MAX) {
        let all = first..first + COMMIT_WRITES_MAX;
        world.commit(0, all.map(|n| put_until(&format!("short/{n}"), "v", expiry)).collect());
    }
    world.run_until("equal", 60 * SECOND, |world| world.equal_with(n_items));
    world.run_for(61 * SECOND);
    for round in 0..3 {
        let many = (0..COMMIT_WRITES_MAX).map(|n| put(&format!("long/{round}/{n}"), "v")).collect();
        assert_eq!(world.commit(0, many).changed, COMMIT_WRITES_MAX as u64);
    }
    assert!(matches!(world.refused(0, vec![put("k", "v")]), WriteError::OverQuota { .. }));
    world.run_until("equal", 60 * SECOND, |world| world.equal_with(n_items));
}

#[test]
fn a58_what_is_still_seen_is_not_removed_and_a_delete_of_what_is_not_changes_nothing() {
    let mut world = Mesh::line(2, 1);
    set_quota(&mut world, 0, 3);
    let (soon, late) = (in_seconds(&world, 10), in_seconds(&world, 1_000));
    world.commit(0, vec![put_until("soon", "v", soon), put_until("late", "v", late), put("long", "v")]);
    world.run_for(11 * SECOND);
    assert_eq!(world.commit(0, vec![delete("soon")]).changed, 0, "nobody saw it any more");
    world.put(0, "k", "v");
    let error = world.refused(0, vec![put("one too many", "v")]);
    assert!(matches!(error, WriteError::OverQuota { .. }), "{error}");
    world.run_until("equal", 20 * SECOND, |world| world.equal_with(3));
    assert!(world.all_read(0, "late", Some(b"v")) && world.all_read(0, "k", Some(b"v")));
}

fn set_quota(world: &mut Mesh, member: usize, items: u64) {
    let (id, terms) = (world.id(member), GrantChange { items: Some(items), ..GrantChange::default() });
    world.must(0, OwnChange::ChangeRoster(vec![RosterChange::Change { id, name: None, terms }]));
    world.run_for(SECOND);
}
