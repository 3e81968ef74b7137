//! A36, and other cases of two copies of one identity, which alternate or never meet.

use crate::{
    common::{Mesh, SEEDS, push_by_twin},
    parting::discovering,
};
use datafan_core::{
    engine::{Alarm, Answer, CommandError, ForkError, OwnChange, ShardProgress},
    fork::{ClosedBy, Evidence},
    hash::Hash,
    head::Head,
    identity::{Identity, Strict},
    message::Message,
    read::Snapshot,
    roster::MemberError,
    store::{Page, StoreSnapshot},
    time::{MILLI, SECOND, Timestamp},
};
use datafan_sim::world::Disk;

#[test]
fn a36_an_item_as_old_as_a_head_that_lacked_it_proves_a_fork_at_everybody_who_held_both() {
    for seed in SEEDS {
        for n_items in [1, 40, 3_000] {
            let mut world = Mesh::line(4, seed);
            let many = (0..n_items).map(|n| datafan_sim::world::put(&format!("k{n}"), "v")).collect();
            world.commit(1, many);
            world.run_until("equal", 20 * SECOND, |world| world.equal_with(n_items));
            world.stop(1);
            let original = world.disk(1).backup();

            // A copy writes, then the original, then the copy; neither learns of the other.
            cut_off(&mut world);
            world.start(1);
            let early = world.put(1, "early", "v").timestamp;
            world.stop(1);
            let copy = std::mem::replace(world.disk(1), original);
            join_again(&mut world);
            world.start(1);
            let first = world.put(1, "original", "v").timestamp;
            world.run_until("equal", 20 * SECOND, |world| world.equal());
            world.stop(1);
            *world.disk(1) = copy;
            cut_off(&mut world);
            world.start(1);
            let second = world.put(1, "late", "v").timestamp;
            join_again(&mut world);
            world.run_until("equal", 60 * SECOND, |world| world.equal_with(n_items + 2));

            assert!(early < first && first < second);
            for member in [0, 2, 3] {
                let pieces = evidence(&world, member);
                let [piece] = &pieces[..] else { panic!("m{member}: {pieces:?}") };
                assert_eq!((piece.first.timestamp, piece.second.timestamp), (first, second));
                let lost = piece.item.as_ref().expect("of two times");
                assert_eq!((lost.item.key.as_str(), lost.item.timestamp), ("early", early));
                assert_eq!(Evidence::decode(&piece.encode()).expect("sound").verify(&Strict), Ok(()));
                let is_told =
                    |alarm: &Alarm| matches!(alarm, Alarm::Fork { first: one, .. } if one.timestamp == first);
                assert_eq!(world.alarms(member).iter().filter(|alarm| is_told(alarm)).count(), 1);
                let shard = world.status(member).shards.into_iter().find(|shard| shard.owner == world.id(1));
                assert_eq!(shard.expect("it is held").state, ShardProgress::Forked);
            }
            // Its writes arrive by rounds, and prove nothing more.
            world.put(1, "k0", "copy");
            world.run_until("equal", 20 * SECOND, |world| {
                world.equal() && world.all_read(1, "k0", Some(b"copy"))
            });
            assert_eq!(evidence(&world, 3).len(), 1);
        }
    }
}

#[test]
fn a29_what_was_given_up_does_not_come_back_with_a_member_that_was_away() {
    for seed in SEEDS {
        for away_knows_more in [false, true] {
            let mut world = Mesh::line(4, seed);
            world.put(1, "k", "yesterday");
            world.run_until("equal", 20 * SECOND, |world| world.equal_with(1));
            let backup = world.disk(1).backup();
            let today = world.put(1, "k", "today").timestamp;
            world.run_until("equal", 10 * SECOND, |world| world.equal());
            if away_knows_more {
                cut_off(&mut world);
                world.cut(3, 2);
                world.link(3, 1);
                world.put(1, "more", "today");
                world.run_until("more", 10 * SECOND, |world| world.get(3, 1, "more").is_some());
            }
            world.stop(3);
            world.stop(1);
            cut_off(&mut world);
            *world.disk(1) = backup;
            world.start(1);
            world.put(1, "k", "alone");
            join_again(&mut world);
            world.run_until("aside", 60 * SECOND, |world| {
                world.equal() && world.status(1).divergent.is_some()
            });
            world.done(1, OwnChange::DiscardDivergent { roots: None });
            if seed == 1 {
                world.crash(1);
                world.start(1);
            }

            // The other one's further writes are still news. Nobody else announces what is there by now.
            world.cut(3, 2);
            world.start(3);
            world.link(3, 1);
            world.run_until("linked", 20 * SECOND, |world| world.linked(3, 1));
            world.run_until("equal", 60 * SECOND, |world| world.equal());
            if away_knows_more {
                world.run_until("told", 60 * SECOND, |world| world.status(1).divergent.is_some());
                assert!(world.status(1).divergent.is_some_and(|(_, end)| end > today));
            } else {
                world.run_for(20 * SECOND);
                assert_eq!(world.status(1).divergent, None);
            }
        }
    }
}

