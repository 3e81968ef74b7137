//! Two processes with one key that cannot be dialled, or not where the other looks: the one that began later
//! stops.

use crate::{
    common::{Mem, Mesh, SEEDS, push_by_twin},
    parting::discovering,
};
use datafan_core::{
    claim::Claim,
    engine::{Alarm, Answer, Immediate, NotWritable, OwnState, Ticket, WriteError},
    id::MeshId,
    item::Key,
    message::Message,
    runs::RunId,
    store::{Page, StoreSnapshot},
    time::{MILLI, SECOND, Timestamp},
};
use datafan_sim::world::{Disk, Happening, LinkProfile, put};
use datafan_testkit::rng::Rng;
use std::collections::{BTreeMap, BTreeSet};

const MINUTE: u64 = 60 * SECOND;
/// Seeds that have found a bug: two processes with different peers, in a mesh of twenty.
const FOUND: [u64; 1] = [41];
/// The member that runs twice.
const OWNER: usize = 1;

/// Two writing processes, and the answers to them.
struct Two {
    world: Mesh,
    twin: usize,
    /// Writes in progress: the process, the key, and the ticket.
    asked: Vec<(usize, String, Ticket)>,
    /// Acknowledged keys, and the process.
    written: BTreeMap<String, usize>,
    /// The process that has stopped because of the alarm.
    stopped: Vec<usize>,
    n_writes: u64,
}

impl Two {
    /// Another process of the owner of `world`, on a copy of its disk.
    fn new(mut world: Mesh, disk: Option<Mem>) -> Self {
        let twin = world.twin(OWNER);
        if let Some(disk) = disk {
            *world.disk(twin) = disk;
        }
        world.only_dials(twin);
        Self { world, twin, asked: Vec::new(), written: BTreeMap::new(), stopped: Vec::new(), n_writes: 0 }
    }

    fn start_twin(&mut self) {
        self.world.start(self.twin);
        self.world.publish(self.twin);
        self.world.connect(self.twin, "m0".into());
    }

    /// Advances time by `micros`, while each of `writers` writes about every 300 ms.
    fn run(&mut self, micros: u64, writers: &[usize]) {
        let end = self.world.time().after(micros);
        while self.world.time() < end {
            for writer in writers {
                if self.world.runs(*writer) {
                    self.n_writes += 1;
                    let key = format!("{writer}/{}", self.n_writes);
                    let ticket = self.world.ask_commit(*writer, vec![put(&key, "v")]);
                    self.asked.push((*writer, key, ticket));
                }
            }
            let step = 200 * MILLI + self.world.rng.below(200 * MILLI);
            for _ in 0..step / (20 * MILLI) {
                self.world.run_for(20 * MILLI);
                self.see();
            }
        }
    }

    /// Records answers and alarms.
    fn see(&mut self) {
        let (world, written) = (&mut self.world, &mut self.written);
        self.asked.retain(|(writer, key, ticket)| match world.answer(*writer, *ticket) {
            Some(Answer::Committed(_)) => {
                written.insert(key.clone(), *writer);
                false
            }
            Some(Answer::Refused(_)) => false,
            None => world.runs(*writer),
        });
        for process in [OWNER, self.twin] {
            let ends = |alarm: &Alarm| matches!(alarm, Alarm::KeyInUse { .. } | Alarm::ForeignHead { .. });
            if world.runs(process) && world.alarms(process).iter().any(ends) {
                world.stop(process);
                self.stopped.push(process);
            }
        }
    }

    /// Everybody reads what the remaining process acknowledged; if the mesh was partitioned, it may be in a
    /// divergent copy. Then the other one is started in its place, and nothing of either is lost.
    fn check(&mut self, [goes_on, other]: [usize; 2], was_whole: bool) {
        let written = std::mem::take(&mut self.written);
        let own: Vec<&String> =
            written.iter().filter(|(_, writer)| **writer == goes_on).map(|(key, _)| key).collect();
        assert!(own.len() > 3, "seed {}: the one that goes on has written {own:?}", self.world.seed);
        self.keeps(goes_on, &own, !was_whole);
        // What nobody else ever held is on its own disk.
        let kept = kept_aside(&self.world, goes_on);
        self.world.stop(goes_on);
        self.world.start(other);
        self.world.publish(other);
        self.world.connect(other, "m0".into());
        let all = written.keys().filter(|key| !kept.contains(*key));
        self.keeps(other, &all.collect::<Vec<_>>(), true);
    }

