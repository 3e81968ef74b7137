//! An engine among misbehaving peers.
//!
//! The founder of a mesh and another member, the victim, are honest engines with a relay between them that
//! forwards, drops, alters, cuts, repeats, reorders and invents messages; besides, the victim is linked with
//! an admitted member that signs made-up data, and with a stranger that sends anything. The input is the
//! script of all that. `check` has the properties that must hold, whatever the script.

mod check;
mod script;
mod setting;
mod side;
mod violator;
mod world;

use crate::corpus::Seed;
use datafan_core::{
    message::{Message, Want},
    time::Timestamp,
};
use script::{Op, Script};
use setting::Who;
use world::World;

/// Runs the script, then ends all faults: both members must be consistent, and equal if signatures are
/// checked.
pub fn attack(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let mut world = World::new(script.byte());
    for _ in 0..STEPS_MAX {
        if script.is_over() {
            break;
        }
        world.step(script.op(), &mut script);
    }
    world.heal();
}

/// Steps of one script; the rest is not read.
const STEPS_MAX: usize = 400;

/// Scripts that each reach another part of the engine.
pub fn seeds() -> Vec<Seed> {
    let pass = |n: usize| [Op::Pass as u8, 0xff].repeat(n);
    let long = [pass(12), vec![Op::Time as u8, 3], pass(12), vec![Op::Time as u8, 3], pass(12)].concat();
    // Faults of the relay every few messages, and time for the members to recover.
    let tampered = |op: Op, n: u8| -> Vec<u8> {
        let step = |n: u8| {
            let place = if op == Op::Alter { vec![0, n.wrapping_mul(37), 1 + n] } else { vec![0, n * 3] };
            let rest = [Op::Pass as u8, 1 + n % 3, Op::Link as u8, 0, Op::Time as u8, n % 6];
            [&[op as u8, n][..], &place, &rest].concat()
        };
        [vec![1], pass(2), (0..n).flat_map(step).collect(), long.clone()].concat()
    };
    let greeted = [Op::Greet as u8, 0, Op::Greet as u8, 1];
    let crafted = |flags: u8| -> Vec<u8> {
        let craft = [Op::Craft as u8, 5, 1, 9, 10, 2, 200, 20, 3, 7, 0, 4, 90, 5, 5, 31, 33, flags, 2, 17];
        let answers = [Op::Violator as u8, 0, 0].repeat(6);
        [&[1][..], &greeted, &pass(6), &craft, &[Op::Time as u8, 2], &answers, &pass(4), &craft, &answers]
            .concat()
    };
    let write = [Op::Write as u8, 3, 40, Op::Write as u8, 5, 0, Op::Commit as u8, 2, 9];
    // The questions of a stranger before it is refused, in one call with its greeting.
    let wants = [Who::Authority, Who::Founder].map(|who| setting::identity(who).id());
    let asked = wants.iter().flat_map(|owner| {
        let pull = Message::Pull(vec![Want { owner: *owner, since: Timestamp::ZERO }]).encode();
        [&[Op::Raw as u8, 1, 0, pull.len() as u8][..], &pull].concat()
    });
    let stranger = [vec![1], pass(4), asked.clone().collect(), vec![Op::Greet as u8, 1], asked.collect()];
    let seeds = [
        ("stranger", stranger.concat()),
        ("first-copy", [vec![0], long.clone()].concat()),
        ("catch-up", [vec![1], long.clone()].concat()),
        ("equal", [vec![2], pass(6), write.to_vec(), long.clone()].concat()),
        ("any-signature", [vec![4], long.clone()].concat()),
        ("altered", tampered(Op::Alter, 40)),
        ("cut", tampered(Op::Cut, 12)),
        ("dropped", tampered(Op::Drop, 9)),
        ("repeated", tampered(Op::Repeat, 20)),
        ("replayed", tampered(Op::Replay, 30)),
        ("late", tampered(Op::Late, 20)),
        ("violator", crafted(0)),
        ("violator-twice-a-key", crafted(1)),
        ("violator-counts", crafted(4 | 8)),
        ("violator-told", crafted(64)),
        (
            "crashes",
            [
                vec![0],
                [Op::Link as u8, 0, Op::Pass as u8, 5, Op::Write as u8, 1, 7, Op::Crash as u8, 1].repeat(9),
            ]
            .concat(),
        ),
        ("clock", [vec![1, Op::Clock as u8, 200], write.to_vec(), long].concat()),
    ];
    seeds.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}
