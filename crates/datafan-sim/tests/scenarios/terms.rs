//! A39, A42, A46: the parts of a grant beside the name (quota, role, end of the invitation), replaced keys,
//! and rosters that are signed elsewhere.

use crate::common::{Mesh, SEEDS};
use datafan_core::{
    engine::{
        ADDRESSES_KEY, Alarm, Answer, Command, Disposition, Immediate, NotWritable, OwnChange, RosterError,
        Standing, WriteError,
    },
    grant::{Grant, GrantState, Quota, Role},
    head::Head,
    id::Name,
    identity::{Identity, Strict},
    item::{Item, Key},
    message::{Delta, Message, encode_delta},
    roster::{GrantChange, RosterChange, RosterChangeError, SignedRoster, WholeRoster},
    store::StoreSnapshot,
    time::{SECOND, Timestamp},
    trie::Branch,
};
use datafan_sim::world::{delete, line, put};

#[test]
fn a_quota_binds_the_owner_and_can_be_changed() {
    for seed in SEEDS {
        let mut world = Mesh::mesh(2, seed);
        world.link(1, 0);
        change(&mut world, 1, GrantChange { items: Some(3), ..GrantChange::default() });
        world.run_until("told", 10 * SECOND, |world| grant(world, 1, 1).quota.items == 3);
        for n in 0..3 {
            world.put(1, &format!("k{n}"), "v");
        }
        let error = world.refused(1, vec![put("k3", "v")]);
        assert_eq!(
            error,
            WriteError::OverQuota { items: 4, bytes: 12, items_max: 3, bytes_max: Quota::default().bytes }
        );
        world.put(1, "k2", "w");
        change(&mut world, 1, GrantChange { items: Some(4), ..GrantChange::default() });
        world.run_until("told", 10 * SECOND, |world| grant(world, 1, 1).quota.items == 4);
        world.put(1, "k3", "v");
        world.run_until("equal", 10 * SECOND, |world| world.equal());
    }
}

#[test]
fn what_is_larger_than_a_new_quota_may_change_everywhere_but_not_grow() {
    for seed in SEEDS {
        let mut world = Mesh::mesh(3, seed);
        world.link_all(&line(3));
        world.commit(2, (0..300).map(|n| put(&format!("k{n}"), "v")).collect());
        world.run_until("equal", 20 * SECOND, |world| world.equal_with(300));
        change(&mut world, 2, GrantChange { items: Some(10), ..GrantChange::default() });
        world.run_until("told", 10 * SECOND, |world| grant(world, 2, 2).quota.items == 10);
        world.run_for(SECOND);

        world.put(2, "k6", "w");
        world.commit(2, vec![delete("k5")]);
        world.run_until("equal", 10 * SECOND, |world| world.equal());
        assert!(world.all_read(2, "k6", Some(b"w")) && world.all_read(2, "k5", None));
        let error = world.refused(2, vec![put("new", "v")]);
        assert!(matches!(error, WriteError::OverQuota { items: 300, items_max: 10, .. }), "{error}");
        world.commit(2, (7..290).map(|n| delete(&format!("k{n}"))).collect());
        world.run_until("equal", 10 * SECOND, |world| world.equal());
        assert!((0..3).all(|member| !world.stats(member).refusals.contains_key("over_quota")));
    }
}

