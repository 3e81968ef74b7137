//! Every resource that a peer can use up has a limit: everything works up to it, one more is refused by name,
//! and others are unaffected. Counts within one message are tested in `datafan-core`, frames and connections
//! in `datafan-conn-quic`.

use crate::common::{Mesh, SEEDS, push};
use datafan_core::{
    engine::{Alarm, Answer, Config, Disposition, OwnChange, RosterError},
    hash::Hash,
    head::Head,
    id::Name,
    identity::Identity,
    limits::{
        MEMBERS_MAX, PENDING_MAX, QUOTA_SYSTEM_BYTES, QUOTA_SYSTEM_ITEMS, REQUESTS_PENDING_MAX,
        ROSTER_CHANGES_MAX, STRANGERS_MAX,
    },
    message::{Ask, Message, Request, Want},
    read::Snapshot,
    roster::{GrantChange, RosterChange},
    time::{MILLI, SECOND, Timestamp},
    trie::Place,
};
use datafan_sim::world::{Fate, put};
use std::{cell::RefCell, rc::Rc};

#[test]
fn as_many_links_as_there_may_be_and_one_more() {
    for seed in SEEDS {
        let mut world = Mesh::mesh_with(6, seed, |member, config| {
            if member == 0 {
                config.links_max = 4;
            }
        });
        world.link_all(&[(1, 0), (2, 0), (3, 0), (4, 0)]);
        world.run_until("linked", 10 * SECOND, |world| world.peers(0).len() == 4);
        assert_eq!(refused(&world, 0, "busy"), 0);
        world.link(5, 0);
        world.run_until("refused", 10 * SECOND, |world| refused(world, 0, "busy") > 0);
        world.put(0, "k", "v");
        world.run_for(5 * SECOND);
        assert_eq!(world.peers(0), [1, 2, 3, 4]);
        assert!(world.equal_among(&[0, 1, 2, 3, 4]) && world.get(5, 0, "k").is_none());

        world.cut(1, 0);
        world.run_until("in its place", 60 * SECOND, |world| world.linked(5, 0));
        world.run_until("equal", 10 * SECOND, |world| world.equal_among(&[0, 2, 3, 4, 5]));
    }
}

#[test]
fn strangers_share_a_few_places_and_take_none_of_members() {
    for seed in SEEDS {
        let mut world = Mesh::mesh_with(3, seed, |member, config| {
            if member == 0 {
                config.links_max = STRANGERS_MAX + 1;
            }
        });
        world.link(1, 0);
        world.run_until("linked", 10 * SECOND, |world| world.linked(1, 0));
        let strangers: Vec<usize> = (0..=STRANGERS_MAX).map(|_| world.add(|_| ())).collect();
        // They link and send nothing.
        let mute = strangers[0];
        world.intercept(move |passing| if passing.from >= mute { Fate::Lose } else { Fate::Pass });
        for stranger in &strangers[..STRANGERS_MAX] {
            world.start(*stranger);
            world.link(*stranger, 0);
        }
        world.run_for(300 * MILLI);
        assert_eq!(world.peers(0).len(), STRANGERS_MAX + 1, "one more than may be strangers");
        assert_eq!((refused(&world, 0, "busy"), refused(&world, 0, "crowded")), (0, 0));

        // One more: refused while earlier ones may still greet.
        world.start(strangers[STRANGERS_MAX]);
        world.link(strangers[STRANGERS_MAX], 0);
        world.run_for(300 * MILLI);
        assert!(refused(&world, 0, "busy") > 0 && refused(&world, 0, "crowded") == 0);
        // A member gets a place at once, that of a stranger.
        world.link(2, 0);
        world.run_until("in", 500 * MILLI, |world| world.linked(2, 0) && refused(world, 0, "crowded") == 1);
        world.put(0, "k", "v");
        world.run_until("told", 5 * SECOND, |world| world.get(2, 0, "k").is_some());
        world.run_for(60 * SECOND);
        assert!(world.linked(1, 0) && world.linked(2, 0), "whatever strangers do");
        assert!(refused(&world, 0, "late_hello") > 0 || refused(&world, 0, "crowded") > 1);
    }
}

