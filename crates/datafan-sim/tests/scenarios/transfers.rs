//! A30, A34, A44, A47: catching up, whatever was missed and whatever fails on the way.

use crate::common::{Mesh, SEEDS, refusals};
use datafan_core::{
    engine::Write,
    message::Message,
    time::{MILLI, SECOND},
};
use datafan_sim::world::{Fate, LinkProfile, delete, heads_never_go_back, line, put};

const ITEM_BYTES: usize = 4_000;
const LARGE_BYTES: u64 = 3_000 * ITEM_BYTES as u64;

#[test]
fn a30_back_after_all_tombstones_were_dropped() {
    for seed in SEEDS {
        let mut world = Mesh::mesh_with(3, seed, |_, config| config.tombstones_max = 2);
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
        assert!(world.stats(2).reconciliations > 0, "deltas cannot lead there without tombstones");
        world.run_for(30 * SECOND);
        assert!(world.equal_with(35), "nothing is resurrected");
    }
}

#[test]
fn a30_back_after_everything_was_deleted_and_no_tombstone_is_left() {
    for seed in SEEDS {
        let mut world = Mesh::mesh_with(2, seed, |_, config| config.tombstones_max = 1);
        world.link(1, 0);
        world.commit(0, (0..5).map(|n| put(&format!("k{n}"), "v")).collect());
        world.run_until("5 items", 20 * SECOND, |world| world.equal_with(5));

        world.stop(1);
        for n in 0..5 {
            world.delete(0, &format!("k{n}"));
        }
        world.start(1);
        world.run_until("nothing", 20 * SECOND, |world| world.equal_with(0));
        assert_eq!((refusals(&world, 0), refusals(&world, 1)), (0, 0));
    }
}

#[test]
fn a34_a_broken_transfer_goes_on_where_it_was() {
    for seed in SEEDS {
        let (mut world, newcomer) = with_a_large_shard(seed);
        copy_half(&mut world, newcomer);
        world.cut(newcomer, 0);
        assert_eq!(world.content(newcomer).len(), 0, "a first copy is invisible until complete");
        world.run_for(5 * SECOND);
        world.heal(newcomer, 0);
        world.run_until("equal", 60 * SECOND, |world| world.equal_with(3_000));

        let arrived = world.traffic(0, newcomer).arrived_bytes;
        assert!(arrived <= LARGE_BYTES * 21 / 20, "{arrived} B for {LARGE_BYTES} B");
        assert_eq!(refusals(&world, newcomer), 0, "{:?}", world.stats(newcomer).refusals);
    }
}

#[test]
fn a34_a_broken_transfer_goes_on_through_another_neighbour() {
    for seed in SEEDS {
        // A crash loses unsynced data: at most a second's worth, here one range.
        for (restart, most) in [(Restart::None, 60), (Restart::Clean, 60), (Restart::Crash, 75)] {
            let (mut world, newcomer) = with_a_large_shard(seed);
            copy_half(&mut world, newcomer);
            match restart {
                Restart::None => {}
                Restart::Clean => world.stop(newcomer),
                Restart::Crash => world.crash(newcomer),
            }
            world.cut(newcomer, 0);
            world.link(newcomer, 1);
            if !world.runs(newcomer) {
                world.start(newcomer);
            }
            world.run_until("equal", 60 * SECOND, |world| world.equal_with(3_000));

            let arrived = world.traffic(1, newcomer).arrived_bytes;
            let percent = arrived * 100 / LARGE_BYTES;
            assert!(percent < most, "{restart:?}: {percent} % again although half was there");
        }
    }
}

/// What happens to the receiver while its transfer is interrupted.
#[derive(Debug)]
enum Restart {
    None,
    Clean,
    Crash,
}

