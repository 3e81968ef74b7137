//! A52: published links that lead nowhere, and members that cannot publish any.

use crate::{
    common::{Mesh, SEEDS},
    parting::{across, discovering, find_each_other, is_gone, is_one, part, reach, unite},
};
use datafan_core::{
    engine::{Disposition, LINKS_KEY, OwnChange, Standing, decode_links},
    grant::Role,
    id::Name,
    limits::LINKS_MAX,
    roster::{GrantChange, RosterChange},
    time::SECOND,
};

/// A minute in microseconds.
const MINUTE: u64 = 60 * SECOND;
/// Members of each half.
const HALF: usize = 6;

#[test]
fn a52_readers_bridge_two_halves() {
    for seed in SEEDS {
        let mut world = with_readers(2 * HALF, 2, seed);
        let readers = [2 * HALF, 2 * HALF + 1];
        let all_seen = |world: &Mesh| all(world).all(|member| !reach(world, member).iter().any(is_gone));
        world.run_until("readers and members are seen", 2 * MINUTE, all_seen);

        owners_apart(&world).into_iter().for_each(|(a, b)| world.cut(a, b));
        world.run_for(400 * SECOND);
        world.run_until("one component, by readers", 2 * MINUTE, is_one);
        world.put(0, "left", "1");
        world.put(2 * HALF - 1, "right", "2");
        world.run_until("readers carry it", 15 * SECOND, |world| world.equal());
        // Without them there are two halves, which find each other once the line works.
        readers.into_iter().for_each(|reader| world.crash(reader));
        world.run_for(400 * SECOND);
        assert!(!is_one(&world), "nothing else joins them");
        owners_apart(&world).into_iter().for_each(|(a, b)| world.heal(a, b));
        world.run_until("one component", 2 * MINUTE, is_one);
        readers.into_iter().for_each(|reader| world.start(reader));
        if seed == SEEDS.start {
            comes_to_rest(&mut world);
        }
    }
}

#[test]
fn a52_a_lister_that_cannot_write_any_more() {
    for seed in SEEDS {
        let mut world = discovering(2 * HALF, seed);
        let (lister, _) = linked_across(&mut world);
        // Its later writes are too far in the future for everybody, so its links stay listed as before.
        world.set_clock(lister, 2 * 60 * MINUTE as i64);
        world.put(lister, "late", "1");
        part(&mut world, HALF);
        world.run_for(400 * SECOND);
        assert!(!world.equal_among(&[0, lister]), "nobody takes its shard");
        unite(&mut world, HALF);
        world.run_until("one component", 2 * MINUTE, is_one);
        if seed == SEEDS.start {
            comes_to_rest(&mut world);
        }
    }
}

#[test]
fn a52_lists_of_who_is_out_of_reach_lead_nowhere() {
    for seed in SEEDS {
        let mut world = discovering(2 * HALF, seed);
        let (ours, theirs) = frozen_listers(&mut world);
        // The one on our side vanishes. The list of the other one, which nobody there can correct here,
        // proves nothing.
        world.kill(ours);
        part(&mut world, HALF);
        world.run_for(400 * SECOND);
        assert_eq!(deceived(&world), None, "m{theirs} lists members of our half");
        unite(&mut world, HALF);
        world.run_until("one component", 2 * MINUTE, is_one);
    }
}

#[test]
fn a52_two_list_each_other_falsely() {
    for seed in SEEDS {
        let mut world = discovering(2 * HALF, seed);
        frozen_listers(&mut world);
        part(&mut world, HALF);
        world.run_for(400 * SECOND);
        assert!(deceived(&world).is_some(), "their lists hide that they are apart");
        unite(&mut world, HALF);
        world.run_until("one component", 2 * MINUTE, is_one);
        if seed == SEEDS.start {
            comes_to_rest(&mut world);
        }
    }
}

#[test]
fn a52_a_revoked_member_goes_on_running() {
    let mut n_told = 0;
    // Whether the lists of these two deceive anybody depends on who is linked with them when they stop
    // changing.
    for seed in 1..13 {
        let mut world = discovering(2 * HALF, seed);
        let (revoked, other) = linked_across(&mut world);
        freeze(&mut world, &[revoked, other], 3);
        part(&mut world, HALF);
        world.run_for(400 * SECOND);
        let Some(deceived) = deceived(&world) else { continue };
        n_told += 1;
        world.done(0, OwnChange::Revoke { id: world.id(revoked), disposition: Disposition::Keep });
        let gone = |world: &Mesh| n_gone(world, deceived) == HALF;
        world.run_until("what it lists proves nothing", 2 * MINUTE, gone);
        unite(&mut world, HALF);
        let others: Vec<usize> = all(&world).filter(|member| *member != revoked).collect();
        world.run_until("the others are one", 2 * MINUTE, |world| world.components(&others).len() == 1);
        let is_out = |world: &Mesh| matches!(world.status(revoked).standing, Standing::Refused(_));
        world.run_until("it is out", MINUTE, is_out);
        world.run_until("equal", 30 * SECOND, |world| world.equal_among(&others));
        world.run_for(600 * SECOND);
        assert_eq!(world.components(&others).len(), 1);
        assert!(world.peers(revoked).is_empty(), "it goes on, and is let in nowhere");
        if n_told == 3 {
            return;
        }
    }
    panic!("the lists of only {n_told} pairs hide that the halves are apart");
}

