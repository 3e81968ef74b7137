//! A30, A34, A44, A47: catching up, whatever was missed and whatever breaks on the way.

use crate::common::{Mesh, SEEDS, refusals};
use datafan_core::{
    engine::Write,
    message::Message,
    time::{MILLI, SECOND},
};
use datafan_testkit::harness::{Fate, Terms, delete, heads_never_go_back, line, put};

const ITEM_BYTES: usize = 4_000;

#[test]
fn a30_back_after_all_graves_were_dropped() {
    for seed in SEEDS {
        let mut world = Mesh::mesh_with(3, seed, |_, config| config.graves_max = 2);
        world.link_all(&line(3));
        let writes = (0..60).map(|n| put(&format!("k{n}"), n.to_string())).collect();
        world.commit(0, writes);
        world.run_until("60 items", 20 * SECOND, |world| world.equal_with(60));

        world.stop(2);
        for n in (0..60).step_by(2) {
            world.delete(0, &format!("k{n}"));
        }
        for n in 0..5 {
            world.put(0, &format!("new{n}"), "v");
        }
        world.start(2);

        world.run_until("35 items", 20 * SECOND, |world| world.equal_with(35));
        assert!(world.stats(2).descents > 0, "deltas cannot lead there without graves");
        world.run_for(30 * SECOND);
        assert!(world.equal_with(35), "nothing is resurrected");
    }
}

#[test]
fn a34_a_broken_transfer_goes_on_where_it_was() {
    for seed in SEEDS {
        let (mut world, newcomer) = with_a_large_shard(seed);
        world.link(newcomer, 0);
        let whole = 3_000 * ITEM_BYTES as u64;
        world.run_until("half of it", 60 * SECOND, |world| world.traffic(0, newcomer).bytes > whole / 2);
        world.cut(newcomer, 0);
        assert_eq!(world.content(newcomer).len(), 0, "a first copy is invisible until complete");
        world.run_for(5 * SECOND);
        world.heal(newcomer, 0);
        world.run_until("equal", 60 * SECOND, |world| world.equal_with(3_000));

        let spent = world.traffic(0, newcomer).bytes;
        // What was on its way is lost: at most the requests in flight.
        assert!(spent <= whole + whole / 2, "{spent} B for {whole} B");
        assert_eq!(refusals(&world, newcomer), 0, "{:?}", world.stats(newcomer).refusals);
    }
}

#[test]
fn a34_a_broken_transfer_goes_on_through_another_neighbour_and_after_a_crash() {
    for seed in SEEDS {
        let (mut world, newcomer) = with_a_large_shard(seed);
        world.link(newcomer, 0);
        let whole = 3_000 * ITEM_BYTES as u64;
        world.run_until("half of it", 60 * SECOND, |world| world.traffic(0, newcomer).bytes > whole / 2);
        world.stop(newcomer);
        world.cut(newcomer, 0);
        world.link(newcomer, 1);
        world.start(newcomer);
        world.run_until("equal", 60 * SECOND, |world| world.equal_with(3_000));

        let spent = world.traffic(1, newcomer).bytes;
        assert!(spent < whole * 9 / 10, "{spent} B of {whole} B although half was there");
    }
}

#[test]
fn a44_a_first_copy_of_a_shard_that_never_rests() {
    for seed in SEEDS {
        let (mut world, newcomer) = with_a_large_shard(seed);
        let far = Terms { latency_micros: 40 * MILLI, rate: Some(4_000_000), ..Terms::default() };
        *world.terms(newcomer, 1) = far;
        world.link(newcomer, 1);

        let (mut n, mut complete) = (0u32, false);
        while !complete {
            n += 1;
            assert!(n < 3_000, "not within a minute\n{}", world.report());
            let key = format!("key-{}", world.rng.below(3_000));
            world.ask_commit(0, vec![put(&key, n.to_string())]);
            world.run_for(20 * MILLI);
            complete = n.is_multiple_of(10) && world.content(newcomer).len() == 3_000;
        }
        world.run_until("equal", 30 * SECOND, |world| world.equal());
        for member in 0..3 {
            assert_eq!(refusals(&world, member), 0, "m{member}: {:?}", world.stats(member).refusals);
        }
    }
}

#[test]
fn a47_deltas_lead_to_the_root_from_every_position() {
    for seed in 1..8 {
        let mut world = overwritten_and_deleted(seed, 65_536);
        world.run_until("equal", 60 * SECOND, |world| world.equal());
        for member in 0..6 {
            let stats = world.stats(member);
            assert_eq!((stats.descents, stats.gaps_sent), (0, 0), "m{member} of seed {seed}");
        }
    }
}

#[test]
fn a47_with_few_graves_descents_lead_there() {
    let mut n_descents = 0;
    for seed in 1..8 {
        let mut world = overwritten_and_deleted(seed, 1);
        world.run_until("equal", 60 * SECOND, |world| world.equal());
        n_descents += (0..6).map(|member| world.stats(member).descents).sum::<u64>();
    }
    assert!(n_descents > 0, "the graves were needed");
}

/// Six members in a line with a bypass; the first overwrites and deletes ten keys many times while links come and go
/// and relays miss messages.
fn overwritten_and_deleted(seed: u64, graves_max: u64) -> Mesh {
    let mut world = Mesh::mesh_with(6, seed, |_, config| config.graves_max = graves_max);
    world.link_all(&line(6));
    world.link(5, 2);
    world.guard(heads_never_go_back());
    world.run_until("a common beginning", 20 * SECOND, |world| world.equal());
    let mut rng = world.rng.fork();
    world.intercept(move |passing| {
        let push = matches!(Message::decode(passing.bytes), Ok(Message::Push(_)));
        if push && rng.chance(1, 3) { Fate::Lose } else { Fate::Pass }
    });
    for n in 0..150u32 {
        let key = format!("k{}", world.rng.below(10));
        let write = if world.rng.chance(1, 3) { delete(&key) } else { put(&key, n.to_string()) };
        world.ask_commit(0, vec![write]);
        let (at, pause) = (world.rng.below(5) as usize, world.rng.below(200 * MILLI));
        match world.rng.below(6) {
            0 => world.cut(at, at + 1),
            1..=3 => world.heal(at, at + 1),
            _ => {}
        }
        world.run_for(pause);
    }
    (0..5).for_each(|at| world.heal(at, at + 1));
    world
}

/// Members 0 and 1 hold 12 MB of member 0, more than one delta takes; member 2 is admitted and runs, not yet linked.
/// Every link carries 2 MB/s.
fn with_a_large_shard(seed: u64) -> (Mesh, usize) {
    let mut world = Mesh::line(2, seed);
    for from in (0..3_000).step_by(1_000) {
        let value = |n: i32| [n.to_le_bytes().as_slice(), &[1; ITEM_BYTES - 4]].concat();
        let writes: Vec<Write> = (from..from + 1_000).map(|n| put(&format!("key-{n}"), value(n))).collect();
        world.commit(0, writes);
    }
    world.run_until("12 MB", 20 * SECOND, |world| world.equal_with(3_000));
    world.default_terms().rate = Some(2_000_000);
    let newcomer = world.add(|_| ());
    world.admit(newcomer);
    world.start(newcomer);
    (world, newcomer)
}