/// Links the newcomer to member 0 and waits until half of the large shard has arrived, and is on disk.
fn copy_half(world: &mut Mesh, newcomer: usize) {
    world.link(newcomer, 0);
    world.run_until("half of it", 60 * SECOND, |world| {
        world.traffic(0, newcomer).arrived_bytes > LARGE_BYTES / 2
    });
}

/// More differences than one request names: the answers must not wait for rounds, of which there are none
/// here except those of a new link.
#[test]
fn a_newcomer_finds_all_owners_at_once() {
    const OWNERS: usize = 200;
    let mut world = Mesh::mesh_with(OWNERS, 1, |_, config| config.round_micros = 10_000 * SECOND);
    let tree: Vec<(usize, usize)> = (1..OWNERS).map(|member| ((member - 1) / 5, member)).collect();
    world.link_all(&tree);
    world.run_until("linked", 60 * SECOND, |world| world.equal());
    for member in 0..OWNERS {
        world.put(member, "key", "value");
    }
    world.run_until("all hold all", 10 * SECOND, |world| world.equal_with(OWNERS));
    let newcomer = world.add(|_| ());
    world.admit(newcomer);
    world.start(newcomer);
    world.link(newcomer, 0);
    world.run_until("the newcomer holds all", 10 * SECOND, |world| world.equal_with(OWNERS));
}

#[test]
fn a44_a_first_copy_of_a_shard_that_never_rests() {
    for seed in SEEDS {
        let (mut world, newcomer) = with_a_large_shard(seed);
        *world.link_profile(newcomer, 1) = far();
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
fn a44_first_copies_of_two_shards_that_never_rest() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        for owner in 0..2 {
            for part in 0..3 {
                let writes = (0..100).map(|n| put(&format!("{part}-{n}"), [part; 32_000])).collect();
                world.commit(owner, writes);
            }
        }
        world.run_until("two times 9.6 MB", 20 * SECOND, |world| world.equal_with(600));
        let newcomer = world.add(|_| ());
        world.admit(newcomer);
        world.start(newcomer);
        *world.link_profile(newcomer, 2) = far();
        world.link(newcomer, 2);

        let (mut n, mut complete) = (0u32, false);
        while !complete {
            n += 1;
            assert!(n < 3_000, "not within a minute\n{}", world.report());
            for owner in 0..2 {
                world.ask_commit(owner, vec![put("busy", n.to_string())]);
            }
            world.run_for(20 * MILLI);
            complete = n.is_multiple_of(10) && world.content(newcomer).len() == 602;
        }
        world.run_until("equal", 30 * SECOND, |world| world.equal());
        // Only answers in flight when the transfer continued with a later head.
        let refused = &world.stats(newcomer).refusals;
        assert!(refused.keys().all(|rejection| rejection.name() == "unasked"), "{refused:?}");
    }
}

/// 80 ms of round trip, 4 MB/s.
fn far() -> LinkProfile {
    LinkProfile { latency_micros: 40 * MILLI, rate: Some(4_000_000), ..LinkProfile::default() }
}

#[test]
fn a47_deltas_lead_to_the_root_from_every_position() {
    for seed in 1..8 {
        let mut world = overwritten_and_deleted(seed, 65_536);
        world.run_until("equal", 60 * SECOND, |world| world.equal());
        for member in 0..6 {
            let stats = world.stats(member);
            assert_eq!((stats.reconciliations, stats.deltas_unavailable), (0, 0), "m{member} of seed {seed}");
        }
    }
}

#[test]
fn a47_with_few_tombstones_reconciliations_lead_there() {
    let mut n_reconciliations = 0;
    for seed in 1..8 {
        let mut world = overwritten_and_deleted(seed, 1);
        world.run_until("equal", 60 * SECOND, |world| world.equal());
        n_reconciliations += (0..6).map(|member| world.stats(member).reconciliations).sum::<u64>();
    }
    assert!(n_reconciliations > 0, "the tombstones were needed");
}