#[test]
fn a_reader_relays_all_and_writes_nothing() {
    for seed in SEEDS {
        let mut world = Mesh::mesh(3, seed);
        change(&mut world, 1, reader());
        world.link_all(&line(3));
        world.run_until("told", 10 * SECOND, |world| grant(world, 1, 1).role == Role::Reader);
        world.put(0, "k", "v");
        world.put(2, "k", "v");
        world.run_until("through the reader", 10 * SECOND, |world| {
            world.all_read(0, "k", Some(b"v")) && world.all_read(2, "k", Some(b"v"))
        });
        let error = world.refused(1, vec![put("k", "v")]);
        assert!(
            matches!(&error, WriteError::NotWritable(NotWritable::Reader { name }) if name == "m1"),
            "{error}"
        );
        assert!(error.to_string().contains("datafan grant m1 --role member"), "{error}");

        // A head that it signs anyway is refused by name, and is not a violation of anybody.
        let key = Identity::from_secret(&world.config(1).member.secret());
        let forged = push(&world, &key);
        world.inject(1, 0, forged.clone());
        world.inject(1, 2, forged);
        world.run_for(5 * SECOND);
        for member in [0, 2] {
            assert_eq!(world.stats(member).refusals["reader_head"], 1, "m{member}");
            assert!(!world.heads(member).contains_key(&world.id(1)));
        }
    }
}

#[test]
fn who_becomes_a_reader_loses_its_shard_everywhere_and_may_begin_again() {
    for seed in SEEDS {
        let mut world = Mesh::mesh(3, seed);
        world.link_all(&line(3));
        world.put(2, "k", "old");
        world.done(2, Immediate::Publish(vec!["m2.example:1".into()]));
        world.run_until("published", 10 * SECOND, |world| world.equal() && publishes(world, 2));
        // Member 1 learns of it later.
        world.cut(0, 1);
        change(&mut world, 2, reader());
        world.run_for(SECOND);
        world.heal(0, 1);
        let owner = world.id(2);
        world.run_until("gone", 20 * SECOND, |world| {
            (0..3).all(|member| !world.heads(member).contains_key(&owner)) && world.equal()
        });
        change(&mut world, 2, GrantChange { role: Some(Role::Member), ..GrantChange::default() });
        world.run_until("told", 10 * SECOND, |world| grant(world, 2, 2).role == Role::Member);
        world.put(2, "k2", "new");
        world.run_until("equal", 10 * SECOND, |world| world.equal() && publishes(world, 2));
        assert_eq!((world.get(0, 2, "k"), world.get(0, 2, "k2").as_deref()), (None, Some(&b"new"[..])));
    }
}

#[test]
fn a_role_of_a_newer_build_keeps_its_membership() {
    let mut world = Mesh::line(3, 1);
    change(&mut world, 1, GrantChange { role: Some(Role::Other(200)), ..GrantChange::default() });
    world.run_until("told", 10 * SECOND, |world| grant(world, 2, 1).role == Role::Other(200));
    world.put(1, "k", "v");
    world.put(0, "k", "v");
    world.run_until("equal", 10 * SECOND, |world| world.equal());
    assert_eq!(world.status(1).standing, Standing::Up);
}

#[test]
fn a39_an_expired_invitation_lets_nobody_in() {
    for seed in SEEDS {
        let mut world = Mesh::line(2, seed);
        let late = world.add(|_| ());
        let until = Timestamp(world.wall(0).0 + 60 * SECOND);
        admit(&mut world, late, GrantChange { until: Some(until), ..GrantChange::default() });
        world.run_for(90 * SECOND);
        world.start(late);
        world.link(late, 1);
        let has_ended = |why: &str| why.contains("invitation has ended");
        world.run_until(
            "refused",
            10 * SECOND,
            |world| matches!(&world.status(late).standing, Standing::Refused(why) if has_ended(why)),
        );
        assert!(world.content(late).items.is_empty(), "not even the roster");
        assert!(world.stats(1).refusals["invitation_expired"] > 0);
        assert_eq!(grant(&world, 0, late).state, GrantState::Invited { until });

        // A later end admits it, and then there is none.
        let until = Timestamp(world.wall(0).0 + 600 * SECOND);
        change(&mut world, late, GrantChange { until: Some(until), ..GrantChange::default() });
        world.run_until("in", 60 * SECOND, |world| world.equal_with(0));
        world.put(late, "k", "v");
        world.run_until("noted", 20 * SECOND, |world| {
            (0..3).all(|at| grant(world, at, late).state == GrantState::Active)
        });
    }
}

