//! A25, A29, A41, and other cases of owners whose disk knows less than the mesh.

use crate::{
    common::{Mem, Mesh, SEEDS, push_by_twin},
    parting::discovering,
};
use datafan_core::{
    difference::{Cursor, Difference, differences},
    engine::{Alarm, Answer, Immediate, OwnState, Write},
    identity::Identity,
    store::{Page, StoreSnapshot},
    time::{MILLI, SECOND, Timestamp},
};
use datafan_sim::world::{Disk, delete, put, uses_no_timestamp_twice};

const MINUTE: u64 = 60 * SECOND;

#[test]
fn a25_an_owner_without_its_disk_gets_its_shard_back_before_it_writes() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        world.guard(uses_no_timestamp_twice());
        world.put(1, "k", "v");
        world.put(1, "other", "v");
        world.run_until("equal", 10 * SECOND, |world| world.equal_with(2));

        world.crash(1);
        *world.disk(1) = Mem::empty();
        world.start(1);
        // Requested at once: it waits.
        let ticket = world.ask_commit(1, vec![put("k", "w")]);
        world.run_until("written", 20 * SECOND, |world| world.answer(1, ticket).is_some());
        assert!(matches!(world.answer(1, ticket), Some(Answer::Committed(done)) if done.changed == 1));
        world.run_until("equal", 10 * SECOND, |world| world.equal());
        assert!(world.all_read(1, "k", Some(b"w")) && world.all_read(1, "other", Some(b"v")));

        let alarms = world.alarms(1);
        assert!(matches!(alarms[0], Alarm::Recovering { ours: None, .. }), "{alarms:?}");
        assert!(matches!(alarms[1], Alarm::Recovered { .. }) && alarms.len() == 2, "{alarms:?}");
        let status = world.status(1);
        let recovered = status.recovered.expect("told for ever");
        assert_eq!((status.own, recovered.from), (OwnState::Confirmed, Timestamp::ZERO));
        assert!(recovered.to > Timestamp::ZERO);
    }
}

#[test]
fn an_owner_without_its_disk_that_others_still_list_writes_within_a_minute() {
    for seed in SEEDS {
        for away_micros in [0, 2 * MINUTE] {
            let mut world = discovering(5, seed);
            world.put(1, "k", "v");
            world.run_until("equal", 10 * SECOND, |world| world.equal_with(1));
            world.crash(1);
            world.run_for(away_micros);
            *world.disk(1) = Mem::empty();
            world.start(1);
            let ticket = world.ask_commit(1, vec![put("k", "w")]);
            world.ask(1, Immediate::Publish(vec!["m1".into()]));
            world.ask(1, Immediate::Connect { address: "m0".into(), expected: None });
            let (mut listed, mut held) = (false, false);
            let took = world.run_until("written", 75 * SECOND, |world| {
                if let OwnState::Checking { lister } = world.status(1).own {
                    (held, listed) = (true, listed | lister.is_some());
                }
                world.answer(1, ticket).is_some()
            });
            assert!(held && listed == (away_micros == 0), "{away_micros} us away: held {held}, {listed}");
            assert!(away_micros == 0 || took < 15 * SECOND, "{took} us, though nobody lists it");
            world.run_until("equal", 20 * SECOND, |world| world.equal());
            assert!(world.all_read(1, "k", Some(b"w")));
            let in_use = |alarm: &Alarm| matches!(alarm, Alarm::KeyInUse { .. });
            assert!(!world.alarms(1).iter().any(in_use), "{:?}", world.alarms(1));
            // From then on it is a member like all others.
            world.crash(1);
            world.start(1);
            world.put(1, "k", "x");
        }
    }
}

#[test]
fn a29_a41_an_owner_restored_from_a_backup_takes_back_what_the_mesh_has() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        world.guard(uses_no_timestamp_twice());
        world.put(1, "k", "yesterday");
        let yesterday = world.put(1, "gone", "soon").timestamp;
        world.run_until("equal", 10 * SECOND, |world| world.equal_with(2));
        let backup = world.disk(1).backup();
        world.put(1, "k", "today");
        world.put(1, "new", "today");
        let today = world.commit(1, vec![delete("gone")]).timestamp;
        world.run_until("equal", 10 * SECOND, |world| world.equal());

        world.stop(1);
        *world.disk(1) = backup;
        world.start(1);
        let ticket = world.ask_commit(1, vec![put("more", "v")]);
        world.run_until("written", 20 * SECOND, |world| world.answer(1, ticket).is_some());
        world.run_until("equal", 10 * SECOND, |world| world.equal());
        assert!(world.all_read(1, "k", Some(b"today")) && world.all_read(1, "new", Some(b"today")));
        assert!(world.all_read(1, "gone", None) && world.all_read(1, "more", Some(b"v")));

        let recovered = world.status(1).recovered.expect("the owner is told");
        assert_eq!((recovered.from, recovered.to), (yesterday, today));
        assert_eq!(world.alarms(1).len(), 2, "{:?}", world.alarms(1));
    }
}