#[test]
fn a36_what_was_written_alone_before_a_crash_is_kept_where_a_copy_has_written_on() {
    for seed in SEEDS {
        for restarts in [0, 1, 2] {
            let mut world = Mesh::mesh(3, seed);
            world.link_all(&[(1, 0), (1, 2), (0, 2)]);
            world.put(1, "k", "v");
            world.run_until("equal", 10 * SECOND, |world| world.equal_with(1));
            cut_off(&mut world);
            let before = world.heads(1)[&world.id(1)].0;
            for n in 0..=restarts {
                world.put(1, &format!("alone/{n}"), "acknowledged");
                world.crash(1);
                world.start(1);
            }
            world.crash(1);
            // A copy of it continues elsewhere.
            let key = world.config(1).member.clone();
            let theirs = push_by_twin(&world, 0, 1, &key, ("k", "theirs"));
            world.inject(2, 0, theirs);
            world.run_for(2 * SECOND);

            join_again(&mut world);
            world.start(1);
            world.put(1, "on", "v");
            world.run_until("equal", 30 * SECOND, |world| world.equal());
            assert!(world.all_read(1, "k", Some(b"theirs")) && world.all_read(1, "alone/0", None));
            let divergent = world.status(1).divergent;
            assert_eq!(divergent.map(|(after, _)| after), Some(before), "what nobody had heard of is kept");
        }
    }
}

#[test]
fn a25_what_was_written_alone_and_told_later_is_not_kept_for_ever() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        cut_off(&mut world);
        world.put(1, "k", "alone");
        join_again(&mut world);
        world.run_until("equal", 20 * SECOND, |world| world.equal_with(1));
        // A round tells it that others have it.
        world.run_for(3 * SECOND);
        world.stop(1);
        let backup = world.disk(1).backup();
        world.start(1);
        world.delete(1, "k");
        world.run_until("equal", 20 * SECOND, |world| world.equal_with(0));
        world.crash(1);
        *world.disk(1) = backup;
        world.start(1);
        world.put(1, "on", "v");
        world.run_until("equal", 20 * SECOND, |world| world.equal_with(1));
        assert_eq!(world.status(1).divergent, None);
    }
}

fn cut_off(world: &mut Mesh) {
    [0, 2].into_iter().for_each(|peer| world.cut(1, peer));
}

fn join_again(world: &mut Mesh) {
    [0, 2].into_iter().for_each(|peer| world.heal(1, peer));
}

/// The evidence of forks that a member keeps.
fn evidence(world: &Mesh, member: usize) -> Vec<Evidence> {
    let snapshot = Snapshot::new(world.snapshot(member), world.mesh_id(), Timestamp::ZERO);
    let forks = snapshot.forks().expect("the store works");
    forks.into_iter().map(|fork| fork.evidence).collect()
}

#[test]
fn a36_what_was_written_alone_is_kept_while_the_copy_goes_on_writing() {
    for seed in SEEDS {
        let mut world = Mesh::mesh(3, seed);
        world.link_all(&[(1, 0), (1, 2), (0, 2)]);
        world.put(1, "k", "v");
        world.run_until("equal", 10 * SECOND, |world| world.equal_with(1));
        cut_off(&mut world);
        world.put(1, "alone", "acknowledged");
        world.crash(1);
        let key = world.config(1).member.clone();
        let theirs = push_by_twin(&world, 0, 1, &key, ("k", "theirs"));
        world.inject(2, 0, theirs);
        world.run_for(2 * SECOND);
        join_again(&mut world);
        world.start(1);
        for n in 0..300 {
            let theirs = push_by_twin(&world, 0, 1, &key, ("k", &format!("theirs {n}")));
            world.inject(2, 0, theirs);
            world.run_for(10 * MILLI);
        }
        world.run_until("equal", 30 * SECOND, |world| world.equal());
        assert!(world.status(1).divergent.is_some());
        let snapshot = world.snapshot(1);
        let shards = snapshot.shards().expect("the store works").into_iter();
        let kept = shards.filter(|(_, record)| record.is_divergent()).any(|(number, _)| {
            let items = snapshot.log(number, Timestamp::ZERO..=Timestamp::MAX, Page::rows(100));
            items.expect("the store works").iter().any(|item| item.key.as_str() == "alone")
        });
        assert!(kept, "an acknowledged write is gone");
    }
}

