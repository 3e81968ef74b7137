//! A28, A39: false data of a peer is refused, counted and named, and harms nobody.

use crate::common::{Mesh, SEEDS, is_delta, push, refusals};
use datafan_core::{
    engine::{Alarm, ShardProgress},
    hash::Hash,
    id::{MeshId, Name},
    identity::Identity,
    item::Item,
    message::{HeadAnswer, HeadChild, Message, PROTOCOL_VERSION},
    time::{MILLI, SECOND},
    trie::Place,
};
use datafan_sim::world::{Fate, put};
use std::{cell::Cell, rc::Rc};

#[test]
fn a28_a_relay_alters_items_of_another_owner() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        // Member 1 alters what it forwards, three times.
        let mut n_altered = 0;
        world.intercept(move |passing| {
            let at = passing.bytes.windows(6).position(|bytes| bytes == b"honest");
            let Some(at) = at.filter(|_| passing.from == 1 && passing.to == 2 && n_altered < 3) else {
                return Fate::Pass;
            };
            n_altered += 1;
            let mut bytes = passing.bytes.to_vec();
            bytes[at..at + 6].copy_from_slice(b"forged");
            Fate::Become(bytes)
        });
        world.guard(|member, content| {
            let forged = content.items.values().any(|item| &*item.value == b"forged");
            assert!(!forged, "m{member} reads what nobody signed");
        });
        world.put(0, "k", "honest");

        world.run_until("the honest value", 600 * SECOND, |world| world.equal_with(1));
        assert!(world.all_read(0, "k", Some(b"honest")));
        assert!(refusals(&world, 2) > 0, "counted");
    }
}

#[test]
fn a28_a_peer_sends_a_head_that_the_owner_did_not_sign() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        world.put(0, "k", "honest");
        world.run_until("equal", 10 * SECOND, |world| world.equal_with(1));
        let before = world.content(2);

        // Member 1 signs for member 0, with its own key.
        let thief = Identity::from_secret(&world.config(1).member.secret());
        let forged = push(&world, 1, 0, &thief, ("k", "forged"));
        world.inject(1, 2, forged.clone());
        world.inject(1, 0, forged);
        world.run_for(30 * SECOND);

        assert_eq!(world.content(2), before);
        assert!(world.equal());
        for member in [0, 2] {
            assert!(world.stats(member).refusals.values().sum::<u64>() > 0, "m{member} counts it");
        }
    }
}

#[test]
fn a28_a_peer_offers_the_receivers_own_shard_changed() {
    for seed in SEEDS {
        let mut world = Mesh::line(2, seed);
        world.put(0, "k", "mine");
        world.run_until("equal", 10 * SECOND, |world| world.equal_with(1));

        // Signed with the owner's own key, as by a second process with a copy of it, and held by others.
        let key = Identity::from_secret(&world.config(0).member.secret());
        let foreign = push(&world, 1, 0, &key, ("k", "theirs"));
        world.inject(0, 1, foreign);
        world.run_for(8 * SECOND);

        assert_eq!(world.get(0, 0, "k").as_deref(), Some(&b"mine"[..]));
        let is_told = |alarm: &Alarm| matches!(alarm, Alarm::Contested { .. });
        assert_eq!(world.alarms(0).iter().filter(|alarm| is_told(alarm)).count(), 1, "{:?}", world.alarms(0));
        // Nothing more is heard of it: after half a minute own writes continue from its state, like on a
        // machine that was rolled back.
        let ticket = world.ask_commit(0, vec![put("more", "v")]);
        world.run_for(20 * SECOND);
        assert_eq!(world.answer(0, ticket), None);
        world.run_until("written", 15 * SECOND, |world| world.answer(0, ticket).is_some());
        world.run_until("equal", 10 * SECOND, |world| world.equal_with(2));
        assert!(world.all_read(0, "k", Some(b"theirs")) && world.all_read(0, "more", Some(b"v")));
        assert_eq!(world.status(0).divergent, None);
    }
}

#[test]
fn bytes_without_sense_are_refused_and_everybody_ends_equal() {
    for seed in 1..6 {
        let mut world = Mesh::line(3, seed);
        for n in 0..200usize {
            let from = if n.is_multiple_of(2) { 0 } else { 2 };
            let len = world.rng.below(300) as usize;
            let mut bytes = world.rng.bytes(len);
            // Mostly with a known version and tag, so that the bodies are decoded.
            if let [version, tag, ..] = bytes.as_mut_slice() {
                (*version, *tag) = (PROTOCOL_VERSION, *tag % 26);
            }
            if world.linked(from, 1) {
                world.inject(from, 1, bytes);
            }
            world.run_for(50_000);
        }
        assert!(refusals(&world, 1) > 0);
        world.put(0, "k", "v");
        world.run_until("equal", 1_800 * SECOND, |world| world.equal_with(1));
    }
}