#[test]
fn an_owner_that_commits_faster_than_its_rate_is_behind_by_an_interval() {
    for seed in SEEDS {
        let mut world = followed_by(seed, |config| config.owner_heads_max = 50);
        // Five in a tenth of a second are taken one by one.
        commits(&mut world, 5, 5 * MILLI);
        world.run_for(40 * MILLI);
        assert!(world.equal() && refused(&world, 1, "over_rate") == 0);
        world.run_for(SECOND);

        commits(&mut world, 6, 5 * MILLI);
        world.run_for(40 * MILLI);
        assert_eq!(refused(&world, 1, "over_rate"), 1);
        assert!(!world.equal());
        world.run_for(150 * MILLI);
        assert!(world.equal(), "at the end of the interval");

        // Two hundred in a second: a quarter of them become visible, and nothing is lost.
        let before = world.stats(1).applied;
        commits(&mut world, 200, 5 * MILLI);
        world.run_for(200 * MILLI);
        let applied = world.stats(1).applied - before;
        assert!(world.equal() && (30..=75).contains(&applied), "{applied}");
        assert!(world.stats(1).verified < 100, "what is beyond the rate is not even verified");
    }
}

#[test]
fn an_owner_that_writes_more_bytes_than_its_rate_comes_later() {
    for seed in SEEDS {
        let mut world = followed_by(seed, |config| config.owner_bytes_max = 100_000);
        // Below a tenth of it, and then one byte of a key more.
        world.put(0, "a", vec![7; 9_000]);
        world.put(0, "b", "v");
        world.run_for(40 * MILLI);
        assert!(world.equal() && refused(&world, 1, "over_rate") == 0);
        world.put(0, "c", vec![7; 1_100]);
        // What arrives together counts as one commit.
        world.run_for(10 * MILLI);
        world.put(0, "d", "v");
        world.run_for(30 * MILLI);
        assert_eq!(refused(&world, 1, "over_rate"), 1);
        world.run_for(2 * SECOND);
        assert!(world.equal());

        // A megabyte at once is taken; what follows waits until the rate allows it.
        world.put(0, "e", vec![7; 900_000]);
        world.run_until("taken", SECOND, |world| world.get(1, 0, "e").is_some());
        world.put(0, "f", "v");
        let micros = world.run_until("paid", 20 * SECOND, |world| world.get(1, 0, "f").is_some());
        assert!((8 * SECOND..10 * SECOND).contains(&micros), "{micros}");
    }
}

#[test]
fn a_first_copy_keeps_to_the_rate_too() {
    let mut world = Mesh::mesh_with(2, 1, |_, config| config.owner_bytes_max = 1_000_000);
    for n in 0..12 {
        world.put(0, &format!("k{n}"), vec![n; 1_000_000]);
    }
    world.link(1, 0);
    let micros = world.run_until("copied", 60 * SECOND, |world| world.equal_with(12));
    assert!((6 * SECOND..16 * SECOND).contains(&micros), "{micros}");
}

#[test]
fn a_head_is_taken_up_to_its_quota_and_no_further() {
    let mut world = Mesh::line(2, 1);
    let terms = GrantChange { items: Some(10), bytes: Some(1_000), ..GrantChange::default() };
    let id = world.id(0);
    world.must(0, OwnChange::ChangeRoster(vec![RosterChange::Change { id, name: None, terms }]));
    world.run_for(SECOND);
    let (items, bytes) = (10 + QUOTA_SYSTEM_ITEMS, 1_000 + QUOTA_SYSTEM_BYTES);
    for (items, bytes, n_refused) in [(items, bytes, 0), (items + 1, bytes, 1), (items, bytes + 1, 2)] {
        let head = later_head(&mut world, |head| (head.items, head.bytes) = (items, bytes));
        world.inject(1, 0, Message::Announce(vec![head]).encode());
        world.inject(0, 1, Message::Announce(vec![head]).encode());
        world.run_for(SECOND);
        assert_eq!(refused(&world, 1, "over_quota"), n_refused, "{items} items, {bytes} bytes");
    }
}

#[test]
fn a_head_may_be_an_hour_ahead_and_no_more() {
    let mut world = Mesh::line(2, 1);
    let hour = world.config(1).clock_ahead_micros;
    for (ahead, n_refused) in [(hour - 10 * MILLI, 0), (hour + 10 * MILLI, 1)] {
        let timestamp = Timestamp(world.wall(1).0 + ahead);
        let head = later_head(&mut world, |head| head.timestamp = timestamp);
        world.inject(0, 1, Message::Announce(vec![head]).encode());
        world.run_for(5 * MILLI);
        assert_eq!(refused(&world, 1, "clock_ahead"), n_refused, "{ahead}");
    }
}