    fn keeps(&mut self, process: usize, keys: &[&String], may_keep_aside: bool) {
        let running: Vec<usize> =
            (0..self.world.n_members()).filter(|member| self.world.runs(*member)).collect();
        let owner = self.world.id(OWNER);
        let lost = |world: &Mesh| {
            let (content, kept) = (world.content(0), kept_aside(world, process));
            let is_read =
                |key: &str| content.items.contains_key(&(owner, Key::new(key).expect("a sound key")));
            let is_kept = |key: &String| is_read(key) || may_keep_aside && kept.contains(key);
            keys.iter().filter(|key| !is_kept(key)).map(|key| (*key).clone()).collect::<Vec<_>>()
        };
        let end = self.world.time().after(2 * MINUTE);
        while !self.world.equal_among(&running) || !lost(&self.world).is_empty() {
            let seed = self.world.seed;
            assert!(self.world.time() < end, "seed {seed}, {process} goes on: {:?}", lost(&self.world));
            self.world.run_for(SECOND);
        }
    }
}

/// Keys of the divergent copy of its own shard that a member keeps.
fn kept_aside(world: &Mesh, member: usize) -> BTreeSet<String> {
    let (snapshot, owner) = (world.snapshot(member), world.id(member));
    let shards = snapshot.shards().expect("the store works").into_iter();
    let divergent = shards.filter(|(_, record)| record.is_divergent() && record.owner == owner);
    let items = divergent.flat_map(|(number, _)| {
        snapshot.log(number, Timestamp::ZERO..=Timestamp::MAX, Page::rows(100_000)).expect("the store works")
    });
    items.map(|item| item.key.as_str().to_owned()).collect()
}

/// Members that find each other, of which the owner cannot be dialled, and an earlier disk of the owner.
fn meshed(n: usize, seed: u64) -> (Mesh, Mem) {
    let mut world = discovering(n, seed);
    world.only_dials(OWNER);
    let nowhere = vec!["behind.m1".into()];
    world.ask(OWNER, Immediate::Publish(nowhere));
    world.put(OWNER, "old", "v");
    let disk = world.disk(OWNER).backup();
    world.crash(OWNER);
    world.run_for(10 * SECOND);
    world.start(OWNER);
    world.publish(OWNER);
    world.connect(OWNER, "m0".into());
    world.put(OWNER, "k", "v");
    world.run_for(20 * SECOND);
    (world, disk)
}

#[test]
fn a36_of_two_that_cannot_be_dialled_the_one_that_began_later_stops() {
    for seed in SEEDS {
        for (n, is_stale) in [(2, true), (3, true), (4, false), (6, true), (12, false)] {
            let (world, disk) = meshed(n, seed);
            let mut two = Two::new(world, is_stale.then_some(disk));
            two.run(5 * SECOND, &[OWNER]);
            two.start_twin();
            let (twin, began) = (two.twin, two.world.time());
            while two.stopped.is_empty() {
                two.run(SECOND, &[OWNER, twin]);
                assert!(two.world.time() < began.after(45 * SECOND), "seed {seed}, {n} members: both go on");
            }
            two.run(10 * SECOND, &[OWNER, twin]);
            assert_eq!(two.stopped, [twin], "seed {seed}, {n} members");
            two.check([OWNER, twin], true);
        }
    }
}

#[test]
fn a36_who_is_held_back_and_hears_more_of_the_other_one_stops() {
    for seed in SEEDS {
        for lives in [false, true] {
            // Nobody is linked with that process, so nobody can say which of the two began first.
            let mut world = Mesh::mesh(3, seed);
            world.link_all(&[(1, 0), (2, 0)]);
            world.put(OWNER, "k", "ours");
            world.run_until("equal", 10 * SECOND, |world| world.equal_with(1));
            let key = world.config(OWNER).member.clone();
            let writes = |world: &mut Mesh, value: &str| {
                let theirs = push_by_twin(world, 0, OWNER, &key, ("k", value));
                world.inject(2, 0, theirs);
            };
            world.cut(OWNER, 0);
            writes(&mut world, "theirs");
            world.run_for(2 * SECOND);
            world.heal(OWNER, 0);
            let held = |world: &Mesh| matches!(world.status(OWNER).own, OwnState::Contested { .. });
            world.run_until("held", 5 * SECOND, held);
            let ticket = world.ask_commit(OWNER, vec![put("more", "ours")]);
            let before = world.stats(OWNER).messages_sent;
            world.run_for(20 * SECOND);
            let sent = world.stats(OWNER).messages_sent - before;
            assert!(sent < 80, "it asks again and again for what it does not take: {sent}");
            assert!(held(&world) && world.answer(OWNER, ticket).is_none());
            if lives {
                writes(&mut world, "theirs, again");
            }
            world.run_until("answered", 12 * SECOND, |world| world.answer(OWNER, ticket).is_some());
            let ends = world.alarms(OWNER).iter().any(|alarm| matches!(alarm, Alarm::ForeignHead { .. }));
            assert_eq!(ends, lives, "{:?}", world.alarms(OWNER));
            if lives {
                let error = world.refused(OWNER, vec![put("k", "more")]);
                assert!(matches!(error, WriteError::NotWritable(NotWritable::ForeignHead { .. })), "{error}");
            } else {
                // It continues from everything that both wrote.
                world.run_until("equal", 20 * SECOND, |world| world.equal_with(2));
                assert!(world.all_read(OWNER, "k", Some(b"theirs")));
                assert_eq!(world.status(OWNER).divergent, None);
            }
        }
    }
}

