//! A53: a member that is restored from an older copy, or rolled back while it runs, whatever its clock does.
//! What the mesh had acknowledged is still there or listed for its owner, and nobody is accused of theft.

use crate::common::{Mem, Mesh, SEEDS};
use datafan_core::{
    difference::{Cursor, Difference, State, differences, divergent_roots},
    engine::{Alarm, Immediate, OwnChange, ShardProgress, Write},
    hash::Hash,
    item::Key,
    limits::DIVERGENT_COPIES_MAX,
    read::Snapshot,
    runs::{RUNS_KEY, RunHistory, RunId},
    store::StoreSnapshot,
    time::{MILLI, SECOND, Timestamp},
};
use datafan_sim::world::{Disk, put};

const MINUTE: u64 = 60 * SECOND;
const MINUTES: i64 = 60 * SECOND as i64;

#[test]
fn a53_what_a_restored_member_had_written_is_kept_for_it_though_its_clock_has_passed_that() {
    for seed in SEEDS {
        for restarts in [0, 1, 2] {
            let mut world = Mesh::line(3, seed);
            let backup = lose(&mut world, 1, 20 * MINUTES);
            restore(&mut world, 1, backup, 0);
            write_alone(&mut world, 1, 25 * MINUTE, restarts);
            meet(&mut world, 1);
            is_listed(&world, 1);
            take_back(&mut world, 1);
        }
    }
}

#[test]
fn a53_seventy_restarts_between_the_loss_and_the_meeting() {
    let mut world = Mesh::line(3, 1);
    let backup = lose(&mut world, 1, 20 * MINUTES);
    restore(&mut world, 1, backup, 0);
    write_alone(&mut world, 1, 25 * MINUTE, 70);
    meet(&mut world, 1);
    is_listed(&world, 1);
    take_back(&mut world, 1);
}

#[test]
fn a53_what_was_written_alone_is_kept_where_the_clock_stays_behind_what_was_lost() {
    for seed in SEEDS {
        for restarts in [0, 1, 2] {
            let mut world = Mesh::line(3, seed);
            let backup = lose(&mut world, 1, 50 * MINUTES);
            restore(&mut world, 1, backup, 0);
            write_alone(&mut world, 1, MINUTE, restarts);
            meet(&mut world, 1);
            // The state of the mesh is the later one, so it is visible; the other is listed.
            assert!(world.all_read(1, "k", Some(b"2")) && world.all_read(1, "after", Some(b"x")));
            let listed = listed(&world, 1);
            assert!(listed.iter().any(|found| found.key.as_str() == "alone/0"), "{listed:?}");
            take_back(&mut world, 1);
            assert!(world.all_read(1, "alone/0", Some(b"v")), "taken back");
        }
    }
}

#[test]
fn a53_a_lost_deletion_is_listed_and_taken_back() {
    let mut world = Mesh::line(3, 1);
    world.put(1, "gone", "v");
    world.put(1, "k", "1");
    world.run_until("equal", 20 * SECOND, |world| world.equal_with(2));
    let backup = world.disk(1).backup();
    world.delete(1, "gone");
    world.run_until("equal", 20 * SECOND, |world| world.equal_with(1));
    restore(&mut world, 1, backup, 0);
    write_alone(&mut world, 1, MINUTE, 1);
    meet(&mut world, 1);
    let listed = listed(&world, 1);
    assert!(listed.iter().any(|found| found.key.as_str() == "gone" && found.item.is_none()), "{listed:?}");
    take_back(&mut world, 1);
    assert!(world.all_read(1, "gone", None), "deleted again");
}