#[test]
fn the_greatest_head_among_the_peers_comes_back() {
    for seed in SEEDS {
        // The owner in the centre of a star: its peers learn of each other only through it.
        let mut world = Mesh::mesh(4, seed);
        world.link_all(&[(1, 0), (2, 0), (3, 0)]);
        world.run_until("equal", 20 * SECOND, |world| world.equal());
        for (n, peer) in [3, 2, 1].into_iter().enumerate() {
            world.put(0, "k", format!("{n}"));
            world.run_until("there", 10 * SECOND, |world| world.get(peer, 0, "k") == world.get(0, 0, "k"));
            world.cut(0, peer);
        }
        world.crash(0);
        *world.disk(0) = Mem::empty();
        world.start(0);
        [3, 2, 1].into_iter().for_each(|peer| world.heal(0, peer));
        world.run_until("equal", 60 * SECOND, |world| world.equal());
        assert!(world.all_read(0, "k", Some(b"2")), "the last one that anybody has heard of");
        assert_eq!(world.status(0).own, OwnState::Confirmed);
    }
}

/// The only one that has received the last write: it loses that too, comes back with it, or comes too late.
#[test]
fn an_owner_goes_on_where_nobody_has_what_it_lost() {
    enum Holder {
        Restored,
        Back,
        Late,
    }
    for seed in SEEDS {
        for holder in [Holder::Restored, Holder::Back, Holder::Late] {
            let mut world = Mesh::mesh(3, seed);
            world.guard(uses_no_timestamp_twice());
            world.link_all(&[(0, 1), (1, 2), (0, 2)]);
            world.put(1, "k", "yesterday");
            world.run_until("equal", 20 * SECOND, |world| world.equal_with(1));
            let backups = (world.disk(1).backup(), world.disk(2).backup());
            world.cut(0, 1);
            world.cut(0, 2);
            let lost = world.put(1, "k", "today").timestamp;
            world.run_until("there", 10 * SECOND, |world| world.get(2, 1, "k").as_deref() == Some(b"today"));

            world.crash(1);
            *world.disk(1) = backups.0;
            world.start(1);
            let waits = OwnState::Recovering { timestamp: lost, holder: Some(world.id(2)) };
            world.run_until("heard of", 10 * SECOND, |world| world.status(1).own == waits);
            world.stop(2);
            if matches!(holder, Holder::Restored) {
                *world.disk(2) = backups.1;
            }
            let ticket = world.ask_commit(1, vec![put("more", "v")]);
            world.heal(0, 1);
            world.heal(0, 2);
            world.run_for(MINUTE - 2 * SECOND);
            assert!(world.answer(1, ticket).is_none(), "it may come back with it");
            if !matches!(holder, Holder::Late) {
                world.start(2);
            }
            world.run_until("written", 20 * SECOND, |world| world.answer(1, ticket).is_some());
            assert!(matches!(world.answer(1, ticket), Some(Answer::Committed(at)) if at.timestamp > lost));
            if matches!(holder, Holder::Late) {
                world.start(2);
            }
            world.run_until("equal", 20 * SECOND, |world| world.equal());
            let k: &[u8] = if matches!(holder, Holder::Back) { b"today" } else { b"yesterday" };
            assert!(world.all_read(1, "k", Some(k)) && world.all_read(1, "more", Some(b"v")));
            let alarms = world.alarms(1);
            let told = alarms
                .iter()
                .any(|alarm| matches!(alarm, Alarm::NotRecovered { theirs, .. } if theirs.timestamp == lost));
            assert_eq!(told, !matches!(holder, Holder::Back), "{alarms:?}");
            // A late copy is listed for the owner.
            world.run_for(5 * SECOND);
            assert_eq!(world.status(1).divergent.is_some(), matches!(holder, Holder::Late));
        }
    }
}

