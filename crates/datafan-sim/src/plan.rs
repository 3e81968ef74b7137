//! What will go wrong, drawn wholly from the seed before anything happens.

use crate::scenario::{Faults, Scenario};
use datafan_core::{
    engine::Outcome as Revocation,
    time::{MILLI, SECOND},
};
use datafan_testkit::rng::Rng;
use std::collections::BTreeSet;

mod discovery;

/// One thing that is done to the mesh.
#[derive(Clone, Debug)]
pub enum Action {
    /// A member loses its power.
    Crash(usize),
    /// A member stops cleanly.
    Stop(usize),
    /// A member starts, on a disk that works again.
    Start(usize),
    /// A link is cut.
    Cut(usize, usize),
    /// A cut ends.
    Heal(usize, usize),
    /// One member's messages to another are lost.
    Deafen(usize, usize),
    /// They arrive again.
    Undeafen(usize, usize),
    /// A link breaks once.
    Flap(usize, usize),
    /// The mesh falls into groups; whose group each member is in.
    Part(Vec<u8>),
    /// These groups find each other again.
    Unite(Vec<u8>),
    /// A disk fails after so many more writes, saying this.
    FailDisk(usize, u64, &'static str),
    /// There is room for so many writes.
    FillDisk(usize, u64),
    /// There is room again.
    FreeDisk(usize),
    /// Syncs take this long.
    SlowDisk(usize, u64),
    /// A wall clock shows this much more, in microseconds.
    JumpClock(usize, i64),
    /// A wall clock goes faster by so many millionths.
    Drift(usize, i64),
    /// A member lives somewhere else from now on: where another one lived, or where nobody did.
    Move(usize, Vacancy),
    /// A member publishes where it lives.
    Publish(usize),
    /// Members lose their power, and never start again.
    Die(Vec<usize>),
    /// A copy of a disk is put aside.
    Backup(usize),
    /// A member loses its power, and its disk becomes the copy.
    Restore(usize),
    /// A member is admitted, and starts.
    Admit(usize),
    /// A member is revoked.
    Revoke(usize, Revocation),
}

/// Where a member moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Vacancy {
    /// Where nobody lived before.
    New,
    /// Where a member lived that has moved away, if there is one.
    Used,
}

/// A plan: actions by time since the faults begin, in microseconds.
#[derive(Default, Debug)]
pub struct Plan {
    /// Ascending.
    pub actions: Vec<(u64, Action)>,
    /// Members whose messages are altered.
    pub liars: BTreeSet<usize>,
    /// Members that are admitted by an action only.
    pub joiners: BTreeSet<usize>,
    /// Members that can dial and cannot be dialled.
    pub dial_only: BTreeSet<usize>,
}

/// Draws a plan for a mesh with `links`.
pub fn draw(scenario: &Scenario, links: &[(usize, usize)], rng: &mut Rng) -> Plan {
    let mut drawing = Drawing { scenario, links, rng, plan: Plan::default() };
    drawing.parts();
    drawing.members();
    drawing.network();
    drawing.machines();
    discovery::draw(&mut drawing);
    let mut plan = drawing.plan;
    plan.actions.sort_by_key(|(at, _)| *at);
    plan
}

struct Drawing<'a> {
    scenario: &'a Scenario,
    links: &'a [(usize, usize)],
    rng: &'a mut Rng,
    plan: Plan,
}