#[test]
fn a53_copies_of_two_losses_are_both_listed() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        let backup = lose(&mut world, 1, 0);
        restore(&mut world, 1, backup, 0);
        write_alone(&mut world, 1, MINUTE, 0);
        meet(&mut world, 1);
        let backup = world.disk(1).backup();
        world.put(1, "second", "v");
        world.run_until("equal", 20 * SECOND, |world| world.equal());
        restore(&mut world, 1, backup, 0);
        world.run_for(MINUTE);
        world.put(1, "other", "v");
        meet(&mut world, 1);
        world.run_until("both come", 60 * SECOND, |world| {
            ["k", "after", "second"]
                .iter()
                .all(|key| listed(world, 1).iter().any(|found| found.key.as_str() == *key))
        });
        take_back(&mut world, 1);
        for (key, value) in [("k", "2"), ("after", "x"), ("second", "v")] {
            assert!(world.all_read(1, key, Some(value.as_bytes())), "{key}");
        }
    }
}

#[test]
fn a53_a_copy_that_was_not_looked_at_is_not_given_up() {
    let mut world = Mesh::line(3, 1);
    let backup = lose(&mut world, 1, 0);
    restore(&mut world, 1, backup.backup(), 0);
    write_alone(&mut world, 1, MINUTE, 0);
    meet(&mut world, 1);
    let looked_at = roots(&world, 1);
    restore(&mut world, 1, backup, 0);
    world.run_for(MINUTE);
    world.put(1, "other", "v");
    meet(&mut world, 1);
    world.run_until("both come", 60 * SECOND, |world| roots(world, 1).len() == 2);
    world.done(1, OwnChange::DiscardDivergent { roots: Some(looked_at.clone()) });
    world.run_until("one is freed", 60 * SECOND, |world| {
        world.equal() && (0..3).all(|at| n_copies(world, at) == 1)
    });
    assert!(roots(&world, 1).iter().all(|root| !looked_at.contains(root)));
    let listed = listed(&world, 1);
    assert!(listed.iter().any(|found| found.key.as_str() == "alone/0"), "{listed:?}");
}

#[test]
fn a53_a_copy_goes_a_week_after_its_owner_could_fetch_it() {
    const DAY: u64 = 24 * 60 * MINUTE;
    let mut world = Mesh::mesh_with(3, 1, |_, config| config.round_micros = 20 * MINUTE);
    world.link_all(&[(0, 1), (1, 2)]);
    let backup = lose(&mut world, 1, 0);
    restore(&mut world, 1, backup, 0);
    write_alone(&mut world, 1, MINUTE, 0);
    meet(&mut world, 1);
    world.run_for(4 * DAY);
    // While the owner is away, the week does not pass.
    world.stop(1);
    world.run_for(10 * DAY);
    world.start(1);
    world.run_for(2 * DAY);
    assert_eq!([0, 1, 2].map(|at| n_copies(&world, at)), [1, 1, 1]);
    world.run_for(2 * DAY);
    assert_eq!([0, 1, 2].map(|at| n_copies(&world, at)), [0, 1, 0], "its owner's own stays");
    is_listed(&world, 1);
}

#[test]
fn a53_copies_five_hops_away_are_told_to_their_owner() {
    for seed in SEEDS {
        // Only the far ends keep what was lost, and only the dialler links them with the owner.
        let mut world = Mesh::mesh_with(7, seed, |_, config| {
            (config.links_min, config.links_wanted_max) = (1, 2);
        });
        for member in 0..7 {
            world.ask(member, Immediate::Publish(vec![format!("m{member}").into()]));
            if member > 0 {
                let address = format!("m{}", member - 1);
                world.ask(member, Immediate::Connect { address: address.into(), expected: None });
            }
        }
        world.run_until("a common beginning", 120 * SECOND, |world| world.equal());
        world.put(1, "k", "1");
        world.run_until("equal", 60 * SECOND, |world| world.equal_with(1));
        let backups: Vec<Mem> = (0..6).map(|member| world.disk(member).backup()).collect();
        lose(&mut world, 1, 20 * MINUTES);
        // All disks except that at the far end are restored, and that member is away: nobody else has what
        // was lost.
        (0..7).for_each(|member| world.stop(member));
        for (member, backup) in backups.into_iter().enumerate() {
            *world.disk(member) = backup;
            world.set_clock(member, 0);
            world.start(member);
            world.ask(member, Immediate::Publish(vec![format!("m{member}").into()]));
            let address = format!("m{}", (member + 5) % 6);
            world.ask(member, Immediate::Connect { address: address.into(), expected: None });
        }
        world.run_for(25 * MINUTE);
        world.put(1, "alone/0", "v");
        world.run_until("equal", 120 * SECOND, |world| world.equal_among(&[0, 1, 2, 3, 4, 5]));
        world.start(6);
        world.ask(6, Immediate::Publish(vec!["m6".into()]));
        world.ask(6, Immediate::Connect { address: "m5".into(), expected: None });
        world.run_until("told", 300 * SECOND, |world| world.equal() && world.status(1).divergent.is_some());
        is_listed(&world, 1);
        take_back(&mut world, 1);
    }
}