#[test]
fn who_came_in_before_the_end_stays() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        let invited = world.add(|_| ());
        let until = Timestamp(world.wall(0).0 + 60 * SECOND);
        admit(&mut world, invited, GrantChange { until: Some(until), ..GrantChange::default() });
        world.run_until("told", 10 * SECOND, |world| world.status(2).members.len() == 4);
        // The authority is away until long after the end.
        world.stop(0);
        world.start(invited);
        world.link(invited, 2);
        world.put(invited, "k", "v");
        world.run_for(90 * SECOND);
        world.stop(invited);
        world.start(invited);
        world.put(invited, "k", "w");
        world.run_until("in as before", 60 * SECOND, |world| {
            world.get(1, invited, "k").as_deref() == Some(b"w")
        });
        assert_eq!(grant(&world, 1, invited).state, GrantState::Invited { until });
        world.start(0);
        world.run_until("noted", 60 * SECOND, |world| {
            (0..4).all(|at| grant(world, at, invited).state == GrantState::Active) && world.equal()
        });
        // There is no end to change any more.
        let terms = GrantChange { until: Some(Timestamp(1)), ..GrantChange::default() };
        let again = RosterChange::Change { id: world.id(invited), name: None, terms };
        let answer = world.done(0, OwnChange::ChangeRoster(vec![again]));
        let joined = RosterChangeError::HasComeIn { name: grant(&world, 0, invited).name.as_str().into() };
        assert_eq!(answer, Answer::Refused(RosterError::from(joined).into()));
    }
}

#[test]
fn who_came_in_is_noted_where_the_key_is_brought() {
    let mut world = Mesh::line(3, 1);
    let invited = world.add(|_| ());
    let until = Timestamp(world.wall(0).0 + 60 * SECOND);
    admit(&mut world, invited, GrantChange { until: Some(until), ..GrantChange::default() });
    world.run_until("told", 10 * SECOND, |world| world.status(2).members.len() == 4);
    world.stop(0);
    world.start(invited);
    world.link(invited, 2);
    world.put(invited, "k", "v");
    world.run_until("held", 10 * SECOND, |world| world.get(1, invited, "k").is_some());
    world.stop(1);
    world.config(1).authority = Some(world.authority().clone());
    world.start(1);
    world.run_until("noted", 10 * SECOND, |world| grant(world, 2, invited).state == GrantState::Active);
}

#[test]
fn an_invited_reader_has_come_in_when_the_authority_meets_it() {
    let mut world = Mesh::line(2, 1);
    let invited = world.add(|_| ());
    let until = Timestamp(world.wall(0).0 + 60 * SECOND);
    admit(&mut world, invited, GrantChange { until: Some(until), ..reader() });
    world.start(invited);
    world.link(invited, 0);
    world.run_until("noted", 10 * SECOND, |world| grant(world, 1, invited).state == GrantState::Active);
    world.run_for(90 * SECOND);
    world.cut(invited, 0);
    world.link(invited, 1);
    world.put(1, "k", "v");
    world.run_until("a reader still", 20 * SECOND, |world| world.get(invited, 1, "k").is_some());
}