#[test]
fn a_member_that_loses_its_disk_twice_while_it_recovers_still_recovers() {
    for seed in 1..11 {
        let mut world = Mesh::line(3, seed);
        world.guard(uses_no_timestamp_twice());
        let writes =
            |n: usize| (0..200).map(|k| put(&format!("k{k}"), format!("{n}"))).collect::<Vec<Write>>();
        for n in 0..3 {
            world.commit(1, writes(n));
        }
        world.run_until("equal", 10 * SECOND, |world| world.equal_with(200));
        for _ in 0..3 {
            world.crash(1);
            if world.rng.below(2) == 0 {
                *world.disk(1) = Mem::empty();
            }
            world.start(1);
            let pause = world.rng.below(3 * SECOND) + MILLI;
            world.run_for(pause);
        }
        world.put(1, "last", "v");
        world.run_until("equal", 30 * SECOND, |world| world.equal());
        assert!(world.all_read(1, "k0", Some(b"2")) && world.all_read(1, "k199", Some(b"2")));
    }
}

#[test]
fn expired_items_that_came_back_are_removed_in_time() {
    let mut world = Mesh::line(2, 1);
    let expiry = Timestamp(world.wall(1).0 + 60 * SECOND);
    let key = datafan_core::item::Key::new("short").unwrap();
    world.commit(1, vec![Write::Put { key, value: b"v".as_slice().into(), expiry: Some(expiry) }]);
    world.run_until("equal", 10 * SECOND, |world| world.equal());
    world.crash(1);
    *world.disk(1) = Mem::empty();
    world.start(1);
    world.run_until("equal", 20 * SECOND, |world| world.equal());
    let items = |world: &Mesh| world.status(0).shards.iter().map(|shard| shard.items).sum::<u64>();
    let held = items(&world);
    world.run_for(3_700 * SECOND);
    assert_eq!(items(&world), held - 1, "only the owner removes it, an hour after its expiry");
}

#[test]
fn a42_an_authority_without_its_disk_or_with_an_old_one_takes_its_roster_back() {
    for seed in SEEDS {
        for empty in [false, true] {
            let mut world = Mesh::line(3, seed);
            world.run_until("equal", 20 * SECOND, |world| world.equal());
            let backup = world.disk(0).backup();
            let late = world.add(|_| {});
            world.admit(late);
            world.start(late);
            world.link(late, 1);
            world.run_until("equal", 20 * SECOND, |world| world.equal());

            world.crash(0);
            *world.disk(0) = if empty { Mem::empty() } else { backup };
            // Only the one that the old roster does not know can be asked.
            world.stop(1);
            world.stop(2);
            world.start(0);
            world.link(late, 0);
            world.run_until("linked", 30 * SECOND, |world| world.linked(0, late));
            let next = world.add(|_| {});
            world.admit(next);
            world.start(next);
            world.link(next, 0);
            world.start(1);
            world.start(2);
            world.run_until("equal", 60 * SECOND, |world| world.equal());
            assert_eq!(world.status(2).members.len(), 5, "nobody is forgotten");
            for member in [1, 2, late] {
                assert!(world.alarms(member).is_empty(), "{:?}", world.alarms(member));
            }
        }
    }
}