#[test]
fn a53_a_machine_that_is_rolled_back_while_it_runs_goes_on_in_a_new_run() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        world.put(1, "k", "1");
        world.run_until("equal", 20 * SECOND, |world| world.equal_with(1));
        let image = world.disk(1).backup();
        let run = last_run(&world, 1);
        world.run_for(5 * MINUTE);
        world.put(1, "k", "2");
        world.put(1, "after", "x");
        world.run_until("equal", 20 * SECOND, |world| world.equal_with(2));

        // Disk, memory and wall clock are as they were, until somebody sets the clock.
        cut_off(&mut world, 1);
        world.roll_back(1, image);
        world.set_clock(1, -5 * MINUTES);
        world.run_for(20 * SECOND);
        assert_eq!(last_run(&world, 1), run, "the same process");
        world.set_clock(1, 0);
        world.run_for(20 * SECOND);
        world.put(1, "alone/0", "v");
        assert_ne!(last_run(&world, 1), run);
        meet(&mut world, 1);
        is_listed(&world, 1);
        take_back(&mut world, 1);
        assert!(world.all_read(1, "after", Some(b"x")));
    }
}

/// The runs that it names have nothing to do with those of the previous state: no held state is an ancestor
/// of the next one, and it never ends a branch.
#[test]
fn a53_an_owner_that_names_ever_new_runs_is_bounded_and_harms_nobody() {
    let mut world = Mesh::mesh(4, 1);
    world.link_all(&[(0, 2), (0, 3), (2, 3), (1, 2)]);
    world.put(1, "k", "0");
    world.run_until("equal", 20 * SECOND, |world| world.equal_with(1));
    let old = world.disk(1).backup();
    world.put(1, "k", "1");
    world.put(2, "honest", "1");
    world.run_until("equal", 20 * SECOND, |world| world.equal_with(2));
    for n in 0..DIVERGENT_COPIES_MAX + 4 {
        world.stop(1);
        world.cut(1, 2);
        *world.disk(1) = old.backup();
        world.start(1);
        world.run_for(20 * SECOND);
        world.put(1, "k", format!("state {n}"));
        world.heal(1, 2);
        world.run_for(40 * SECOND);
        for at in [0, 2, 3] {
            let kept = (n + 1).min(DIVERGENT_COPIES_MAX);
            assert_eq!(n_copies(&world, at), kept, "m{at}: all states so far, and none is lost");
        }
    }
    let n_told = |world: &Mesh, at: usize| {
        world.alarms(at).iter().filter(|alarm| matches!(alarm, Alarm::Diverged { .. })).count()
    };
    // The owner has fetched each copy in each of its runs.
    let (told, n_runs) = (n_told(&world, 1), DIVERGENT_COPIES_MAX + 4);
    assert!((1..=n_runs).contains(&told), "one alarm a run at its owner: {told}");
    for at in [0, 2, 3] {
        assert_eq!(n_told(&world, at), 1, "one alarm a day");
        // The unrelated state did not replace the last held one either.
        let last = format!("state {}", DIVERGENT_COPIES_MAX - 1);
        assert_eq!(world.get(at, 1, "k"), Some(last.into_bytes()), "m{at}");
    }

    // An honest owner is served normally, and after a restore still finds what it lost.
    assert!(spreads_to(&mut world, 2, &[0, 3], "quick") < 100 * MILLI);
    let backup = world.disk(2).backup();
    world.put(2, "honest", "2");
    world.run_until("all have it", 20 * SECOND, |world| world.get(3, 2, "honest") == Some(b"2".to_vec()));
    world.stop(2);
    [0, 1, 3].into_iter().for_each(|other| world.cut(2, other));
    *world.disk(2) = backup;
    world.start(2);
    world.run_for(MINUTE);
    world.put(2, "alone", "v");
    [0, 3].into_iter().for_each(|other| world.heal(2, other));
    world.run_until("told", 120 * SECOND, |world| world.status(2).divergent.is_some());
    let listed = listed(&world, 2);
    assert!(listed.iter().any(|found| found.key.as_str() == "honest"), "{listed:?}");
}