#[test]
fn a_key_is_replaced_in_one_commit_of_the_roster() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        world.put(2, "k", "v");
        world.run_until("equal", 10 * SECOND, |world| world.equal());
        let (old, fresh) = (world.id(2), world.add(|_| ()));
        let before = world.heads(0)[&world.mesh_id().authority()].0;
        let name = Name::new("m2").unwrap();
        let changes = vec![
            RosterChange::Revoke { id: old, disposition: Disposition::Keep, at: None },
            RosterChange::Admit { id: world.id(fresh), name: name.clone(), terms: GrantChange::default() },
        ];
        let answer = world.done(0, OwnChange::ChangeRoster(changes));
        assert!(matches!(answer, Answer::Committed(done) if done.changed == 2));
        world.start(fresh);
        world.link(fresh, 1);
        world.put(fresh, "k", "moved");
        let others = [0, 1, fresh];
        world.run_until("equal", 20 * SECOND, |world| world.equal_among(&others));
        assert!(matches!(world.status(2).standing, Standing::Refused(_)));
        assert_eq!(
            world.get(fresh, 2, "k").as_deref(),
            Some(&b"v"[..]),
            "what the old key wrote is there to be moved"
        );
        assert_eq!(world.status(fresh).name, name);
        assert!(world.heads(fresh)[&world.mesh_id().authority()].0 > before);

        // Even after a restart the name belongs only to the new key.
        world.stop(0);
        world.start(0);
        let taken = RosterChangeError::NameTaken { name: name.as_str().into(), id: world.id(fresh) };
        let answer = world.done(0, OwnChange::Admit { id: Identity::from_secret(&[7; 32]).id(), name });
        assert_eq!(answer, Answer::Refused(RosterError::from(taken).into()));
    }
}

#[test]
fn a46_links_of_a_revoked_member_close_everywhere_within_seconds() {
    for (seed, disposition) in
        [(1, Disposition::Keep), (2, Disposition::Drop), (3, Disposition::Keep), (4, Disposition::Drop)]
    {
        let mut world = Mesh::mesh(5, seed);
        world.link_all(&line(5));
        // Member 4 is linked with all others, and member 3 is away.
        world.link_all(&[(4, 0), (4, 1), (4, 2)]);
        world.put(4, "k", "v");
        world.run_until("equal", 20 * SECOND, |world| world.equal());
        world.stop(3);
        let revoked = world.id(4);
        world.done(0, OwnChange::Revoke { id: revoked, disposition });
        world.run_until("closed", 3 * SECOND, |world| world.peers(4).is_empty());

        world.cut(3, 2);
        world.start(3);
        world.run_for(SECOND);
        assert!(world.linked(3, 4), "who was away knows nothing yet");
        world.heal(3, 2);
        world.run_until("closed there, too", 5 * SECOND, |world| !world.linked(3, 4));
        world.run_until("equal", 20 * SECOND, |world| world.equal_among(&[0, 1, 2, 3]));
        assert_eq!(world.heads(3).contains_key(&revoked), disposition == Disposition::Keep);
    }
}

#[test]
fn a42_a_roster_that_forgets_members_is_refused_by_everyone_and_alarmed() {
    for seed in SEEDS {
        let mut world = offline_authority(4, seed);
        world.link_all(&[(3, 0), (3, 1)]);
        // A copy of the key is brought to member 3, which misses an admission, and admits another member.
        (0..3).for_each(|other| world.cut(3, other));
        world.stop(3);
        world.config(3).authority = Some(world.authority().clone());
        world.start(3);
        let known = sign(&world, 1, &[named(8)], Timestamp::ZERO);
        assert!(matches!(
            world.done(1, Command::ApplySignedRoster(known.message.into())),
            Answer::Committed(_)
        ));
        world.run_for(10 * SECOND);
        let held = world.content(1);
        let Answer::Committed(forgetful) = world.done(3, OwnChange::ChangeRoster(vec![named(9)])) else {
            panic!("a copy of the key can sign")
        };
        // The copy disappears before it can learn of the mesh; what it has signed stays.
        world.stop(3);
        world.config(3).authority = None;
        world.start(3);
        (0..3).for_each(|other| world.heal(3, other));
        world.run_for(30 * SECOND);
        for member in 0..3 {
            let shrinks = |alarm: &Alarm| match alarm {
                Alarm::RosterShrinks { refused, .. } => refused.timestamp == forgetful.timestamp,
                _ => false,
            };
            assert!(world.alarms(member).iter().any(shrinks), "m{member}: {:?}", world.alarms(member));
            assert_eq!(world.stats(member).refusals["old_roster"], 1, "m{member}");
            assert_eq!(world.content(member), held, "m{member}");
        }
        // The changes of the copy are repeated on the roster of the others, and accepted everywhere.
        let next = sign(&world, 1, &[named(9)], forgetful.timestamp);
        assert!(matches!(
            world.done(1, Command::ApplySignedRoster(next.message.into())),
            Answer::Committed(_)
        ));
        world.run_until("taken", 60 * SECOND, |world| world.equal());
        assert!((0..4).all(|at| world.status(at).members.len() == 6));
    }
}