#[test]
fn as_many_requests_wait_as_may_and_no_more() {
    for (n, n_refused) in [(REQUESTS_PENDING_MAX, 0), (REQUESTS_PENDING_MAX + 1, 1)] {
        let mut world = Mesh::line(2, 1);
        world.put(0, "k", "v");
        world.run_until("equal", 10 * SECOND, |world| world.equal_with(1));
        let want = Want { owner: world.id(0), since: Timestamp::ZERO };
        let before = world.stats(0).deltas_sent;
        world.inject(1, 0, Message::Pull(vec![want; n]).encode());
        world.run_for(SECOND);
        assert_eq!(refused(&world, 0, "too_many_requests"), n_refused);
        assert_eq!(
            world.stats(0).deltas_sent - before,
            REQUESTS_PENDING_MAX as u64,
            "the others are answered"
        );
    }
}

#[test]
fn a_state_is_kept_for_who_copies_it_for_a_while_and_only_so_many() {
    const N: usize = 9;
    let mut world = Mesh::mesh(N, 1);
    world.link_all(&(1..N).map(|member| (member, 0)).collect::<Vec<_>>());
    for member in 0..N {
        world.put(member, "k0", "v");
        world.put(member, "k1", "v");
    }
    world.run_until("equal", 20 * SECOND, |world| world.equal_with(2 * N));
    let old: Vec<Request> = (0..N).map(|owner| root_of(&world, owner)).collect();
    let answers = answers_to(&mut world);
    let ask = |world: &mut Mesh, requests: &[Request]| -> (usize, usize) {
        answers.borrow_mut().clear();
        requests.iter().for_each(|request| world.inject(1, 0, Message::AskNodes(request.clone()).encode()));
        world.run_for(SECOND);
        let answers = answers.borrow();
        (answers.iter().filter(|is_nodes| **is_nodes).count(), answers.iter().filter(|is| !**is).count())
    };

    let eight = &old[..8];
    assert_eq!(ask(&mut world, eight), (8, 0), "present states");
    for member in 0..N {
        world.put(member, "k0", "w");
    }
    world.run_until("equal", 20 * SECOND, |world| world.equal());
    assert_eq!(ask(&mut world, eight), (8, 0), "kept for the peer that copies them");
    world.run_for(8 * SECOND);
    assert_eq!(ask(&mut world, eight), (8, 0), "asked for in time");
    // A ninth takes the place of one of them.
    let ninth = [root_of(&world, 8)];
    assert_eq!(ask(&mut world, &ninth), (1, 0));
    let (kept, moved) = ask(&mut world, eight);
    assert!(kept < 8 && kept + moved == 8, "{kept} kept");
    world.run_for(31 * SECOND);
    assert_eq!(ask(&mut world, eight), (0, 8), "not asked for in time");
}

#[test]
fn four_pieces_of_evidence_are_kept_of_one_owner() {
    let mut world = Mesh::line(2, 1);
    world.put(0, "k", "v");
    world.run_until("equal", 10 * SECOND, |world| world.equal_with(1));
    let key = Identity::from_secret(&world.config(0).member.secret());
    // States with the same timestamp; each except the first proves a fork.
    let states: Vec<Vec<u8>> =
        (0..7).map(|n| push(&world, 1, 0, &key, ("k", &format!("state {n}")))).collect();
    for (n, state) in states.into_iter().enumerate() {
        world.inject(0, 1, state);
        world.run_for(3 * SECOND);
        let n_alarms = world.alarms(1).iter().filter(|alarm| matches!(alarm, Alarm::Fork { .. })).count();
        assert_eq!(n_alarms, n.min(4), "after {} states", n + 1);
    }
    let snapshot = Snapshot::new(world.snapshot(1), world.mesh_id(), world.wall(1));
    assert_eq!(snapshot.forks().expect("a store that works").len(), 4);
}

#[test]
fn who_knocked_is_remembered_up_to_a_number() {
    let mut world = Mesh::mesh(1, 1);
    for n in 0..=PENDING_MAX {
        let stranger = world.add(|_| ());
        world.start(stranger);
        world.link(stranger, 0);
        world.run_until("knocked", 10 * SECOND, |world| refused(world, 0, "not_admitted") > n as u64);
        world.crash(stranger);
        let pending = world.status(0).pending;
        assert_eq!(pending.len(), (n + 1).min(PENDING_MAX));
        assert_eq!(pending.last().map(|last| last.id), Some(world.id(stranger)));
        let first = world.id(1);
        assert_eq!(pending.iter().any(|one| one.id == first), n < PENDING_MAX, "the oldest goes");
    }
}