impl Drawing<'_> {
    /// Who plays which special part: different members, none of them the first.
    fn parts(&mut self) {
        let faults = self.faults();
        let mut others: Vec<usize> = (1..self.scenario.members).collect();
        // A joiner is linked to earlier members only if it is late; the last ones are.
        let n_joiners = faults.joins as usize;
        self.plan.joiners = others.split_off(others.len() - n_joiners).into_iter().collect();
        // Whoever leaves, and whoever lies for ever, must not be the only way between others.
        let mut gone = BTreeSet::new();
        let leavers = self.take_spare(faults.leaves, &mut others, &mut gone);
        let liars = match faults.liars_go_on {
            true => self.take_spare(faults.liars, &mut others, &mut gone),
            false => self.take(faults.liars, &mut others),
        };
        self.plan.liars = liars.into_iter().collect();
        let restored = self.take(faults.restores, &mut others);
        if faults.deaths > 0 {
            let dead = self.take_dead(faults.deaths, &mut others);
            self.at(0, Action::Die(dead));
        }
        for joiner in self.plan.joiners.clone() {
            let at = self.moment();
            self.at(at, Action::Admit(joiner));
        }
        for (n, leaver) in leavers.into_iter().enumerate() {
            let outcome = if n.is_multiple_of(2) { Revocation::Keep } else { Revocation::Drop };
            let at = self.moment_apart();
            self.at(at, Action::Revoke(leaver, outcome));
        }
        for member in restored {
            let (one, other) = (self.moment(), self.moment());
            self.at(one.min(other), Action::Backup(member));
            self.at(one.max(other), Action::Restore(member));
            let down = self.between(self.scenario.faults.down_micros());
            self.at(one.max(other) + down, Action::Start(member));
        }
    }

    fn take(&mut self, n: u64, others: &mut Vec<usize>) -> Vec<usize> {
        (0..n).map(|_| others.swap_remove(self.rng.index(others.len()))).collect()
    }

    /// Takes members without whom, and without those that are `gone`, the rest still hangs together; fewer than `n` if
    /// there are no more.
    fn take_spare(&mut self, n: u64, others: &mut Vec<usize>, gone: &mut BTreeSet<usize>) -> Vec<usize> {
        let mut taken = Vec::new();
        let mut tries = 0;
        while (taken.len() as u64) < n && !others.is_empty() && tries < 100 {
            tries += 1;
            let at = self.rng.index(others.len());
            gone.insert(others[at]);
            if is_connected(self.scenario.members, self.links, gone) {
                taken.push(others.swap_remove(at));
            } else {
                gone.remove(&others[at]);
            }
        }
        taken
    }

    fn members(&mut self) {
        let faults = self.faults();
        let stops = (0..faults.crashes).map(|_| true).chain((0..faults.stops).map(|_| false));
        for crash in stops {
            let (member, at) = (self.member(), self.moment());
            self.at(at, if crash { Action::Crash(member) } else { Action::Stop(member) });
            self.start_after(at, member);
        }
        for _ in 0..faults.disk_failures {
            let (member, at, writes) = (self.member(), self.moment(), self.rng.below(20));
            self.at(at, Action::FailDisk(member, writes, "the simulated disk fails"));
            self.start_after(at, member);
        }
        for _ in 0..faults.disks_full {
            let (member, at, writes) = (self.member(), self.moment(), self.rng.below(20));
            let lasts = self.between(faults.down_micros());
            self.at(at, Action::FillDisk(member, writes));
            self.at(at + lasts, Action::FreeDisk(member));
        }
    }

    fn network(&mut self) {
        let faults = self.faults();
        if self.links.is_empty() {
            return;
        }
        for _ in 0..faults.cuts {
            let ((a, b), at, lasts) = (self.link(), self.moment(), self.between(faults.cut_micros()));
            self.at(at, Action::Cut(a, b));
            self.at(at + lasts, Action::Heal(a, b));
        }
        for _ in 0..faults.one_way_cuts {
            let ((a, b), at, lasts) = (self.link(), self.moment(), self.between(faults.cut_micros()));
            let (from, to) = if self.rng.chance(1, 2) { (a, b) } else { (b, a) };
            self.at(at, Action::Deafen(from, to));
            self.at(at + lasts, Action::Undeafen(from, to));
        }
        for _ in 0..faults.partitions {
            let (at, lasts, groups) = self.partition();
            self.at(at, Action::Part(groups.clone()));
            self.at(at + lasts, Action::Unite(groups));
        }
        for _ in 0..faults.flaps {
            let ((a, b), at) = (self.link(), self.moment());
            self.at(at, Action::Flap(a, b));
        }
    }

    fn machines(&mut self) {
        let faults = self.faults();
        for _ in 0..faults.slow_disks {
            let (member, at) = (self.member(), self.moment());
            let (micros, lasts) =
                (5 * MILLI + self.rng.below(195 * MILLI), self.between(faults.cut_micros()));
            self.at(at, Action::SlowDisk(member, micros));
            self.at(at + lasts, Action::SlowDisk(member, self.scenario.engine.sync_micros));
        }
        let span = (if faults.clock_jump_seconds > 0 { faults.clock_jump_seconds } else { 1_200 }) * SECOND;
        for _ in 0..faults.clock_jumps {
            let (member, at, lasts) = (self.member(), self.moment(), self.between(faults.cut_micros()));
            let micros = self.rng.below(2 * span + 1) as i64 - span as i64;
            self.at(at, Action::JumpClock(member, micros));
            self.at(at + lasts, Action::JumpClock(member, 0));
        }
        for _ in 0..faults.drifting_clocks {
            let (member, ppm) = (self.member(), self.rng.below(1_001) as i64 - 500);
            self.at(0, Action::Drift(member, ppm));
        }
    }

    fn faults(&self) -> Faults {
        self.scenario.faults.clone()
    }

    fn start_after(&mut self, at: u64, member: usize) {
        let down = self.between(self.scenario.faults.down_micros());
        self.at(at + down, Action::Start(member));
    }

    fn at(&mut self, at: u64, action: Action) {
        self.plan.actions.push((at, action));
    }

    fn moment(&mut self) -> u64 {
        self.rng.below((self.scenario.seconds * SECOND).max(1))
    }

    fn between(&mut self, [least, most]: [u64; 2]) -> u64 {
        least + self.rng.below(most - least + 1)
    }

    fn member(&mut self) -> usize {
        self.rng.index(self.scenario.members)
    }

    fn link(&mut self) -> (usize, usize) {
        *self.rng.pick(self.links)
    }
}

/// Whether all members but those that are `gone` are linked through each other.
fn is_connected(members: usize, links: &[(usize, usize)], gone: &BTreeSet<usize>) -> bool {
    let mut neighbours = vec![Vec::new(); members];
    for (a, b) in links.iter().filter(|(a, b)| !gone.contains(a) && !gone.contains(b)) {
        neighbours[*a].push(*b);
        neighbours[*b].push(*a);
    }
    let mut reached = vec![false; members];
    reached[0] = true;
    let mut waiting = vec![0];
    while let Some(member) = waiting.pop() {
        for peer in &neighbours[member] {
            if !std::mem::replace(&mut reached[*peer], true) {
                waiting.push(*peer);
            }
        }
    }
    (0..members).all(|member| reached[member] || gone.contains(&member))
}
