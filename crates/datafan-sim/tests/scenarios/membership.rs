//! A39, A42, A43, A46: membership, and the data of revoked members.

use crate::common::{Mesh, SEEDS};
use datafan_core::{
    engine::{Answer, CommandError, Disposition, OwnChange, RosterError, Standing},
    id::{MemberId, Name},
    roster::{MemberError, RosterChangeError},
    time::{MILLI, SECOND, Timestamp},
};
use datafan_sim::world::{Happening, heads_never_go_back, line, put};

#[test]
fn a43_a_newcomer_brings_the_roster_that_lets_it_in() {
    for seed in SEEDS {
        let mut world = Mesh::line(2, seed);
        // Member 1 is away while member 2 is admitted and gets the roster from member 0.
        world.cut(0, 1);
        let newcomer = world.add(|_| ());
        world.admit(newcomer);
        world.start(newcomer);
        world.link(newcomer, 0);
        world.put(newcomer, "k", "v");
        assert!(!world.status(1).members.iter().any(|(id, _)| *id == world.id(newcomer)));

        world.link(newcomer, 1);
        world.run_until("in", 10 * SECOND, |world| world.all_read(newcomer, "k", Some(b"v")));
        assert!(world.equal());
    }
}

#[test]
fn a39_a_stranger_gets_nothing_and_shows_up_as_pending() {
    for seed in SEEDS {
        let mut world = Mesh::line(2, seed);
        world.put(0, "k", "v");
        let stranger = world.add(|_| ());
        world.start(stranger);
        world.link(stranger, 1);
        world.run_until("refused", 10 * SECOND, |world| {
            matches!(world.status(stranger).standing, Standing::Refused(_))
        });
        assert!(world.content(stranger).items.is_empty());
        let pending = world.status(1).pending;
        assert!(pending.iter().any(|pending| pending.id == world.id(stranger)), "{pending:?}");

        world.admit(stranger);
        world.run_until("let in", 60 * SECOND, |world| world.equal_with(1));
        assert_eq!(world.status(stranger).standing, Standing::Up);
    }
}

#[test]
fn a46_revoked_with_keep_all_end_at_the_named_head() {
    for seed in 1..8 {
        let (mut world, others) = about_to_be_revoked(seed);
        world.done(0, OwnChange::Revoke { id: world.id(2), disposition: Disposition::Keep });
        let named = world.heads(0)[&world.id(2)];
        world.run_until("equal", 60 * SECOND, |world| world.equal_among(&others));

        world.run_for(60 * SECOND);
        assert!(world.equal_among(&others));
        for member in others {
            assert_eq!(world.heads(member)[&world.id(2)], named, "m{member}");
        }
        assert!(matches!(world.status(2).standing, Standing::Refused(_)), "{:?}", world.status(2).standing);
    }
}

#[test]
fn a46_revoked_with_drop_nobody_has_its_data() {
    for seed in 1..8 {
        let (mut world, others) = about_to_be_revoked(seed);
        let revoked = world.id(2);
        world.done(0, OwnChange::Revoke { id: revoked, disposition: Disposition::Drop });
        world.run_until("gone", 60 * SECOND, |world| {
            let gone = |member: &usize| !world.heads(*member).contains_key(&revoked);
            others.iter().all(gone) && world.equal_among(&others)
        });
        world.run_for(60 * SECOND);
        assert!(world.equal_among(&others) && !world.heads(0).contains_key(&revoked));
        assert_eq!(world.get(0, 1, "k").as_deref(), Some(&b"v"[..]), "others' data stays");
    }
}

#[test]
fn a39_a_revoked_member_stays_out_after_everybody_restarts() {
    let (mut world, others) = about_to_be_revoked(1);
    world.done(0, OwnChange::Revoke { id: world.id(2), disposition: Disposition::Keep });
    world.run_until("equal", 60 * SECOND, |world| world.equal_among(&others));
    let before = world.content(0);
    for member in 0..5 {
        world.stop(member);
        world.start(member);
    }
    world.run_for(60 * SECOND);
    // A line broken in its middle: each side still has all of it.
    others.iter().for_each(|member| assert_eq!(world.content(*member), before, "m{member}"));
}

#[test]
fn the_roster_refuses_what_would_confuse_it() {
    let mut world = Mesh::line(2, 1);
    let admit = |id, name: &str| OwnChange::Admit { id, name: Name::new(name).unwrap() };
    let (zero, one) = (world.id(0), world.id(1));
    let unsound = datafan_core::id::MemberId([0xff; 32]);
    let mut refused = |member, command| match world.done(member, command) {
        Answer::Refused(CommandError::Roster(error)) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(refused(1, admit(one, "other")), RosterError::NoAuthority));
    let error = refused(0, admit(unsound, "other"));
    assert_eq!(error, RosterChangeError::UnsoundKey { id: unsound }.into());
    let stranger = datafan_core::identity::Identity::from_secret(&[9; 32]).id();
    let error = refused(0, admit(stranger, "m0"));
    assert_eq!(error, RosterChangeError::NameTaken { name: "m0".into(), id: zero }.into());
    let revoke = OwnChange::Revoke { id: stranger, disposition: Disposition::Drop };
    let error = RosterChangeError::from(MemberError::Unknown { id: stranger });
    assert_eq!(refused(0, revoke), error.into());
}