#[test]
fn a53_forks_of_a_restored_member_are_closed_by_what_it_takes_back() {
    for seed in SEEDS {
        let mut world = Mesh::line(4, seed);
        let backup = lose(&mut world, 1, 20 * MINUTES);
        restore(&mut world, 1, backup, 0);
        // As old as what was lost, and then past it: both together prove a fork.
        write_alone(&mut world, 1, MINUTE, 0);
        world.run_for(25 * MINUTE);
        world.put(1, "past it", "v");
        meet(&mut world, 1);
        for at in [0, 2, 3] {
            assert_eq!((n_forks(&world, at), progress(&world, at, 1)), (1, ShardProgress::Forked), "m{at}");
        }
        assert!(spreads_in(&mut world, 1, "slow") > 300 * MILLI, "by rounds only");
        is_listed(&world, 1);
        take_back(&mut world, 1);
        for at in [0, 2, 3] {
            assert_eq!((n_forks(&world, at), progress(&world, at, 1)), (1, ShardProgress::Whole), "m{at}");
        }
        spreads_in(&mut world, 1, "a round makes its links eager again");
        assert!(spreads_in(&mut world, 1, "quick") < 100 * MILLI, "pushed over two hops");
    }
}

/// The last run that a member's own shard names.
fn last_run(world: &Mesh, member: usize) -> Option<RunId> {
    let runs = (world.id(member), Key::new(RUNS_KEY).expect("a key"));
    let history = world.content(member).items.get(&runs).map(|item| RunHistory::decode(&item.value));
    history.and_then(|history| history.expect("an engine wrote it").last()).map(|run| run.id)
}

/// The forks of which a member keeps evidence.
fn n_forks(world: &Mesh, member: usize) -> usize {
    let snapshot = Snapshot::new(world.snapshot(member), world.mesh_id(), Timestamp::ZERO);
    snapshot.forks().expect("the store works").len()
}

fn progress(world: &Mesh, at: usize, owner: usize) -> ShardProgress {
    let shards = world.status(at).shards;
    shards.into_iter().find(|shard| shard.owner == world.id(owner)).expect("it is held").state
}

/// The copies of its own shard that a member keeps.
fn roots(world: &Mesh, member: usize) -> Vec<Hash> {
    divergent_roots(&world.snapshot(member), &world.id(member)).expect("the store works")
}

/// How long a write takes to reach everybody.
fn spreads_in(world: &mut Mesh, member: usize, key: &str) -> u64 {
    let all: Vec<usize> = (0..world.n_members()).collect();
    spreads_to(world, member, &all, key)
}

fn spreads_to(world: &mut Mesh, member: usize, others: &[usize], key: &str) -> u64 {
    let began = world.time();
    world.put(member, key, "v");
    world.run_until(key, 20 * SECOND, |world| {
        others.iter().all(|other| world.get(*other, member, key).as_deref() == Some(b"v"))
    });
    world.time().0 - began.0
}

