//! A plan while it is drawn.

use super::action::{Action, Plan};
use crate::scenario::{Faults, Scenario};
use datafan_core::{
    engine::Disposition as Revocation,
    time::{MILLI, SECOND},
};
use datafan_testkit::rng::Rng;
use std::collections::BTreeSet;

pub(super) struct Drawing<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) links: &'a [(usize, usize)],
    pub(super) rng: &'a mut Rng,
    pub(super) plan: Plan,
}

impl Drawing<'_> {
    /// The members with special roles: all different, and none of them the first.
    pub(super) fn parts(&mut self) {
        let faults = self.faults();
        let mut others: Vec<usize> = (1..self.scenario.members).collect();
        // A joining member is linked to earlier members only, so it must be late; the last members are.
        let n_joiners = faults.joins as usize;
        self.plan.joiners = others.split_off(others.len() - n_joiners).into_iter().collect();
        // A member that leaves or misbehaves to the end must not be the only path between others.
        let mut gone = BTreeSet::new();
        let leavers = self.take_spare(faults.leaves, &mut others, &mut gone);
        let misbehaving = match faults.misbehaving_forever {
            true => self.take_spare(faults.misbehaving, &mut others, &mut gone),
            false => self.take(faults.misbehaving, &mut others),
        };
        self.plan.misbehaving = misbehaving.into_iter().collect();
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

    pub(super) fn take(&mut self, n: u64, others: &mut Vec<usize>) -> Vec<usize> {
        (0..n).map(|_| others.swap_remove(self.rng.index(others.len()))).collect()
    }

    /// Draws members without which, and without those that are `gone`, the rest stays connected; fewer than
    /// `n` if there are no more.
    pub(super) fn take_spare(
        &mut self,
        n: u64,
        others: &mut Vec<usize>,
        gone: &mut BTreeSet<usize>,
    ) -> Vec<usize> {
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

    pub(super) fn members(&mut self) {
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

    pub(super) fn network(&mut self) {
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

    pub(super) fn machines(&mut self) {
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

    pub(super) fn faults(&self) -> Faults {
        self.scenario.faults.clone()
    }

    pub(super) fn start_after(&mut self, at: u64, member: usize) {
        let down = self.between(self.scenario.faults.down_micros());
        self.at(at + down, Action::Start(member));
    }

    pub(super) fn at(&mut self, at: u64, action: Action) {
        self.plan.actions.push((at, action));
    }

    pub(super) fn moment(&mut self) -> u64 {
        self.rng.below((self.scenario.seconds * SECOND).max(1))
    }

    pub(super) fn between(&mut self, [least, most]: [u64; 2]) -> u64 {
        least + self.rng.below(most - least + 1)
    }

    pub(super) fn member(&mut self) -> usize {
        self.rng.index(self.scenario.members)
    }

    pub(super) fn link(&mut self) -> (usize, usize) {
        *self.rng.pick(self.links)
    }
}

/// Whether all members except those that are `gone` are connected by links.
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