#[test]
fn a_roster_that_is_signed_elsewhere_is_taken_anywhere() {
    for seed in SEEDS {
        let mut world = offline_authority(3, seed);
        let (newcomer, gone) = (world.add(|_| ()), world.id(1));
        let (timestamp, root) = world.heads(2)[&gone];
        let terms = GrantChange::default();
        let changes = [
            RosterChange::Admit { id: world.id(newcomer), name: Name::new("new").unwrap(), terms },
            RosterChange::Revoke { id: gone, disposition: Disposition::Keep, at: Some((timestamp, root)) },
        ];
        let signed = sign(&world, 2, &changes, Timestamp::ZERO);
        let answer = world.done(2, Command::ApplySignedRoster(signed.message.clone().into()));
        assert!(
            matches!(answer, Answer::Committed(done) if done.timestamp == signed.head.timestamp),
            "{answer:?}"
        );
        world.link(0, 2);
        world.start(newcomer);
        world.link(newcomer, 0);
        world.run_until("in", 20 * SECOND, |world| world.equal_among(&[0, 2, newcomer]));
        world.run_until("out", 5 * SECOND, |world| world.peers(1).is_empty());

        let again = world.done(0, Command::ApplySignedRoster(signed.message.into()));
        assert!(matches!(again, Answer::Committed(done) if done.changed == 0), "{again:?}");
    }
}

#[test]
fn a_signed_roster_that_does_not_fit_is_refused_with_its_reason() {
    let mut world = offline_authority(2, 1);
    let hour = Timestamp(world.wall(1).0 + 7_200 * SECOND);
    let first = sign(&world, 1, &[named(7)], Timestamp::ZERO);
    let far = sign(&world, 1, &[named(7)], hour);
    let beside = sign(&world, 1, &[named(8)], Timestamp(first.head.timestamp.0 + 3 * SECOND));
    let forged = [&first.message[..150], &[0; 5], &first.message[155..]].concat();
    refuses(&mut world, b"nonsense".to_vec(), "copy it again");
    refuses(&mut world, forged, "not signed by");
    refuses(&mut world, far.message, "ahead of this member");

    // The second one is based on the first.
    world.cut(0, 1);
    assert!(matches!(
        world.done(0, Command::ApplySignedRoster(first.message.clone().into())),
        Answer::Committed(_)
    ));
    let second = sign(&world, 0, &[named(9)], Timestamp::ZERO);
    refuses(&mut world, second.message.clone(), "apply the earlier one first");
    for signed in [&first, &second] {
        let answer = world.done(1, Command::ApplySignedRoster(signed.message.clone().into()));
        assert!(matches!(answer, Answer::Committed(_)), "{answer:?}");
    }
    refuses(&mut world, first.message, "older than the one held");
    refuses(&mut world, beside.message, "is not based on");
    assert_eq!(world.status(1).members.len(), 4);

    // Where the key is, nobody else writes the roster.
    world.stop(1);
    world.config(1).authority = Some(world.authority().clone());
    world.start(1);
    refuses(&mut world, second.message, "that key has one place");
}

/// A line of members, none of which holds the authority key any more.
fn offline_authority(n: usize, seed: u64) -> Mesh {
    let mut world = Mesh::line(n, seed);
    for member in 0..n {
        world.put(member, "k", "v");
    }
    world.run_until("equal", 20 * SECOND, |world| world.equal());
    world.stop(0);
    world.config(0).authority = None;
    world.start(0);
    world.run_until("linked", 20 * SECOND, |world| world.linked(0, 1) && world.equal());
    let refused = world.done(0, OwnChange::ChangeRoster(vec![named(7)]));
    assert_eq!(refused, Answer::Refused(RosterError::NoAuthority.into()));
    world
}