#[test]
fn a36_nobody_stops_for_a_peers_word_or_for_what_was_signed_about_others() {
    for seed in SEEDS {
        let mut world = Mesh::mesh(3, seed);
        world.link_all(&[(1, 0), (2, 0)]);
        world.put(OWNER, "k", "v");
        world.run_until("equal", 10 * SECOND, |world| world.equal_with(1));
        let (mesh, key, stranger) =
            (world.mesh_id(), world.config(OWNER).member.clone(), world.config(2).member.clone());
        let own = hello_runs(&mut world);
        let (one, other) = (RunId([1; 8]), RunId([2; 8]));
        let forged = Claim { member: key.id(), ..Claim::signed(&mesh, &stranger, one, own) };
        let says = [
            Message::OtherRun { run: one, age_micros: u64::MAX },
            Message::OtherRun { run: one, age_micros: 0 },
            Message::OtherRun { run: own, age_micros: u64::MAX },
            // Signed by its own key, about other processes.
            Message::Claim(Claim::signed(&mesh, &key, own, one)),
            Message::Claim(Claim::signed(&mesh, &key, one, other)),
            Message::Claim(Claim::signed(&MeshId(key.id()), &key, one, own)),
            Message::Claim(Claim::signed(&mesh, &stranger, one, own)),
            Message::Claim(forged),
        ];
        for message in &says {
            world.inject(0, OWNER, message.encode());
            world.run_for(SECOND);
        }
        for n in 0..1_000u64 {
            let run = RunId(n.to_be_bytes());
            world.inject(0, OWNER, Message::OtherRun { run, age_micros: n }.encode());
        }
        world.run_for(30 * SECOND);
        let refusals = world.status(OWNER).refusals;
        assert!(refusals["claim"] >= 2 && refusals["signature"] >= 1, "{refusals:?}");
        assert_eq!(world.status(OWNER).own, OwnState::Confirmed);
        let ends = |alarm: &Alarm| matches!(alarm, Alarm::KeyInUse { .. } | Alarm::ForeignHead { .. });
        assert!(!world.alarms(OWNER).iter().any(ends), "{:?}", world.alarms(OWNER));
        let told = world.alarms(OWNER).iter().filter(|alarm| matches!(alarm, Alarm::OtherProcess { .. }));
        assert_eq!(told.count(), 1, "once an hour");
        // A statement about this very process, signed by its own key, as a thief of the key could make, stops
        // it.
        world.run_for(10 * MINUTE);
        world.inject(0, OWNER, Message::Claim(Claim::signed(&mesh, &key, one, own)).encode());
        world.run_for(SECOND);
        assert!(world.alarms(OWNER).iter().any(|alarm| matches!(alarm, Alarm::KeyInUse { .. })));
    }
}

/// The run id that the owner's process gives to a newly linked peer.
fn hello_runs(world: &mut Mesh) -> RunId {
    world.record();
    world.cut(OWNER, 0);
    world.run_for(SECOND);
    world.heal(OWNER, 0);
    world.run_until("linked", 10 * SECOND, |world| world.joined(OWNER, 0));
    let run = world.happenings().into_iter().find_map(|noted| match noted.what {
        Happening::Sent { from: OWNER, bytes, .. } => match Message::decode(&bytes) {
            Ok(Message::Hello(hello)) => Some(hello.run),
            _ => None,
        },
        _ => None,
    });
    run.expect("it greets")
}