#[test]
fn a29_who_wrote_on_from_a_backup_in_a_partition_keeps_what_the_mesh_had_aside() {
    for (seed, n_items) in [(1, 1), (2, 20), (3, 6_000)] {
        let mut world = Mesh::line(3, seed);
        world.guard(uses_no_timestamp_twice());
        let many = |value: &'static str| (0..n_items).map(move |n| put(&format!("many/{n}"), value));
        let writes: Vec<Write> = many("yesterday").collect();
        writes.chunks(4_000).for_each(|writes| _ = world.commit(1, writes.to_vec()));
        let yesterday = world.put(1, "k", "yesterday").timestamp;
        world.run_until("equal", 20 * SECOND, |world| world.equal_with(n_items + 1));
        let backup = world.disk(1).backup();
        world.put(1, "k", "today");
        let today = world.put(1, "new", "today").timestamp;
        world.run_until("equal", 10 * SECOND, |world| world.equal_with(n_items + 2));

        world.stop(1);
        [0, 2].into_iter().for_each(|peer| world.cut(1, peer));
        *world.disk(1) = backup;
        world.start(1);
        world.put(1, "alone", "v");
        world.put(1, "k", "alone");
        [0, 2].into_iter().for_each(|peer| world.heal(1, peer));
        let goes_on = world.put(1, "later", "v").timestamp;
        world.run_until("equal", 60 * SECOND, |world| {
            world.equal() && world.status(1).divergent.is_some() && world.all_read(1, "later", Some(b"v"))
        });
        assert!(world.all_read(1, "k", Some(b"alone")) && world.all_read(1, "new", None));
        assert!(goes_on > today);
        assert_eq!(world.status(1).divergent, Some((yesterday, today)));
        let kept = kept_aside(&world, 1, yesterday);
        let kept: Vec<_> = kept.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(kept, [("k", "today"), ("new", "today")]);
        let alarms = world.alarms(1);
        assert!(matches!(alarms[..], [Alarm::Diverged { .. }]), "{alarms:?}");

        // It survives a crash, until it is discarded.
        world.crash(1);
        world.start(1);
        assert_eq!(world.status(1).divergent, Some((yesterday, today)));
        world.done(1, datafan_core::engine::OwnChange::DiscardDivergent { roots: None });
        world.run_for(SECOND);
        assert_eq!(world.status(1).divergent, None);
        assert!(kept_aside(&world, 1, yesterday).is_empty());
        world.run_until("equal", 60 * SECOND, |world| world.equal());
    }
}

/// Keys and values of the divergent copy that a member keeps, from where it diverged.
fn kept_aside(world: &Mesh, member: usize, parted: Timestamp) -> Vec<(String, String)> {
    let snapshot = world.snapshot(member);
    let shards = snapshot.shards().expect("the store works");
    let divergent = shards.iter().find(|(_, record)| record.is_divergent());
    let Some((shard, _)) = divergent else { return Vec::new() };
    let items = snapshot
        .log(*shard, parted.next().expect("time goes on")..=Timestamp::MAX, Page::rows(100))
        .expect("the store works");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let users = items.iter().filter(|item| !item.key.is_system());
    users.map(|item| (item.key.as_str().to_owned(), text(&item.value))).collect()
}

#[test]
fn a42_an_authority_that_wrote_on_from_a_backup_takes_back_whom_it_had_forgotten() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        world.run_until("equal", 20 * SECOND, |world| world.equal());
        let backup = world.disk(0).backup();
        let (late, gone) = (world.add(|_| {}), world.add(|_| {}));
        world.admit(late);
        world.admit(gone);
        let disposition = datafan_core::engine::Disposition::Drop;
        world.must(0, datafan_core::engine::OwnChange::Revoke { id: world.id(gone), disposition });
        world.start(late);
        world.link(late, 2);
        world.run_until("equal", 20 * SECOND, |world| world.equal());

        world.stop(0);
        world.cut(0, 1);
        *world.disk(0) = backup;
        world.start(0);
        let alone = world.add(|_| {});
        world.admit(alone);
        world.heal(0, 1);
        world.start(alone);
        world.link(alone, 1);
        world.run_until("equal", 60 * SECOND, |world| {
            world.equal() && (0..3).all(|member| world.status(member).members.len() == 6)
        });
        let revoked = world.status(1).members.iter().filter(|(_, grant)| !grant.is_active()).count();
        assert_eq!(revoked, 1, "who was revoked stays so");
        assert!(world.status(0).divergent.is_none());
    }
}