/// The member writes with its clock ahead, which the mesh has and a backup of its disk lacks.
fn lose(world: &mut Mesh, member: usize, ahead: i64) -> Mem {
    world.put(member, "k", "1");
    world.run_until("equal", 20 * SECOND, |world| world.equal_with(1));
    let backup = world.disk(member).backup();
    world.set_clock(member, ahead);
    world.put(member, "k", "2");
    world.put(member, "after", "x");
    world.run_until("equal", 20 * SECOND, |world| world.equal_with(2));
    backup
}

/// The old disk is restored, and the member starts without peers.
fn restore(world: &mut Mesh, member: usize, backup: Mem, clock: i64) {
    world.stop(member);
    cut_off(world, member);
    world.set_clock(member, clock);
    *world.disk(member) = backup;
    world.start(member);
}

fn write_alone(world: &mut Mesh, member: usize, micros: u64, restarts: usize) {
    world.run_for(micros);
    for n in 0..=restarts {
        world.put(member, &format!("alone/{n}"), "v");
        if n < restarts {
            world.crash(member);
            world.start(member);
        }
    }
}

fn cut_off(world: &mut Mesh, member: usize) {
    others(world, member).into_iter().for_each(|other| world.cut(member, other));
}

fn others(world: &Mesh, member: usize) -> Vec<usize> {
    (0..world.n_members()).filter(|other| *other != member && other.abs_diff(member) == 1).collect()
}

/// The mesh is there again; all end equal, and nobody is accused of theft.
fn meet(world: &mut Mesh, member: usize) {
    others(world, member).into_iter().for_each(|other| world.heal(member, other));
    world.run_until("equal, and told", 120 * SECOND, |world| {
        world.equal() && world.status(member).divergent.is_some()
    });
    for at in 0..world.n_members() {
        let stolen = world.alarms(at).iter().any(|alarm| matches!(alarm, Alarm::ForeignHead { .. }));
        assert!(!stolen, "m{at}: {:?}", world.alarms(at));
    }
}

/// The items of the kept states that are missing from the visible one.
fn listed(world: &Mesh, member: usize) -> Vec<Difference> {
    let (snapshot, id) = (world.snapshot(member), world.id(member));
    let (mut found, mut next) = (Vec::new(), Some(Cursor::START));
    while let Some(from) = next {
        let (page, rest) = differences(&snapshot, &id, from).expect("the store works");
        found.extend(page.into_iter().filter(|found| found.state != State::Back));
        next = rest;
    }
    found
}

/// Everything that the mesh had acknowledged is there or listed.
fn is_listed(world: &Mesh, member: usize) {
    let listed = listed(world, member);
    for (key, value) in [("k", "2"), ("after", "x")] {
        let is_kept = |found: &Difference| {
            found.key.as_str() == key
                && found.item.as_ref().is_some_and(|item| *item.value == *value.as_bytes())
        };
        let visible = world.get(member, member, key).as_deref() == Some(value.as_bytes());
        assert!(visible || listed.iter().any(is_kept), "{key} is gone: {listed:?}");
    }
}

/// Missing items are written again and the rest is discarded: then nobody keeps a copy any more.
fn take_back(world: &mut Mesh, member: usize) {
    for lacking in listed(world, member).into_iter().filter(|found| found.state == State::Lacking) {
        let key = lacking.key.clone();
        match lacking.item {
            Some(item) => world.commit(member, vec![put(key.as_str(), &*item.value)]),
            None => world.commit(member, vec![Write::Delete { key }]),
        };
    }
    world.done(member, OwnChange::DiscardDivergent { roots: None });
    world.run_until("freed everywhere", 60 * SECOND, |world| {
        world.equal() && (0..world.n_members()).all(|at| n_copies(world, at) == 0)
    });
    assert!(world.status(member).divergent.is_none());
}

fn n_copies(world: &Mesh, member: usize) -> usize {
    let shards = world.snapshot(member).shards().expect("the store works");
    shards.iter().filter(|(_, record)| record.is_divergent()).count()
}