/// Everything goes wrong at once: lossy and slow lines, wrong clocks, crashing peers, a mesh that is
/// partitioned while both run, and the order in which they began.
#[test]
fn a36_of_two_that_began_at_any_time_at_most_one_stops_and_it_is_the_later_one() {
    for seed in (1..24).chain(FOUND) {
        let mut rng = Rng::new(seed);
        let mut scenario = Scenario::begin(seed, &mut rng);
        let [older, newer] = scenario.begin_both(&mut rng);
        let writers: Vec<usize> = [older, newer].into_iter().filter(|_| rng.chance(4, 5)).collect();
        for _ in 0..rng.below(4) {
            scenario.two.run(rng.below(10 * SECOND), &writers);
            scenario.trouble(&mut rng, &writers);
        }
        let Scenario { mut two, events, was_parted, .. } = scenario;
        two.world.unite_all();
        two.world.describe_links(|_, _| LinkProfile::default());
        let healed = two.world.time();
        while two.stopped.is_empty() {
            two.run(SECOND, &[older, newer]);
            if two.world.time() > healed.after(3 * MINUTE) {
                let alarms = [older, newer].map(|process| two.world.alarms(process));
                panic!("seed {seed}: both go on: {events:?} {alarms:#?}");
            }
        }
        two.run(20 * SECOND, &[older, newer]);
        assert_eq!(two.stopped, [newer], "seed {seed}: {events:?}");
        two.check([older, newer], !was_parted);
    }
}

/// The faults while two processes run.
struct Scenario {
    two: Two,
    n: usize,
    events: Vec<String>,
    was_parted: bool,
}

impl Scenario {
    fn begin(seed: u64, rng: &mut Rng) -> Self {
        let n = if rng.chance(1, 6) { 9 + rng.index(20) } else { 2 + rng.index(7) };
        let (mut world, disk) = meshed(n, seed);
        let is_stale = rng.chance(1, 2);
        if rng.chance(1, 2) {
            world.notice_late(15 * SECOND, 5 * SECOND);
        }
        let two = Two::new(world, is_stale.then_some(disk));
        let events = vec![format!("{n} members, stale {is_stale}")];
        let mut scenario = Self { two, n, events, was_parted: false };
        if rng.chance(1, 2) {
            let loss_ppm = rng.below(20_000) as u32;
            scenario.events.push(format!("loss {loss_ppm} ppm"));
            let profile =
                LinkProfile { loss_ppm, late_ppm: loss_ppm, late_micros: 500_000, ..LinkProfile::default() };
            scenario.two.world.describe_links(move |_, _| profile);
        }
        for process in [OWNER, scenario.two.twin] {
            if rng.chance(1, 2) {
                scenario.two.world.set_clock(process, rng.below(120 * SECOND) as i64 - 60 * SECOND as i64);
            }
        }
        scenario
    }

    /// Starts both, the older one first.
    fn begin_both(&mut self, rng: &mut Rng) -> [usize; 2] {
        let twin = self.two.twin;
        if rng.chance(1, 3) {
            // They meet after both have run for a while.
            let side = |member| u8::from(member == twin || member != OWNER && rng.chance(1, 2));
            let groups: Vec<u8> = (0..=self.n).map(side).collect();
            self.part(&groups);
        }
        let twin_is_older = rng.chance(1, 3);
        self.events.push(format!("twin older {twin_is_older}"));
        self.two.run(2 * SECOND, &[OWNER]);
        if !twin_is_older {
            if !self.was_parted && rng.chance(1, 3) {
                self.events.push("lost disk".into());
                self.two.run(5 * SECOND, &[]);
                self.two.world.crash(OWNER);
                *self.two.world.disk(OWNER) = Mem::empty();
                self.start(OWNER);
                self.two.run(rng.below(6 * SECOND), &[]);
            }
            self.two.start_twin();
            return [OWNER, twin];
        }
        self.two.world.crash(OWNER);
        self.two.start_twin();
        self.two.run(rng.below(40 * SECOND) + 3 * SECOND, &[twin]);
        self.start(OWNER);
        [twin, OWNER]
    }

    fn start(&mut self, member: usize) {
        self.two.world.start(member);
        self.two.world.publish(member);
        if member > 0 {
            self.two.world.connect(member, "m0".into());
        }
    }

    fn part(&mut self, groups: &[u8]) {
        self.events.push(format!("parted {groups:?}"));
        self.was_parted = true;
        self.two.world.part(groups);
    }

    fn trouble(&mut self, rng: &mut Rng, writers: &[usize]) {
        match rng.below(3) {
            0 => {
                let groups: Vec<u8> = (0..=self.n).map(|_| rng.below(2) as u8).collect();
                self.part(&groups);
                self.two.run(rng.below(90 * SECOND), writers);
                self.two.world.unite_all();
            }
            1 => {
                let others: Vec<usize> = (0..self.n).filter(|member| *member != OWNER).collect();
                let peer = *rng.pick(&others);
                self.events.push(format!("m{peer} crashes"));
                self.two.world.crash(peer);
                self.two.run(rng.below(20 * SECOND), writers);
                self.start(peer);
            }
            _ => {
                let clock = rng.below(100 * SECOND) as i64 - 50 * SECOND as i64;
                let process = *rng.pick(&[OWNER, self.two.twin]);
                self.events.push(format!("clock of {process} {clock}"));
                self.two.world.set_clock(process, clock);
            }
        }
    }
}