#[test]
fn every_altered_byte_of_a_delta_is_noticed() {
    let mut world = Mesh::line(2, 1);
    let mut altered = 0usize;
    world.intercept(move |passing| {
        if passing.from != 0 || !is_delta(passing.bytes) {
            return Fate::Pass;
        }
        altered += 7;
        let mut bytes = passing.bytes.to_vec();
        let at = altered % bytes.len();
        bytes[at] ^= 1 << (altered % 8);
        Fate::Become(bytes)
    });
    world.guard(|_, content| {
        let known = |item: &Item| item.key.is_system() || item.value.iter().all(|byte| *byte == b'v');
        assert!(content.items.values().all(|item| known(item)), "altered bytes became readable");
    });
    for n in 0..30 {
        world.put(0, &format!("k{n}"), [b'v'; 40]);
        world.run_for(20 * SECOND);
    }
    assert!(refusals(&world, 1) > 0);
    assert!(world.content(1).items.len() < world.content(0).items.len(), "nothing got through");
}

#[test]
fn a39_a_member_of_another_mesh_is_refused() {
    let mut world = Mesh::line(2, 1);
    let other = MeshId(Identity::from_secret(&[5; 32]).id());
    let stranger = world.add(|config| {
        config.mesh = other;
        config.name = Name::new("stranger").expect("a sound name");
    });
    world.start(stranger);
    world.link(stranger, 1);
    world.run_for(10 * SECOND);
    assert!(world.content(stranger).items.is_empty());
    assert!(refusals(&world, 1) > 0, "{:?}", world.stats(1).refusals);
    assert!(world.ready(1).iter().all(|peer| *peer != world.id(stranger)));
}

#[test]
fn a_lying_push_does_not_hold_up_honest_ones() {
    let mut world = Mesh::mesh(3, 1);
    world.link_all(&[(0, 1), (1, 2), (0, 2)]);
    world.run_until("equal", 20 * SECOND, |world| world.equal());
    world.intercept(|passing| match (passing.from, passing.to, passing.bytes[1]) {
        (0, 2, 4) => Fate::Delay(50_000),
        (1, 2, 4) => {
            let mut bytes = passing.bytes.to_vec();
            let last = bytes.windows(6).position(|bytes| bytes == b"honest");
            last.into_iter().for_each(|at| bytes[at] = b'X');
            Fate::Become(bytes)
        }
        (1, 2, 10 | 11 | 14 | 16 | 17) => Fate::Lose,
        _ => Fate::Pass,
    });
    for n in 0..5 {
        let start = world.time();
        world.put(0, "k", format!("honest{n}"));
        let value = format!("honest{n}");
        world.run_until("read", 60 * SECOND, |world| {
            world.get(2, 0, "k").as_deref() == Some(value.as_bytes())
        });
        let taken = world.time().0 - start.0;
        assert!(taken < SECOND, "the honest push came after 50 ms, update {n} was read after {taken} us");
    }
}

#[test]
fn a_delta_with_a_base_ahead_is_a_lie_and_others_are_asked() {
    let mut world = Mesh::mesh(3, 1);
    world.link_all(&[(0, 1), (1, 2), (0, 2)]);
    world.run_until("equal", 20 * SECOND, |world| world.equal());
    let n = std::rc::Rc::new(std::cell::Cell::new(0));
    let count = n.clone();
    world.intercept(move |passing| match (passing.from, passing.to, passing.bytes[1]) {
        // Both pushes are lost but their heads are announced: m1's first.
        (1, 2, 4) => {
            let mut bytes = passing.bytes[..155].to_vec();
            bytes[1] = 5;
            bytes.insert(2, 1);
            Fate::Become(bytes)
        }
        (0, 2, 4) => Fate::Lose,
        (1, 2, 10) => {
            count.set(count.get() + 1);
            let mut bytes = passing.bytes.to_vec();
            let end: [u8; 8] = bytes[2 + 33..2 + 41].try_into().unwrap();
            bytes[155..163].copy_from_slice(&(u64::from_be_bytes(end) - 1).to_be_bytes());
            Fate::Become(bytes)
        }
        _ => Fate::Pass,
    });
    world.put(0, "k", "v");
    world.run_for(60 * SECOND);
    assert_eq!(world.get(2, 0, "k").as_deref(), Some(&b"v"[..]), "from the honest one");
    assert!(n.get() <= 3, "asked {} times", n.get());
    assert!(world.status(2).refusals["wrong_answer"] >= 1);
}