#[test]
fn a_fork_that_the_authority_closes_costs_no_push_any_more_until_the_next_one() {
    for seed in SEEDS {
        let mut world = forked(seed);
        let owner = world.id(1);
        let forked_at = |world: &Mesh| {
            let states = (0..4).filter(|member| *member != 1).map(|member| {
                let shard = world.status(member).shards.into_iter().find(|shard| shard.owner == owner);
                shard.expect("it is held").state == ShardProgress::Forked
            });
            states.filter(|forked| *forked).count()
        };
        assert_eq!(forked_at(&world), 3);
        assert!(micros_to_all(&mut world, "slow") > 100 * MILLI, "its commits come with the rounds");
        assert_eq!(closed_by(&world, 3), [None]);

        world.must(0, OwnChange::CloseForks { owner });
        world.run_until("closed everywhere", 10 * SECOND, |world| forked_at(world) == 0 && world.equal());
        assert!(micros_to_all(&mut world, "fast") < 100 * MILLI, "its commits are pushed");
        assert_eq!(closed_by(&world, 3), [Some(ClosedBy::Authority)], "what proves it stays");
        world.crash(3);
        world.start(3);
        world.run_until("linked", 10 * SECOND, |world| world.linked(2, 3));
        assert_eq!(forked_at(&world), 0, "also after a restart");

        // Another fork is open.
        let key = world.config(1).member.clone();
        let held = world.heads(0)[&owner].0;
        let head = |world: &Mesh, root| {
            Head { owner, timestamp: Timestamp(held.0), items: 1, bytes: 9, root, signature: [0; 64] }
                .signed(&world.mesh_id(), &key)
        };
        let lower = Message::Announce(vec![head(&world, Hash([0; 32]))]).encode();
        world.inject(1, 0, lower);
        world.run_for(SECOND);
        assert_eq!(closed_by(&world, 0).len(), 2);
        assert_eq!(forked_at(&world), 1, "where it is known");
    }
}

#[test]
fn only_the_authority_closes_forks_and_only_of_members() {
    let mut world = forked(1);
    let owner = world.id(1);
    let refused = |world: &mut Mesh, member, owner| match world.done(member, OwnChange::CloseForks { owner })
    {
        Answer::Refused(CommandError::Fork(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&mut world, 2, owner), ForkError::CannotClose);
    let stranger = Identity::from_secret(&[99; 32]).id();
    assert_eq!(refused(&mut world, 0, stranger), MemberError::Unknown { id: stranger }.into());
    // A member without forks has nothing to close, and the roster is unchanged.
    let (honest, authority) = (world.id(2), world.mesh_id().authority());
    let roster = world.heads(0)[&authority];
    assert_eq!(refused(&mut world, 0, honest), ForkError::NoFork { id: honest });
    assert_eq!(refused(&mut world, 0, authority), MemberError::Authority { id: authority }.into());
    assert_eq!(world.heads(0)[&authority], roster);
}

/// Four in a line; everybody except member 1 has seen that it forked.
fn forked(seed: u64) -> Mesh {
    let mut world = Mesh::line(4, seed);
    world.put(1, "k0", "v");
    world.run_until("equal", 20 * SECOND, |world| world.equal_with(1));
    world.stop(1);
    let original = world.disk(1).backup();
    cut_off(&mut world);
    world.start(1);
    world.put(1, "early", "v");
    world.stop(1);
    let copy = std::mem::replace(world.disk(1), original);
    join_again(&mut world);
    world.start(1);
    world.put(1, "original", "v");
    world.run_until("equal", 20 * SECOND, |world| world.equal());
    world.stop(1);
    *world.disk(1) = copy;
    cut_off(&mut world);
    world.start(1);
    world.put(1, "late", "v");
    join_again(&mut world);
    world.run_until("equal", 60 * SECOND, |world| world.equal_with(3));
    world
}

/// The time for a write of member 1 to reach everybody.
fn micros_to_all(world: &mut Mesh, value: &str) -> u64 {
    world.run_for(3 * SECOND);
    world.put(1, "k0", value);
    world.run_until(value, 10 * SECOND, |world| world.all_read(1, "k0", Some(value.as_bytes())))
}

fn closed_by(world: &Mesh, member: usize) -> Vec<Option<ClosedBy>> {
    let snapshot = Snapshot::new(world.snapshot(member), world.mesh_id(), Timestamp::ZERO);
    let pieces = snapshot.forks().expect("the store works");
    pieces.iter().map(|piece| snapshot.closed_by(piece).expect("the store works")).collect()
}

#[test]
fn a_link_that_another_process_takes_again_and_again_is_dialled_seldom() {
    for seed in SEEDS {
        let mut world = discovering(3, seed);
        world.run_for(120 * SECOND);
        // What a second process with the key of member 1 does that cannot be dialled: it takes its link to
        // member 0.
        let (mut n_taken, dials) = (0, |world: &Mesh| world.stats(0).dials + world.stats(1).dials);
        let before = dials(&world);
        for _ in 0..120_000 / 50 {
            world.run_for(50 * MILLI);
            if world.ready(1).contains(&world.id(0)) {
                n_taken += 1;
                world.cut(0, 1);
                world.run_for(MILLI);
                world.heal(0, 1);
            }
        }
        let n_dials = dials(&world) - before;
        // Both seek it with growing pauses, and slowly, every ten seconds.
        assert!(
            (4..=40).contains(&n_taken) && n_dials <= 80,
            "{n_taken} links, {n_dials} dials in two minutes"
        );
        world.run_until("it stays once nobody takes it", 40 * SECOND, |world| world.linked(0, 1));
        world.run_for(90 * SECOND);
        world.cut(0, 1);
        world.heal(0, 1);
        world.run_until("what lasted is sought at once", 2 * SECOND, |world| world.linked(0, 1));
    }
}