#[test]
fn a36_a_second_process_with_the_same_key_holds_own_writes_and_loses_none() {
    for seed in SEEDS {
        for later in [true, false] {
            let mut world = Mesh::mesh(3, seed);
            world.link_all(&[(1, 0), (2, 0)]);
            world.put(1, "k", "ours");
            world.run_until("equal", 10 * SECOND, |world| world.equal_with(1));
            let began = world.heads(0)[&world.id(1)].0;
            world.stop(1);
            world.start(1);
            world.put(1, "k", "ours, again");
            world.run_until("equal", 10 * SECOND, |world| world.equal());
            world.cut(1, 0);
            world.put(1, "here", "acknowledged");

            let key = Identity::from_secret(&world.config(1).member.secret());
            let theirs = push_by_twin(&world, 0, 1, &key, ("k", "theirs"));
            world.inject(2, 0, theirs);
            world.run_for(2 * SECOND);
            if !later {
                world.put(1, "later", "v");
            }
            world.heal(1, 0);
            let n_told = |world: &Mesh| {
                world.alarms(1).iter().filter(|alarm| matches!(alarm, Alarm::Contested { .. })).count()
            };
            world.run_until("told", 20 * SECOND, |world| n_told(world) > 0);
            let ticket = world.ask_commit(1, vec![put("k", "more")]);
            world.run_for(5 * SECOND);
            assert_eq!(world.answer(1, ticket), None, "own writes wait");
            assert_eq!(n_told(&world), 1, "told once: {:?}", world.alarms(1));

            world.crash(1);
            world.start(1);
            world.put(1, "on", "v");
            world.run_until("equal", 30 * SECOND, |world| world.equal());
            if later {
                // The state of the mesh wins; what was written here is kept for its owner.
                assert!(world.all_read(1, "k", Some(b"theirs")) && world.all_read(1, "here", None));
                let kept = kept_aside(&world, 1, began);
                let kept: Vec<_> = kept.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
                assert_eq!(kept, [("k", "ours, again"), ("here", "acknowledged")]);
            } else {
                assert!(
                    world.all_read(1, "k", Some(b"ours, again")) && world.all_read(1, "later", Some(b"v"))
                );
            }
        }
    }
}

#[test]
fn an_owner_that_abandons_its_lost_shard_begins_anew() {
    for seed in SEEDS {
        for clock_is_behind in [false, true] {
            let mut world = Mesh::line(3, seed);
            world.guard(uses_no_timestamp_twice());
            world.put(1, "k", "v");
            world.run_until("equal", 10 * SECOND, |world| world.equal_with(1));
            world.crash(1);
            *world.disk(1) = Mem::empty();
            world.config(1).abandon = true;
            if clock_is_behind {
                world.set_clock(1, -(60 * SECOND as i64));
            }
            world.start(1);
            world.put(1, "anew", "v");
            world.run_until("equal", 30 * SECOND, |world| {
                world.equal() && world.all_read(1, "anew", Some(b"v"))
            });
            assert!(world.all_read(1, "k", None), "given up");
            assert!(world.alarms(1).is_empty(), "{:?}", world.alarms(1));
        }
    }
}

#[test]
fn what_came_back_and_what_is_aside_is_told_item_by_item() {
    let mut world = Mesh::line(3, 1);
    world.put(1, "stays", "v");
    world.put(1, "changes", "old");
    world.put(1, "goes", "v");
    world.put(1, "goes here", "v");
    world.run_until("equal", 10 * SECOND, |world| world.equal_with(4));
    let backup = world.disk(1).backup();
    world.put(1, "changes", "new");
    world.put(1, "comes", "v");
    world.commit(1, vec![delete("goes")]);
    world.run_until("equal", 10 * SECOND, |world| world.equal());

    // Linked: all of it comes back.
    world.stop(1);
    *world.disk(1) = backup.backup();
    world.start(1);
    world.put(1, "after", "v");
    world.run_until("equal", 10 * SECOND, |world| world.equal());
    assert_eq!(told(&world, 1), ["changes=new Back", "comes=v Back", "goes deleted Back"]);
    world.commit(1, vec![delete("after")]);
    world.run_until("equal", 10 * SECOND, |world| world.equal());

    // Alone: it continues to write, and the state of the mesh is kept as a divergent copy.
    world.stop(1);
    [0, 2].into_iter().for_each(|peer| world.cut(1, peer));
    *world.disk(1) = backup;
    world.start(1);
    world.put(1, "changes", "here");
    [0, 2].into_iter().for_each(|peer| world.heal(1, peer));
    world.run_until("equal", 20 * SECOND, |world| world.equal() && world.status(1).divergent.is_some());
    assert_eq!(told(&world, 1), ["changes=new Newer", "comes=v Lacking", "goes deleted Lacking"]);
}

/// The differences of a member's own shard, one per line.
fn told(world: &Mesh, member: usize) -> Vec<String> {
    let (snapshot, owner) = (world.snapshot(member), world.id(member));
    let (mut told, mut next) = (Vec::new(), Some(Cursor::START));
    while let Some(from) = next {
        let (found, rest) = differences(&snapshot, &owner, from).expect("the store works");
        told.extend(found.into_iter().map(|Difference { key, state, item, .. }| match item {
            Some(item) => format!("{key}={} {state:?}", String::from_utf8_lossy(&item.value)),
            None => format!("{key} deleted {state:?}"),
        }));
        next = rest;
    }
    told
}
