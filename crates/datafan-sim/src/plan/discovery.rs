//! Faults of members that find each other: islands, address changes, members that cannot be dialled.

use super::{
    action::{Action, Vacancy},
    drawing::Drawing,
};
use crate::world::BRIDGES;
use datafan_core::time::{MILLI, SECOND};

/// Maximum time until a running member publishes its changed address, in microseconds.
const PUBLISHED_MICROS: u64 = 60 * SECOND;

/// Draws these faults.
pub(super) fn draw(drawing: &mut Drawing<'_>) {
    dial_only(drawing);
    let n_moves = drawing.scenario.faults.moves as usize;
    let mut order: Vec<usize> = Vec::new();
    for n in 0..n_moves {
        if n % drawing.scenario.members == 0 {
            // Every member moves once before one moves again.
            let mut all: Vec<usize> = (0..drawing.scenario.members).collect();
            order = drawing.take(all.len() as u64, &mut all);
        }
        let (member, at) = (order[n % drawing.scenario.members], drawing.moment_apart());
        let vacancy = if n % 3 == 2 { Vacancy::Used } else { Vacancy::New };
        drawing.at(at, Action::Move(member, vacancy));
        if drawing.rng.chance(1, 2) {
            let crash = at.saturating_sub(MILLI);
            drawing.at(crash, Action::Crash(member));
            drawing.start_after(at, member);
        } else {
            let late = drawing.rng.below(PUBLISHED_MICROS);
            drawing.at(at + late, Action::Publish(member));
        }
    }
}

/// Members that cannot be dialled are never the first of the mesh or of an island: nobody might find it then.
fn dial_only(drawing: &mut Drawing<'_>) {
    let Some(discovery) = &drawing.scenario.discovery else { return };
    let members = drawing.scenario.members;
    let n = members * discovery.dial_only_per_mille as usize / 1_000;
    let mut first = 0;
    let mut firsts = vec![0];
    for size in &drawing.scenario.faults.islands {
        firsts.push(first);
        first += *size as usize;
    }
    let mut others: Vec<usize> = (0..members).filter(|member| !firsts.contains(member)).collect();
    let n = n.min(others.len()) as u64;
    drawing.plan.dial_only = drawing.take(n, &mut others).into_iter().collect();
}

impl Drawing<'_> {
    /// Draws members that die: first those outside islands.
    pub(super) fn take_dead(&mut self, n: u64, others: &mut Vec<usize>) -> Vec<usize> {
        let islands: u64 = self.scenario.faults.islands.iter().sum();
        let mut outside = Vec::new();
        if islands > 0 {
            (outside, *others) = others.iter().partition(|member| **member as u64 >= islands);
        }
        let n_outside = n.min(outside.len() as u64);
        let mut dead = self.take(n_outside, &mut outside);
        dead.extend(self.take(n - n_outside, others));
        others.extend(outside);
        dead
    }

    /// When a partition starts, how long it lasts, and the group of each member.
    pub(super) fn partition(&mut self) -> (u64, u64, Vec<u8>) {
        let faults = self.faults();
        let lasts = self.between(faults.cut_micros());
        if faults.islands.is_empty() {
            let (at, n) = (self.moment(), 2 + self.rng.below(3));
            return (at, lasts, (0..self.scenario.members).map(|_| self.rng.below(n) as u8).collect());
        }
        let mut groups = Vec::new();
        for (group, size) in faults.islands.iter().enumerate() {
            groups.extend((0..*size).map(|_| group as u8));
        }
        groups.resize(self.scenario.members, BRIDGES);
        (self.apart().0, lasts, groups)
    }

    /// When islands are separated: the longest partition, in the middle of the faults.
    fn apart(&self) -> (u64, u64) {
        let span = self.scenario.seconds * SECOND;
        let lasts = self.scenario.faults.cut_micros()[1].min(span);
        ((span - lasts) / 2, lasts)
    }

    /// A moment during the partition if there are islands, or else any moment.
    pub(super) fn moment_apart(&mut self) -> u64 {
        if self.scenario.faults.islands.is_empty() || self.scenario.faults.partitions == 0 {
            return self.moment();
        }
        let (begin, lasts) = self.apart();
        begin + 1 + self.rng.below(lasts.max(1))
    }
}