/// Five members, of which the middle one writes continuously; another link connects the others without it.
/// Returns the other four as well.
fn about_to_be_revoked(seed: u64) -> (Mesh, [usize; 4]) {
    let mut world = Mesh::mesh(5, seed);
    world.link_all(&line(5));
    world.link(3, 1);
    world.run_until("a common beginning", 20 * SECOND, |world| world.equal());
    world.put(1, "k", "v");
    for n in 0..40u32 {
        world.ask_commit(2, vec![put(&format!("k{}", n % 7), n.to_string())]);
        let pause = world.rng.below(3 * MILLI);
        world.run_for(pause);
    }
    (world, [0, 1, 3, 4])
}

#[test]
fn heads_only_grow_at_everybody_while_members_come() {
    for seed in SEEDS {
        let mut world = Mesh::found(seed);
        world.guard(heads_never_go_back());
        for newcomer in 1..10 {
            assert_eq!(world.add(|_| ()), newcomer);
            world.admit(newcomer);
            world.start(newcomer);
            let earlier = world.rng.below(newcomer as u64) as usize;
            world.link(newcomer, earlier);
            world.ask_commit(newcomer, vec![put("k", newcomer.to_string())]);
            world.run_for(300 * MILLI);
        }
        world.run_until("equal", 60 * SECOND, |world| world.equal_with(9));
    }
}

#[test]
fn drop_survives_a_crash() {
    let (mut world, _) = about_to_be_revoked(1);
    let revoked = world.id(2);
    world.run_for(3 * SECOND);
    world.done(0, OwnChange::Revoke { id: revoked, disposition: Disposition::Drop });
    world.crash(0);
    world.start(0);
    world.run_for(120 * SECOND);
    let granted = world.status(0).members.iter().find(|(id, _)| *id == revoked).map(|(_, g)| g.is_active());
    assert_eq!(granted, Some(false), "the revocation is held");
    assert!(!world.heads(0).contains_key(&revoked), "m0 still has the dropped shard");
}

#[test]
fn what_is_told_is_there_to_be_read() {
    for seed in SEEDS {
        let mut world = Mesh::mesh(3, seed);
        world.link_all(&[(1, 0), (2, 0)]);
        world.put(1, "k", "v");
        world.run_until("equal", 20 * SECOND, |world| world.equal());
        world.stop(2);
        world.done(0, OwnChange::Revoke { id: world.id(1), disposition: Disposition::Drop });
        // Member 3 copies the roster after that, so it has no tombstones: member 2 gets the roster from it by
        // reconciliation.
        let late = world.add(|_| ());
        world.admit(late);
        world.start(late);
        world.link(late, 0);
        world.run_until("the roster at member 3", 10 * SECOND, |world| world.heads(0) == world.heads(late));
        world.cut(2, 0);
        world.link(2, late);
        world.record();
        world.start(2);
        let revoked = world.id(1);
        let dropped = dropped_at(&mut world, 2, revoked);
        assert!(dropped, "seed {seed}: it is told that the shard is gone");
        assert!(!world.heads(2).contains_key(&revoked), "seed {seed}: and it is, when that is told");
    }
}

/// Advances time until a member reports that it has dropped an owner's shard.
fn dropped_at(world: &mut Mesh, member: usize, of: MemberId) -> bool {
    let end = world.time().after(20 * SECOND);
    while world.time() < end {
        world.step();
        let told = world.happenings().into_iter().any(|noted| {
            matches!(noted.what, Happening::Applied { member: at, owner, timestamp: Timestamp::ZERO }
                if at == member && owner == of)
        });
        if told {
            return true;
        }
    }
    false
}

#[test]
fn a42_a_forked_roster_does_not_unrevoke() {
    let mut world = Mesh::line(4, 1);
    world.put(3, "k", "v");
    world.run_until("equal", 20 * SECOND, |world| world.equal());
    let revoked = world.id(3);
    // m2 gets the authority key later; it misses the revocation.
    world.cut(1, 2);
    world.done(0, OwnChange::Revoke { id: revoked, disposition: Disposition::Drop });
    world.run_for(10 * SECOND);
    let active = |world: &Mesh, at: usize| {
        world.status(at).members.iter().find(|(id, _)| *id == revoked).map(|(_, g)| g.is_active())
    };
    assert_eq!(active(&world, 1), Some(false));
    world.stop(0);
    world.stop(2);
    let key = world.authority().clone();
    world.config(2).authority = Some(key);
    world.start(2);
    world.run_for(10 * SECOND);
    let new = datafan_core::identity::Identity::from_secret(&[9; 32]).id();
    let answer = world.done(2, OwnChange::Admit { id: new, name: Name::new("newcomer").unwrap() });
    assert!(matches!(answer, Answer::Committed(_)), "{answer:?}");
    world.heal(1, 2);
    world.link(1, 2);
    world.run_for(60 * SECOND);
    assert_eq!(active(&world, 1), Some(false), "m1 took a roster with an older entry");
}