/// A mesh that found itself, whose last members are readers.
fn with_readers(n_owners: usize, n_readers: usize, seed: u64) -> Mesh {
    let mut world = Mesh::mesh_with(n_owners, seed, |_, config| {
        (config.links_min, config.links_wanted_max) = (3, 6);
    });
    for _ in 0..n_readers {
        let reader = world.add(|config| (config.links_min, config.links_wanted_max) = (3, 6));
        let name = Name::new(&format!("m{reader}")).expect("a sound name");
        let terms = GrantChange { role: Some(Role::Reader), ..GrantChange::default() };
        let id = world.id(reader);
        world.must(0, OwnChange::ChangeRoster(vec![RosterChange::Admit { id, name, terms }]));
        world.start(reader);
    }
    find_each_other(&mut world);
    world
}

fn all(world: &Mesh) -> std::ops::Range<usize> {
    0..world.n_members()
}

/// All pairs of owners in different halves; readers are in neither.
fn owners_apart(world: &Mesh) -> Vec<(usize, usize)> {
    across(world, HALF).into_iter().filter(|(_, other)| *other < 2 * HALF).collect()
}

/// A member of each half, except the first of all; they are linked and have published it.
fn linked_across(world: &mut Mesh) -> (usize, usize) {
    world.run_for(MINUTE);
    let pair = across(world, HALF).into_iter().find(|(a, b)| *a > 0 && list_each_other(world, *a, *b));
    pair.expect("the halves were one mesh")
}

/// A member of each half; they list each other whatever happens, and dial nobody.
fn frozen_listers(world: &mut Mesh) -> (usize, usize) {
    let (a, b) = linked_across(world);
    freeze(world, &[a, b], 0);
    (a, b)
}

/// Their published links do not change from now on. They dial up to `links_min` links.
fn freeze(world: &mut Mesh, listers: &[usize], links_min: usize) {
    for member in listers {
        world.stop(*member);
        let config = world.config(*member);
        (config.publish_links, config.links_min) = (false, links_min);
        world.start(*member);
    }
    world.run_until("others dial them", MINUTE, |world| {
        listers.iter().all(|member| world.peers(*member).len() > 1)
    });
}

/// Whether two members publish a link to each other, as member 0 holds it.
fn list_each_other(world: &Mesh, a: usize, b: usize) -> bool {
    let lists = |lister: usize, peer: usize| {
        let published = world.get(0, lister, LINKS_KEY);
        let published = published.map(|links| decode_links(&links).expect("an engine wrote it"));
        published.is_some_and(|links| links.run_of(&world.id(peer)).is_some())
    };
    lists(a, b) && lists(b, a)
}

/// The number of members that one member considers unreachable.
fn n_gone(world: &Mesh, member: usize) -> usize {
    reach(world, member).iter().filter(|reach| is_gone(reach)).count()
}

/// A member of the left half that considers one of the right half reachable.
fn deceived(world: &Mesh) -> Option<usize> {
    (0..HALF).find(|member| world.runs(*member) && n_gone(world, *member) < HALF)
}

/// Links settle: half an hour later almost the same ones are up, and nobody is at its limit.
fn comes_to_rest(world: &mut Mesh) {
    world.run_for(20 * MINUTE);
    let links = |world: &Mesh| all(world).map(|member| world.peers(member)).collect::<Vec<_>>();
    let dials = |world: &Mesh| all(world).map(|member| world.stats(member).dials).collect::<Vec<_>>();
    let seeks = |world: &Mesh| all(world).map(|member| n_gone(world, member) > 0).collect::<Vec<_>>();
    let (before, dialled, sought) = (links(world), dials(world), seeks(world));
    world.run_for(30 * MINUTE);
    let after = links(world);
    let lost =
        |(before, now): (&Vec<usize>, &Vec<usize>)| before.iter().filter(|peer| !now.contains(peer)).count();
    let n_lost: usize = before.iter().zip(&after).map(lost).sum();
    let n = world.n_members();
    assert!(n_lost <= n / 2, "{before:?} {after:?}");
    assert!(after.iter().all(|peers| peers.len() < LINKS_MAX) && is_one(world));
    for (member, was_seeking) in sought.into_iter().enumerate() {
        // One dial per pause, at least 10 s while a member is sought, which may have links that others do not
        // see; otherwise 10 min, plus a check for each link that came or went.
        let limit = if was_seeking || seeks(world)[member] { 190 } else { 8 };
        let n_dials = dials(world)[member] - dialled[member];
        assert!(n_dials <= limit, "m{member}: {n_dials} dials in half an hour, limit {limit}");
    }
}
