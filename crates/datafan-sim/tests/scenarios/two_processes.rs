//! Two processes with one key that cannot be dialled, or not where the other looks: the one that began later stops.

use crate::{
    common::{Mem, Mesh, SEEDS},
    parting::discovering,
};
use datafan_core::{
    engine::{Alarm, Answer, Command, Ticket},
    time::{MILLI, SECOND},
};
use datafan_sim::world::{Disk, put};
use std::collections::BTreeMap;

const MINUTE: u64 = 60 * SECOND;
/// The member that runs twice.
const OWNER: usize = 1;

/// Two processes that write, and what they were told.
struct Two {
    world: Mesh,
    twin: usize,
    /// Writes under way: by whom, the key, and its answer's ticket.
    asked: Vec<(usize, String, Ticket)>,
    /// Keys that were acknowledged, and by whom.
    written: BTreeMap<String, usize>,
    /// Who has stopped as the process does that reads the alarm.
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

    /// Lets `micros` pass, in which each of `writers` writes about every 300 ms.
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

    /// Notes answers and alarms.
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

    /// What was acknowledged by one of both is read by everybody; by the other one it may be kept for its owner.
    fn check(&mut self, goes_on: usize) {
        let running: Vec<usize> =
            (0..self.world.n_members()).filter(|member| self.world.runs(*member)).collect();
        self.world.run_until("equal", 2 * MINUTE, |world| world.equal_among(&running));
        let owner = self.world.id(OWNER);
        let kept = self.world.status(goes_on).aside.is_some();
        let content = self.world.content(0);
        for (key, writer) in &self.written {
            let found = content.items.contains_key(&(owner, datafan_core::item::Key::new(key).unwrap()));
            let seed = self.world.seed;
            assert!(found || *writer != goes_on && kept, "seed {seed}: {key} was acknowledged and is gone");
        }
        let n = self.written.values().filter(|writer| **writer == goes_on).count();
        assert!(n > 3, "the one that goes on has written: {n}");
    }
}

/// Members that find each other, of which the owner cannot be dialled, and the disk of the owner as it was a while ago.
fn meshed(n: usize, seed: u64) -> (Mesh, Mem) {
    let mut world = discovering(n, seed);
    world.only_dials(OWNER);
    let nowhere = vec!["behind.m1".into()];
    world.ask(OWNER, Command::Publish(nowhere));
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
            eprintln!("seed {seed}, {n} members: {} ms", (two.world.time().0 - began.0) / 1000);
            two.run(10 * SECOND, &[OWNER, twin]);
            assert_eq!(two.stopped, [twin], "seed {seed}, {n} members");
            two.check(OWNER);
        }
    }
}