/// A roster signed offline by the authority, based on the one that a member holds.
fn sign(world: &Mesh, at: usize, changes: &[RosterChange], after: Timestamp) -> SignedRoster {
    let (authority, content) = (world.authority(), world.content(at));
    let (_, record) = world.snapshot(at).whole(&authority.id()).expect("a sound one").expect("a roster");
    let items = content.items.iter().filter(|((owner, _), _)| *owner == authority.id());
    let items = items.map(|(_, item)| (**item).clone()).collect();
    let roster = WholeRoster::new(world.mesh_id(), record.head().copied(), items, &Strict).expect("sound");
    let now = world.wall(at);
    roster.signed(authority, &roster.changed(changes, now).expect("sound changes"), after, now)
}

fn refuses(world: &mut Mesh, signed: Vec<u8>, why: &str) {
    match world.done(1, Command::ApplySignedRoster(signed.into())) {
        Answer::Refused(error) => assert!(error.to_string().contains(why), "{why:?} in {error}"),
        Answer::Committed(committed) => panic!("{why}: {committed:?}"),
    }
}

/// Whether member 0 holds addresses that a member publishes.
fn publishes(world: &Mesh, member: usize) -> bool {
    let key = Key::new(ADDRESSES_KEY).expect("a sound one");
    world.content(0).items.contains_key(&(world.id(member), key))
}

/// Admits a member that never connects.
fn named(secret: u8) -> RosterChange {
    let name = Name::new(&format!("named-{secret}")).expect("a sound one");
    RosterChange::Admit { id: Identity::from_secret(&[secret; 32]).id(), name, terms: GrantChange::default() }
}

fn reader() -> GrantChange {
    GrantChange { role: Some(Role::Reader), ..GrantChange::default() }
}

fn admit(world: &mut Mesh, member: usize, terms: GrantChange) {
    let name = world.config(member).name.clone();
    let admitted = world
        .done(0, OwnChange::ChangeRoster(vec![RosterChange::Admit { id: world.id(member), name, terms }]));
    assert!(matches!(admitted, Answer::Committed(_)), "{admitted:?}");
}

fn change(world: &mut Mesh, member: usize, terms: GrantChange) {
    let change = RosterChange::Change { id: world.id(member), name: None, terms };
    let changed = world.done(0, OwnChange::ChangeRoster(vec![change]));
    assert!(matches!(changed, Answer::Committed(done) if done.changed == 1), "{changed:?}");
}

/// The roster entry of a member, as another one holds it; *drop* if there is none.
fn grant(world: &Mesh, at: usize, of: usize) -> Grant {
    let members = world.status(at).members;
    let unknown = Grant {
        name: Name::new("unknown").expect("a sound one"),
        role: Role::Member,
        quota: Quota { items: 0, bytes: 0 },
        state: GrantState::Drop,
        granted: Timestamp::ZERO,
    };
    members.into_iter().find(|(id, _)| *id == world.id(of)).map_or(unknown, |(_, grant)| grant)
}

/// A push of one item, signed by its owner's `key`.
fn push(world: &Mesh, key: &Identity) -> Vec<u8> {
    let timestamp = world.wall(0);
    let item =
        Item { key: Key::new("k").expect("a sound one"), timestamp, expiry: None, value: (*b"v").into() };
    let (bytes, root) = (item.bytes(), Branch::leaf(timestamp.0, item.leaf()).hash);
    let head = Head { owner: key.id(), timestamp, items: 1, bytes, root, signature: [0; 64] };
    let body = encode_delta(Timestamp::ZERO, &[item], &[]);
    Message::Push(Delta::new(head.signed(&world.mesh_id(), key), Timestamp::ZERO, &body)).encode()
}