#[test]
fn two_states_of_one_time_are_proven_and_everybody_ends_at_the_greater() {
    for seed in SEEDS {
        let mut world = Mesh::mesh(4, seed);
        world.link_all(&[(0, 1), (0, 2), (2, 3)]);
        world.put(1, "k", "v");
        world.run_until("equal", 20 * SECOND, |world| world.equal_with(1));
        let key = Identity::from_secret(&world.config(1).member.secret());
        world.stop(1);
        // The same identity elsewhere: at one time it says different things here and there.
        let one = push(&world, 0, 1, &key, ("k", "one"));
        let other = push(&world, 0, 1, &key, ("k", "other"));
        world.cut(0, 2);
        world.inject(3, 2, one);
        world.run_for(SECOND);
        world.heal(0, 2);
        world.run_for(3 * SECOND);
        world.inject(2, 0, other);
        // A member that has received both can prove it; nobody forwards the smaller one.
        world.run_until("equal and proven", 60 * SECOND, |world| {
            world.equal()
                && [0, 2, 3].into_iter().any(|member| world.stats(member).refusals.contains_key("fork"))
        });
        let has = |member: &usize| world.stats(*member).refusals.contains_key("fork");
        let member = [0, 2, 3].into_iter().find(has).expect("just seen");
        let alarms = world.alarms(member);
        assert!(matches!(alarms[..], [Alarm::Fork { first, second }] if first.timestamp == second.timestamp));
        let status = world.status(member);
        let shard = status.shards.iter().find(|shard| shard.owner == key.id()).unwrap();
        assert_eq!(shard.state, ShardProgress::Forked);
        // Known after a restart, and nothing is compared any more.
        world.stop(member);
        world.start(member);
        world.run_until("equal again", 60 * SECOND, |world| world.equal());
        let status = world.status(member);
        assert!(status.shards.iter().any(|shard| shard.state == ShardProgress::Forked));
        let reconciliations = world.stats(member).reconciliations;
        world.run_for(60 * SECOND);
        assert_eq!(
            (world.stats(member).reconciliations, world.alarms(member).len()),
            (reconciliations, 1),
            "told once"
        );
    }
}

/// Each question about its heads is answered with sixteen nodes that differ.
#[test]
fn a_comparison_with_a_peer_that_makes_up_heads_ends() {
    let mut world = Mesh::line(3, 1);
    world.run_until("linked", 5 * SECOND, Mesh::equal);
    let (mut asked, mut n_messages, mut n_roots) = (Vec::new(), 0, 0_u8);
    let most = Rc::new(Cell::new(0));
    let counted = most.clone();
    world.intercept(move |passing| match (passing.from, passing.to, Message::decode(passing.bytes)) {
        (0, 1, Ok(Message::Round(_))) => {
            n_roots = n_roots.wrapping_add(1);
            Fate::Become(Message::Round(Hash([n_roots; 32])).encode())
        }
        (1, 0, Ok(Message::AskHeads(asks))) => {
            asked = asks.iter().map(|ask| ask.slot).collect();
            n_messages = if asked == [Place::ALL] { 1 } else { n_messages + 1 };
            counted.set(n_messages.max(counted.get()));
            Fate::Pass
        }
        (0, 1, Ok(Message::Heads(_))) => {
            let children =
                || (0..16).map(|digit| (digit, HeadChild::Node(Hash([n_messages as u8; 32])))).collect();
            let answer = |slot: &Place| match slot.level {
                0 | 1 => HeadAnswer::Empty,
                _ => HeadAnswer::Node { place: *slot, children: children() },
            };
            Fate::Become(Message::Heads(asked.iter().map(answer).collect()).encode())
        }
        _ => Fate::Pass,
    });
    for n in 0..20 {
        let written = world.put(2, "k", format!("{n}")).timestamp;
        world.run_until("others are heard meanwhile", 50 * MILLI, |world| {
            world.heads(1).get(&world.id(2)).is_some_and(|head| head.0 == written)
        });
        world.run_for(SECOND / 2);
    }
    assert_eq!(most.get(), 256);
}