#[test]
fn as_many_members_as_there_may_be_and_one_more() {
    let mut world = Mesh::mesh(1, 1);
    let name = |n: usize| Name::new(&format!("x{n}")).expect("a name");
    let id = |n: usize| {
        let mut secret = [9; 32];
        secret[..8].copy_from_slice(&n.to_be_bytes());
        Identity::from_secret(&secret).id()
    };
    let admit = |n: usize| RosterChange::Admit { id: id(n), name: name(n), terms: GrantChange::default() };
    // The founder is one of them.
    let all: Vec<usize> = (1..MEMBERS_MAX).collect();
    for part in all.chunks(ROSTER_CHANGES_MAX) {
        world.must(0, OwnChange::ChangeRoster(part.iter().map(|n| admit(*n)).collect()));
    }
    let ticket = world.ask(0, OwnChange::ChangeRoster(vec![admit(MEMBERS_MAX)]));
    world.run_for(SECOND);
    let answer = world.answer(0, ticket).expect("answered");
    assert_eq!(*answer, Answer::Refused(RosterError::TooManyMembers.into()));
    // Members can still be revoked.
    let change = RosterChange::Revoke { id: id(7), disposition: Disposition::Drop, at: None };
    world.must(0, OwnChange::ChangeRoster(vec![change]));
}

/// A member that follows another one at a limited rate, both at rest.
fn followed_by(seed: u64, adjust: impl Fn(&mut Config)) -> Mesh {
    let mut world = Mesh::mesh_with(2, seed, |member, config| {
        if member == 1 {
            adjust(config);
        }
    });
    world.link(1, 0);
    world.put(0, "first", "v");
    world.run_until("equal", 10 * SECOND, |world| world.equal_with(1));
    world.run_for(2 * SECOND);
    world
}

fn commits(world: &mut Mesh, n: usize, pause: u64) {
    for at in 0..n {
        world.ask_commit(0, vec![put("k", format!("{at}"))]);
        world.run_for(pause);
    }
}

fn refused(world: &Mesh, member: usize, name: &str) -> u64 {
    world.stats(member).refusals.get(name).copied().unwrap_or(0)
}

/// A signed head of member 0 that its engine never made, later than the last one.
fn later_head(world: &mut Mesh, adjust: impl FnOnce(&mut Head)) -> Head {
    let key = Identity::from_secret(&world.config(0).member.secret());
    let (owner, timestamp) = (world.id(0), world.wall(0));
    let mut head = Head { owner, timestamp, items: 0, bytes: 0, root: Hash([7; 32]), signature: [0; 64] };
    adjust(&mut head);
    head.signed(&world.mesh_id(), &key)
}

/// The request for the top node of an owner's current shard.
fn root_of(world: &Mesh, owner: usize) -> Request {
    let owner = world.id(owner);
    let (_, root) = world.heads(0)[&owner];
    let slots = vec![Ask { slot: Place::ALL, hash: root, hints: None }];
    Request { id: 1, owner, root, slots }
}

/// The answers of member 0 to member 1 from now on: nodes, or that its state has changed.
fn answers_to(world: &mut Mesh) -> Rc<RefCell<Vec<bool>>> {
    let answers = Rc::new(RefCell::new(Vec::new()));
    let noted = answers.clone();
    world.intercept(move |passing| {
        match Message::decode(passing.bytes) {
            Ok(Message::Nodes(..)) if passing.to == 1 => noted.borrow_mut().push(true),
            Ok(Message::StateChanged(..)) if passing.to == 1 => noted.borrow_mut().push(false),
            _ => {}
        }
        Fate::Pass
    });
    answers
}

#[test]
fn many_owners_that_fork_on_purpose_hide_no_fork_of_another() {
    const N: usize = 18;
    let mut world = Mesh::mesh(N, 1);
    world.link(1, 0);
    (2..N).for_each(|other| world.link(other, 0));
    for owner in 0..N {
        world.put(owner, "k", "v");
    }
    world.run_until("equal", 60 * SECOND, |world| world.equal_with(N));
    for owner in 2..N {
        let key = Identity::from_secret(&world.config(owner).member.secret());
        let states: Vec<Vec<u8>> =
            (0..5).map(|n| push(&world, 0, owner, &key, ("k", &format!("state {n}")))).collect();
        for state in states {
            world.inject(owner, 0, state);
            world.run_for(2 * SECOND);
        }
    }
    let key = Identity::from_secret(&world.config(1).member.secret());
    for n in 0..2 {
        let state = push(&world, 0, 1, &key, ("k", &format!("state {n}")));
        world.inject(1, 0, state);
    }
    world.run_for(5 * SECOND);
    let snapshot = Snapshot::new(world.snapshot(0), world.mesh_id(), world.wall(0));
    let pieces = snapshot.forks().expect("a store that works");
    let of = |owner| pieces.iter().filter(|piece| piece.evidence.first.owner == world.id(owner)).count();
    assert!((2..N).all(|owner| of(owner) == 4), "four pieces of each");
    assert_eq!(of(1), 1, "and the one of the last");
}
