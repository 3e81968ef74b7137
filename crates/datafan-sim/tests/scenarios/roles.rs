//! A55: an id has one role, and is refused in every other one, however it arrives.

use crate::common::Mesh;
use datafan_core::{
    engine::{AddressError, Answer, Command, CommandError, Disposition, Immediate, OwnChange, RosterError},
    grant::{Grant, GrantState, Quota, Role},
    hash::Hash,
    id::{MemberId, Name},
    identity::{Identity, Strict},
    roster::{GrantChange, MemberError, RosterChange, WholeRoster},
    store::StoreSnapshot,
    time::{SECOND, Timestamp},
};
use std::collections::BTreeMap;

#[test]
fn a55_the_meshs_own_id_is_no_members_in_any_command() {
    let mut world = Mesh::line(3, 1);
    world.run_until("equal", 20 * SECOND, |world| world.equal());
    let mesh = world.authority().id();
    let name = || Name::new("c").expect("a name");
    let admit = RosterChange::Admit { id: mesh, name: name(), terms: GrantChange::default() };
    let items = GrantChange { items: Some(1), ..GrantChange::default() };
    let change = RosterChange::Change { id: mesh, name: None, terms: items };
    let revoke = |id, disposition| RosterChange::Revoke { id, disposition, at: None };
    let rotated = vec![revoke(world.id(2), Disposition::Keep), admit.clone()];
    let changes = [
        OwnChange::Admit { id: mesh, name: name() },
        OwnChange::Revoke { id: mesh, disposition: Disposition::Keep },
        OwnChange::Revoke { id: mesh, disposition: Disposition::Drop },
        OwnChange::ChangeRoster(vec![admit]),
        OwnChange::ChangeRoster(vec![change]),
        OwnChange::ChangeRoster(vec![revoke(mesh, Disposition::Drop)]),
        OwnChange::ChangeRoster(rotated),
    ];
    for change in changes {
        let said = format!("{change:?}");
        let refused = RosterError::Change(MemberError::Authority { id: mesh }.into());
        assert_eq!(world.done(0, change), Answer::Refused(refused.into()), "{said}");
    }
    let connect = |id| Immediate::Connect { address: "m1".into(), expected: Some(id) };
    let refused = |error| Answer::Refused(AddressError::Member(error).into());
    assert_eq!(world.done(0, connect(mesh)), refused(MemberError::Authority { id: mesh }));
    let me = world.id(0);
    assert_eq!(world.done(0, connect(me)), refused(MemberError::Own { id: me }));
    assert_eq!(world.status(0).members.len(), 3);
    still_changes(&mut world, 3);
}

#[test]
fn a55_an_entry_for_the_meshs_own_id_in_a_signed_roster_counts_for_nothing() {
    let states = [
        GrantState::Active,
        GrantState::Drop,
        GrantState::Keep { timestamp: Timestamp(5), root: Hash([5; 32]) },
        GrantState::Invited { until: Timestamp(5) },
    ];
    for (at, state) in states.into_iter().enumerate() {
        for role in [Role::Member, Role::Reader] {
            let mut world = Mesh::line(3, 1 + at as u64);
            world.run_until("equal", 20 * SECOND, |world| world.equal());
            let mesh = world.authority().id();
            let quota = Quota { items: 1, bytes: 1 };
            let name = Name::new("c").expect("a name");
            let grant = Grant { name, role, quota, state, granted: Timestamp(5) };
            // As an older version signed it, at the member that holds the key too: from its own store.
            offline(&mut world, 0);
            let signed = sign(&world, 1, BTreeMap::from([(mesh, grant)]));
            let answer = world.done(1, Command::ApplySignedRoster(signed.into()));
            assert!(matches!(answer, Answer::Committed(_)), "{answer:?}");
            world.run_until("everywhere", 20 * SECOND, |world| world.equal());
            world.stop(0);
            world.config(0).authority = Some(world.authority().clone());
            world.start(0);
            world.run_until("linked", 20 * SECOND, |world| world.linked(0, 1) && world.equal());
            let listed = world.status(2).members;
            assert!(listed.len() == 3 && listed.iter().all(|(id, _)| *id != mesh), "{listed:?}");
            still_changes(&mut world, 3);
            // Restarts read the entry again.
            for member in 0..3 {
                world.stop(member);
                world.start(member);
            }
            world.run_until("again", 20 * SECOND, |world| world.linked(0, 1) && world.equal());
            still_changes(&mut world, 4);
        }
    }
}

#[test]
fn a55_a_signed_roster_lets_no_revoked_id_in_again() {
    for disposition in [Disposition::Keep, Disposition::Drop] {
        let mut world = Mesh::line(3, 1);
        world.put(2, "k", "v");
        world.run_until("equal", 20 * SECOND, |world| world.equal());
        let was = world.status(1).members.into_iter().find(|(id, _)| *id == world.id(2)).expect("a member").1;
        world.done(0, OwnChange::Revoke { id: world.id(2), disposition });
        world.run_until("known", 20 * SECOND, |world| world.equal_among(&[0, 1]));
        offline(&mut world, 0);
        let signed = sign(&world, 1, BTreeMap::from([(world.id(2), was)]));
        let answer = world.done(1, Command::ApplySignedRoster(signed.into()));
        assert!(matches!(answer, Answer::Refused(CommandError::SignedRoster(_))), "{answer:?}");
        let revoked = |world: &Mesh, id: MemberId| {
            let members = world.status(1).members;
            members.iter().any(|(member, grant)| *member == id && !grant.is_active())
        };
        assert!(revoked(&world, world.id(2)));
    }
}

/// A member loses the authority key.
fn offline(world: &mut Mesh, member: usize) {
    world.stop(member);
    world.config(member).authority = None;
    world.start(member);
    world.run_until("linked", 20 * SECOND, |world| world.linked(member, 1));
}

/// The next roster admits a member, and all get it.
fn still_changes(world: &mut Mesh, n_members: usize) {
    let fresh = Identity::from_secret(&[90 + n_members as u8; 32]).id();
    let name = Name::new(&format!("fresh-{n_members}")).expect("a name");
    let answer = world.done(0, OwnChange::Admit { id: fresh, name });
    assert!(matches!(&answer, Answer::Committed(done) if done.changed == 1), "{answer:?}");
    world.run_until("the next roster", 20 * SECOND, |world| {
        (0..3).all(|member| world.status(member).members.len() == n_members + 1)
    });
}

/// A roster with any `new` entries, on top of the one that a member holds.
fn sign(world: &Mesh, at: usize, new: BTreeMap<MemberId, Grant>) -> Vec<u8> {
    let (authority, content) = (world.authority(), world.content(at));
    let (_, record) = world.snapshot(at).whole(&authority.id()).expect("a sound one").expect("a roster");
    let items = content.items.iter().filter(|((owner, _), _)| *owner == authority.id());
    let items = items.map(|(_, item)| (**item).clone()).collect();
    let roster = WholeRoster::new(world.mesh_id(), record.head().copied(), items, &Strict).expect("sound");
    roster.signed(authority, &new, Timestamp::ZERO, world.wall(at)).message
}
