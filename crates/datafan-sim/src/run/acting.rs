//! Doing to the mesh what the plan says, and undoing all of it.

use super::Run;
use crate::plan::Action;
use datafan_core::{
    engine::{Answer, Command},
    time::{MILLI, SECOND},
};

/// How often the authority is asked for one thing.
const TRIES_MAX: usize = 100;

impl Run<'_> {
    /// Starts a member that is down.
    pub(super) fn start(&mut self, member: usize) {
        self.world.disk(member).heal();
        self.failing.remove(&member);
        if !self.world.runs(member) && !self.leavers.contains(&member) {
            self.world.start(member);
            self.watch();
        }
    }

    /// Does one thing of the plan, where it still makes sense.
    pub(super) fn act(&mut self, action: Action) {
        self.counts.actions += 1;
        self.note_done(format!("{action:?}"));
        match action {
            Action::Crash(member) if self.world.runs(member) => self.world.crash(member),
            Action::Stop(member) if self.world.runs(member) => self.world.stop(member),
            Action::Crash(_) | Action::Stop(_) => {}
            // Who joins later does not start before.
            Action::Start(member) if self.plan.joiners.contains(&member) => {}
            Action::Start(member) => self.start(member),
            Action::Cut(a, b) => self.world.cut(a, b),
            Action::Heal(a, b) => self.world.heal(a, b),
            Action::Deafen(from, to) => self.world.deafen(from, to),
            Action::Undeafen(from, to) => self.world.undeafen(from, to),
            Action::Flap(a, b) => self.world.flap(a, b),
            Action::Part(groups) => self.across(&groups, |run, a, b| run.world.cut(a, b)),
            Action::Unite(groups) => self.across(&groups, |run, a, b| run.world.heal(a, b)),
            Action::FailDisk(member, writes, what) => {
                self.failing.insert(member);
                self.world.disk(member).fail_after(writes, what);
            }
            Action::SlowDisk(member, micros) => self.world.slow_sync(member, micros),
            Action::JumpClock(member, micros) => self.world.set_clock(member, micros),
            Action::Drift(member, ppm) => self.world.set_drift(member, ppm),
            Action::Backup(member) => {
                let copy = self.world.disk(member).copy();
                self.backups.insert(member, copy);
            }
            Action::Restore(member) => self.restore(member),
            Action::Admit(member) => self.admit(member),
            Action::Revoke(member, outcome) => self.revoke(member, outcome),
        }
        self.watch();
    }

    fn across(&mut self, groups: &[u8], act: impl Fn(&mut Self, usize, usize)) {
        for (a, b) in self.links.clone() {
            if groups[a] != groups[b] {
                act(self, a, b);
            }
        }
    }

    fn restore(&mut self, member: usize) {
        let Some(copy) = self.backups.remove(&member) else { return };
        if self.world.runs(member) {
            self.world.crash(member);
            self.watch();
        }
        self.ledger.note_restored(member);
        *self.world.disk(member) = copy;
    }

    fn admit(&mut self, member: usize) {
        let (id, name) = (self.world.id(member), self.world.config(member).name.clone());
        self.change_roster(&Command::Admit { id, name }, None);
        self.plan.joiners.remove(&member);
        self.start(member);
        self.write_first(member);
    }

    fn revoke(&mut self, member: usize, outcome: datafan_core::engine::Outcome) {
        self.leavers.insert(member);
        self.change_roster(&Command::Revoke { id: self.world.id(member), outcome }, Some(member));
        // It is told, and goes.
        self.run_to(self.world.time().after(500 * MILLI));
        if self.world.runs(member) {
            self.world.stop(member);
        }
    }

    /// Asks the authority until it is done: it may go down before.
    fn change_roster(&mut self, command: &Command, revoked: Option<usize>) {
        for _ in 0..TRIES_MAX {
            if self.failure.is_some() {
                return;
            }
            self.need_authority();
            let ticket = self.ask(0, command.clone());
            if let Some(member) = revoked {
                self.revoking.insert(ticket, member);
            }
            self.run_until(10 * SECOND, |run| !run.open.contains_key(&ticket));
            self.revoking.remove(&ticket);
            if matches!(self.world.answer(0, ticket), Some(Answer::Committed(_))) {
                return;
            }
        }
        self.fail("convergence", format!("the authority does not carry out {command:?}"));
    }

    /// Only a member with the authority's key changes the roster.
    fn need_authority(&mut self) {
        if !self.world.runs(0) {
            self.start(0);
        }
    }

    /// Losses of all links, as the scenario has them while faults happen.
    pub(super) fn set_losses(&mut self) {
        let faults = &self.scenario.faults;
        let ppm = [faults.loss_per_mille, faults.twice_per_mille, faults.late_per_mille].map(|n| n * 1_000);
        let late = faults.late_micros();
        self.each_link(|terms| {
            [terms.loss_ppm, terms.twice_ppm, terms.late_ppm] = ppm;
            terms.late_micros = late;
        });
    }

    fn each_link(&mut self, change: impl Fn(&mut crate::world::Terms)) {
        for (a, b) in self.links.clone() {
            change(self.world.terms(a, b));
        }
    }

    /// Ends all faults: links, disks and clocks work, and everybody runs who belongs.
    pub(super) fn heal(&mut self) {
        if self.failure.is_some() {
            return;
        }
        self.note_done("all heals".into());
        self.lying.set(self.scenario.faults.liars_go_on);
        self.each_link(|terms| [terms.loss_ppm, terms.twice_ppm, terms.late_ppm] = [0; 3]);
        for (a, b) in self.links.clone() {
            self.world.undeafen(a, b);
            self.world.undeafen(b, a);
            self.world.heal(a, b);
        }
        for member in 0..self.scenario.members {
            self.world.set_drift(member, 0);
            self.world.set_clock(member, 0);
            self.world.slow_sync(member, self.scenario.engine.sync_micros);
            self.start(member);
        }
        self.ledger.aim_at_what_is_left();
        self.faults.1 = self.world.time();
    }
}