/// More than are removed at once.
#[test]
fn very_many_deletions_are_found_by_reconciliation() {
    const ITEMS: u32 = 20_000;
    let mut world = Mesh::mesh_with(2, 1, |_, config| config.tombstones_max = 1);
    world.link(0, 1);
    let all: Vec<u32> = (0..ITEMS).collect();
    for some in all.chunks(4_096) {
        world.commit(0, some.iter().map(|n| put(&n.to_string(), "")).collect());
    }
    world.run_until("equal", 60 * SECOND, |world| world.equal_with(ITEMS as usize));
    world.cut(0, 1);
    for some in all[1_000..].chunks(4_096) {
        world.commit(0, some.iter().map(|n| delete(&n.to_string())).collect());
    }
    world.commit(0, vec![put("last", "")]);
    world.heal(0, 1);
    world.run_until("equal again", 60 * SECOND, |world| world.equal_with(1_001));
    assert_eq!(refusals(&world, 1), 0, "{:?}", world.stats(1).refusals);
    assert!(world.stats(1).reconciliations > 0);
}

/// Six members in a line with a bypass; the first overwrites and deletes ten keys many times while links come
/// and go and relays lose messages.
fn overwritten_and_deleted(seed: u64, tombstones_max: u64) -> Mesh {
    let mut world = Mesh::mesh_with(6, seed, |_, config| config.tombstones_max = tombstones_max);
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

/// Members 0 and 1 hold 12 MB of member 0, more than one delta takes; member 2 is admitted and runs, but is
/// not linked. Every link carries 2 MB/s.
fn with_a_large_shard(seed: u64) -> (Mesh, usize) {
    let mut world = Mesh::line(2, seed);
    for from in (0..3_000).step_by(1_000) {
        let value = |n: i32| [n.to_le_bytes().as_slice(), &[1; ITEM_BYTES - 4]].concat();
        let writes: Vec<Write> = (from..from + 1_000).map(|n| put(&format!("key-{n}"), value(n))).collect();
        world.commit(0, writes);
    }
    world.run_until("12 MB", 20 * SECOND, |world| world.equal_with(3_000));
    world.default_link_profile().rate = Some(2_000_000);
    let newcomer = world.add(|_| ());
    world.admit(newcomer);
    world.start(newcomer);
    (world, newcomer)
}

#[test]
fn a_slow_line_is_asked_for_what_it_can_carry() {
    // Kilobytes per second, and megabytes: less than a delta holds, and more.
    for (rate, size) in [(1_000, 6), (100, 6), (30, 6), (300, 12)] {
        let mut world = Mesh::mesh(2, 1);
        for n in 0..size * 100 {
            world.put(0, &format!("k{n}"), vec![n as u8; 10_000]);
        }
        world.link_profile(1, 0).rate = Some(rate * 1_000);
        world.link(1, 0);
        let ideal = size * 1_000 / rate;
        // A fifth of it for requests and repeated ones.
        let limit = (ideal + ideal / 5 + 2) * SECOND;
        world.run_until("copied", limit, |world| world.equal_with(size as usize * 100));
        let bytes = world.traffic(0, 1).bytes;
        assert!(bytes < size * 1_200_000, "{bytes} bytes for {size} MB at {rate} kB/s");
    }
}

#[test]
fn an_item_that_takes_longer_than_a_request_may_arrives() {
    let mut world = Mesh::mesh(2, 1);
    world.link_profile(1, 0).rate = Some(40_000);
    world.put(0, "large", vec![7; 1 << 20]);
    world.link(1, 0);
    world.run_until("copied", 60 * SECOND, |world| world.equal_with(1));
    // An older copy, and a change of that size.
    world.put(0, "large", vec![8; 1 << 20]);
    world.put(0, "small", "v");
    world.run_until("equal", 90 * SECOND, |world| world.equal_with(2));
}

#[test]
fn a_newcomer_copies_from_all_its_neighbours_at_once() {
    for seed in SEEDS {
        let (alone, _) = copy_twenty_shards(seed, 1);
        let (together, shares) = copy_twenty_shards(seed, 4);
        assert!(together * 2 < alone, "{together} us over four lines, {alone} us over one");
        assert!(shares.iter().all(|share| *share * 8 > shares.iter().sum()), "{shares:?}");
    }
}

/// The time for a newcomer to copy 4 MB over this many lines of 200 kB per second, and the bytes over each.
fn copy_twenty_shards(seed: u64, n_lines: usize) -> (u64, Vec<u64>) {
    let (n_owners, mut world) = (20, Mesh::mesh(21, seed));
    let star: Vec<_> = (1..n_owners).map(|owner| (owner, 0)).collect();
    world.link_all(&star);
    for owner in 0..n_owners {
        world.commit(owner, (0..20).map(|n| put(&format!("k{n}"), "v".repeat(10_000))).collect());
    }
    world.stop(n_owners);
    world.run_until("the owners are equal", 60 * SECOND, |world| {
        (1..n_owners).all(|owner| world.heads(owner) == world.heads(0))
    });
    for neighbour in 0..n_lines {
        world.link_profile(n_owners, neighbour).rate = Some(200_000);
        world.link(n_owners, neighbour);
    }
    world.start(n_owners);
    let micros = world.run_until("the copy is there", 60 * SECOND, |world| world.equal());
    (micros, (0..n_lines).map(|neighbour| world.traffic(neighbour, n_owners).arrived_bytes).collect())
}

#[test]
fn one_large_shard_comes_from_several_neighbours_at_once() {
    for seed in SEEDS {
        let (alone, _) = copy_a_large_shard(seed, 1, |_| {});
        let (together, shares) = copy_a_large_shard(seed, 3, |_| {});
        assert!(together * 2 < alone, "{together} us over three lines, {alone} us over one");
        assert!(shares.iter().all(|share| *share * 6 > shares.iter().sum()), "{shares:?}");
        assert!(shares.iter().sum::<u64>() < 12_700_000, "nothing comes twice: {shares:?}");
        // One of them leaves in the middle, and the rest of its part is requested from the others.
        let (parted, _) = copy_a_large_shard(seed, 3, |world| world.stop(1));
        assert!(parted < alone, "{parted} us over two lines from the middle on, {alone} us over one");
    }
}

/// The time for a newcomer to copy 12 MB over this many lines of 500 kB per second, and the bytes over each;
/// something happens after a third of it.
fn copy_a_large_shard(seed: u64, n_lines: usize, happens: impl FnOnce(&mut Mesh)) -> (u64, Vec<u64>) {
    let mut world = Mesh::mesh(5, seed);
    let newcomer = 4;
    world.link_all(&[(1, 0), (2, 0), (3, 0)]);
    world.stop(newcomer);
    for part in 0..3 {
        let writes = (0..1_000).map(|n| put(&format!("k{part}{n}"), "v".repeat(ITEM_BYTES))).collect();
        world.commit(0, writes);
    }
    world.run_until("the neighbours are equal", 60 * SECOND, |world| {
        (1..newcomer).all(|member| world.heads(member) == world.heads(0))
    });
    for neighbour in 1..=n_lines {
        world.link_profile(newcomer, neighbour).rate = Some(500_000);
        world.link(newcomer, neighbour);
    }
    world.start(newcomer);
    let bytes = |world: &Mesh| -> Vec<u64> {
        (1..=n_lines).map(|neighbour| world.traffic(neighbour, newcomer).arrived_bytes).collect()
    };
    let first = world
        .run_until("a third is there", 60 * SECOND, |world| bytes(world).iter().sum::<u64>() > 4_000_000);
    happens(&mut world);
    let rest =
        world.run_until("the copy is there", 60 * SECOND, |world| world.heads(newcomer) == world.heads(0));
    (first + rest, bytes(&world))
}
