//! Executes the actions of the plan, and undoes all of them at the end.

use super::Run;
use crate::{
    ledger::Mesh,
    plan::{Action, Vacancy},
};
use datafan_core::{
    engine::{Answer, OwnChange},
    time::{MILLI, SECOND},
};

/// How often the authority is asked to do something.
const TRIES_MAX: usize = 100;

impl Run<'_> {
    /// Starts a member that is down.
    pub(super) fn start(&mut self, member: usize) {
        self.world.disk(member).heal();
        self.failing.remove(&member);
        let gone = self.leavers.contains(&member) || self.dead.contains(&member);
        if !self.world.runs(member) && !gone {
            self.world.start(member);
            self.watch();
            self.introduce(member);
        }
    }

    /// A started member publishes its address and is given the addresses that its user knows.
    pub(super) fn introduce(&mut self, member: usize) {
        let Some(discovery) = self.scenario.discovery.as_ref().filter(|_| self.world.runs(member)) else {
            return;
        };
        self.world.publish(member);
        let most = if discovery.seeds == 0 { usize::MAX } else { discovery.seeds };
        let known = self.links.iter().filter(|(from, _)| *from == member).map(|(_, to)| *to);
        let mut seeds: Vec<usize> = known.filter(|to| !self.plan.dial_only.contains(to)).take(most).collect();
        if seeds.is_empty() && member > 0 {
            seeds.push(0);
        }
        // The addresses as its user once wrote them down, whoever has them now.
        seeds.into_iter().for_each(|to| self.world.connect(member, format!("m{to}").into()));
    }

    /// Executes one action of the plan, if it still makes sense.
    pub(super) fn act(&mut self, action: Action) {
        self.counts.actions += 1;
        self.report_action(format!("{action:?}"));
        match action {
            Action::Crash(member) if self.world.runs(member) => self.world.crash(member),
            Action::Stop(member) if self.world.runs(member) => self.world.stop(member),
            Action::Crash(_) | Action::Stop(_) => {}
            // A member that joins later does not start before that.
            Action::Start(member) if self.plan.joiners.contains(&member) => {}
            Action::Start(member) => self.start(member),
            Action::Cut(a, b) => self.on_link(a, b, |world, a, b| world.cut(a, b)),
            Action::Heal(a, b) => self.on_link(a, b, |world, a, b| world.heal(a, b)),
            Action::Deafen(from, to) => self.on_link(from, to, |world, from, to| world.deafen(from, to)),
            Action::Undeafen(from, to) => self.on_link(from, to, |world, from, to| world.undeafen(from, to)),
            Action::Flap(a, b) => self.on_link(a, b, |world, a, b| world.flap(a, b)),
            Action::Part(groups) if self.scenario.discovery.is_some() => self.world.part(&groups),
            Action::Unite(groups) if self.scenario.discovery.is_some() => self.world.unite(&groups),
            Action::Part(groups) => self.across(&groups, |run, a, b| run.world.cut(a, b)),
            Action::Unite(groups) => self.across(&groups, |run, a, b| run.world.heal(a, b)),
            Action::Move(member, vacancy) => self.relocate(member, vacancy),
            Action::Publish(member) if self.world.runs(member) => self.world.publish(member),
            Action::Publish(_) => {}
            Action::Die(members) => self.die(&members),
            Action::FailDisk(member, writes, what) => {
                self.failing.insert(member);
                self.world.disk(member).fail_after(writes, what);
            }
            Action::FillDisk(member, writes) => self.world.disk(member).fill_after(writes),
            Action::FreeDisk(member) => self.world.disk(member).free(),
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
        self.disturbed();
    }

    /// Records that something was done to lines or members.
    pub(super) fn disturbed(&mut self) {
        self.check_all(|checker, scene| checker.on_disturbed(scene));
    }

    /// Applies an action to a link of the topology. With discovery it may not exist: then to another link of
    /// the same member, and the end of the action to the same one.
    fn on_link(&mut self, a: usize, b: usize, act: impl Fn(&mut Mesh, usize, usize)) {
        let (a, b) = match self.scenario.discovery.is_some() {
            true => (a, self.stand_in(a, b)),
            false => (a, b),
        };
        act(&mut self.world, a, b);
    }

    fn stand_in(&mut self, a: usize, b: usize) -> usize {
        if let Some(peer) = self.stand_ins.remove(&(a, b)) {
            return peer;
        }
        let peers = self.world.peers(a);
        let peer = if peers.contains(&b) { b } else { peers.first().copied().unwrap_or(b) };
        self.stand_ins.insert((a, b), peer);
        peer
    }

    fn relocate(&mut self, member: usize, vacancy: Vacancy) {
        // Behind address translation nobody sees the change.
        if self.plan.dial_only.contains(&member) {
            return;
        }
        let old = self.world.address(member);
        let used = self.vacant.iter().position(|address| *address != old);
        let new = match used.filter(|_| vacancy == Vacancy::Used) {
            Some(at) => self.vacant.remove(at),
            None => {
                self.n_moved += 1;
                format!("m{member}.{}", self.n_moved).into()
            }
        };
        self.vacant.push(old);
        self.world.move_to(member, new);
    }

    fn die(&mut self, members: &[usize]) {
        for member in members {
            self.dead.insert(*member);
            if self.world.runs(*member) {
                self.world.crash(*member);
                self.watch();
            }
        }
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
        self.ledger.forget_promises(member);
        *self.world.disk(member) = copy;
    }

    fn admit(&mut self, member: usize) {
        let (id, name) = (self.world.id(member), self.world.config(member).name.clone());
        self.change_roster(&OwnChange::Admit { id, name }, None);
        self.plan.joiners.remove(&member);
        self.start(member);
        self.write_first(member);
    }

    fn revoke(&mut self, member: usize, disposition: datafan_core::engine::Disposition) {
        self.leavers.insert(member);
        self.change_roster(&OwnChange::Revoke { id: self.world.id(member), disposition }, Some(member));
        // It learns of the revocation and leaves.
        self.run_to(self.world.time().after(500 * MILLI));
        if self.world.runs(member) {
            self.world.stop(member);
        }
    }

    /// Asks the authority until the command is done: the authority may go down before that.
    fn change_roster(&mut self, change: &OwnChange, revoked: Option<usize>) {
        for _ in 0..TRIES_MAX {
            if self.failure.is_some() {
                return;
            }
            self.need_authority();
            let ticket = self.ask(0, change.clone());
            if let Some(member) = revoked {
                self.revoking.insert(ticket, member);
            }
            self.run_until(10 * SECOND, |run| !run.open.contains_key(&ticket));
            self.revoking.remove(&ticket);
            if matches!(self.world.answer(0, ticket), Some(Answer::Committed(_))) {
                return;
            }
        }
        self.fail("convergence", format!("the authority did not carry out {change:?}"));
    }

    /// Only a member with the authority key changes the roster.
    fn need_authority(&mut self) {
        if !self.world.runs(0) {
            self.start(0);
        }
    }

    /// Sets the losses of all links to those of the scenario during faults.
    pub(super) fn set_losses(&mut self) {
        let faults = &self.scenario.faults;
        let ppm = [faults.loss_per_mille, faults.twice_per_mille, faults.late_per_mille].map(|n| n * 1_000);
        self.describe_links(ppm, faults.late_micros());
    }

    /// Sets the properties of links from now on, with these losses.
    pub(super) fn describe_links(&mut self, ppm: [u32; 3], late_micros: u64) {
        let network = self.scenario.network.clone();
        self.world.describe_links(move |a, b| {
            let mut profile = network.profile(a, b);
            [profile.loss_ppm, profile.twice_ppm, profile.late_ppm] = ppm;
            profile.late_micros = late_micros;
            profile
        });
    }

    /// Ends all faults: links, disks and clocks work, and all members that belong to the mesh run.
    pub(super) fn heal(&mut self) {
        if self.failure.is_some() {
            return;
        }
        self.report_action("all heals".into());
        self.misbehaves.set(self.scenario.faults.misbehaving_forever);
        self.describe_links([0; 3], 0);
        let made: Vec<(usize, usize)> = self.world.links().map(|(ends, _)| ends).collect();
        for (a, b) in made.into_iter().chain(self.links.clone()) {
            self.world.undeafen(a, b);
            self.world.undeafen(b, a);
            self.world.heal(a, b);
        }
        self.world.unite_all();
        for member in 0..self.scenario.members {
            self.world.set_drift(member, 0);
            self.world.set_clock(member, 0);
            self.world.slow_sync(member, self.scenario.engine.sync_micros);
            self.start(member);
            if self.scenario.discovery.is_some() && self.world.runs(member) {
                self.world.publish(member);
            }
        }
        self.disturbed();
        self.ledger.aim_at_what_is_left();
        self.faults.1 = self.world.time();
    }
}
