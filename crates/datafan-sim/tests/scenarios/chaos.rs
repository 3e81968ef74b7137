//! Everything at once: links that come and go, lost or late messages, crashes, clock jumps, few tombstones.
//! At the end all members are equal, and each shard is what its acknowledged writes say.

use crate::common::Mesh;
use datafan_core::{
    engine::{Answer, Ticket},
    time::{MILLI, SECOND},
};
use datafan_sim::world::{Fate, LinkProfile, delete, put, random, uses_no_timestamp_twice};
use datafan_testkit::rng::Rng;
use std::collections::BTreeMap;

const MEMBERS: usize = 6;
const STEPS: usize = 250;

/// The writes per member and key, in order: `None` deletes.
type Asked = BTreeMap<(usize, String), Vec<(Ticket, Option<String>)>>;

#[test]
fn after_faults_all_are_equal_and_nothing_acknowledged_is_lost() {
    for seed in 1..11 {
        let mut world = world(seed);
        let mut asked = Asked::new();
        for n in 0..STEPS {
            write(&mut world, n, &mut asked);
            disturb(&mut world);
            let pause = world.rng.below(100 * MILLI);
            world.run_for(pause);
        }
        settle(&mut world);
        world.run_until("equal", 300 * SECOND, |world| world.equal());
        check(&world, &asked);
    }
}

fn world(seed: u64) -> Mesh {
    let mut world = Mesh::mesh_with(MEMBERS, seed, |_, config| config.tombstones_max = 5);
    if seed.is_multiple_of(2) {
        // Lanes that are full most of the time.
        *world.default_link_profile() = LinkProfile {
            rate: Some(100_000),
            queue_bytes: 20_000,
            latency_micros: 20 * MILLI,
            ..LinkProfile::default()
        };
    }
    let links = random(MEMBERS, 3, &mut world.rng);
    world.link_all(&links);
    world.guard(uses_no_timestamp_twice());
    (0..MEMBERS).for_each(|member| world.slow_sync(member, 2 * MILLI));
    world.run_until("a common beginning", 100 * SECOND, |world| world.equal());
    let mut rng = world.rng.fork();
    let until = world.time().after(60 * SECOND);
    world.intercept(move |passing| if passing.time < until { fate(&mut rng) } else { Fate::Pass });
    world
}

fn fate(rng: &mut Rng) -> Fate {
    match rng.below(30) {
        0 => Fate::Lose,
        1 => Fate::Twice,
        2 => Fate::Delay(rng.below(SECOND)),
        _ => Fate::Pass,
    }
}

fn write(world: &mut Mesh, n: usize, asked: &mut Asked) {
    let (member, key) = (world.rng.index(MEMBERS), format!("k{}", world.rng.below(8)));
    if !world.runs(member) {
        return;
    }
    // Sometimes too large to be pushed.
    let width = if world.rng.chance(1, 10) { world.rng.index(100_000) } else { world.rng.index(100) };
    let value = (!world.rng.chance(1, 3)).then(|| format!("{n} {}", "x".repeat(width)));
    let write = value.as_ref().map_or_else(|| delete(&key), |value| put(&key, value));
    let ticket = world.ask_commit(member, vec![write]);
    asked.entry((member, key)).or_default().push((ticket, value));
}

fn disturb(world: &mut Mesh) {
    let member = world.rng.index(MEMBERS);
    let other = (member + 1 + world.rng.index(MEMBERS - 1)) % MEMBERS;
    match world.rng.below(20) {
        0 | 1 if world.runs(member) => world.crash(member),
        2 if world.runs(member) => world.stop(member),
        0..=5 if !world.runs(member) => world.start(member),
        6 | 7 => world.cut(member, other),
        8..=10 => world.heal(member, other),
        11 => {
            let minutes = world.rng.below(40) as i64 - 20;
            world.set_clock(member, minutes * 60 * SECOND as i64);
        }
        _ => {}
    }
}

fn settle(world: &mut Mesh) {
    for member in 0..MEMBERS {
        (0..member).for_each(|other| world.heal(member, other));
        world.set_clock(member, 0);
        if !world.runs(member) {
            world.start(member);
        }
    }
}

/// The value under a key is that of the last acknowledged write, or of a later one.
fn check(world: &Mesh, asked: &Asked) {
    for ((member, key), writes) in asked {
        let acknowledged =
            |(ticket, _): &(Ticket, _)| matches!(world.answer(*member, *ticket), Some(Answer::Committed(_)));
        let last = writes.iter().rposition(acknowledged);
        let held = world.get(0, *member, key).map(|value| String::from_utf8_lossy(&value).into_owned());
        let possible = &writes[last.unwrap_or(0)..];
        let found = possible.iter().any(|(_, value)| *value == held) || last.is_none() && held.is_none();
        assert!(found, "m{member} {key}: {held:?}, possible {possible:?}, seed {}", world.seed);
        assert!(world.alarms(*member).is_empty(), "m{member}: {:?}", world.alarms(*member));
    }
}
