//! Runs a scenario: members start and write, faults happen, everything heals, and then all members must
//! become equal and stay at rest.

mod acting;
mod read;
mod settling;
mod watching;
mod writing;

use crate::{
    checkers::{self, Checker},
    ledger::{Ledger, Mesh},
    measure::{Converged, Histogram, Progress, computed, memory},
    misbehaving::MisbehavingRelay,
    outcome::{Counts, Failure, Outcome, Picture},
    plan::{self, Plan},
    scenario::{Scenario, ScenarioError},
    store::{Pool, SharedDisk},
    topology::hops,
    world::{Fate, Noted},
};
use datafan_core::{
    connector::Address,
    engine::{OwnChange, Ticket},
    time::{MILLI, SECOND, Time},
};
use datafan_testkit::rng::Rng;
use read::Read;
use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    time::Instant,
};

/// Observes a simulation.
pub trait Observer {
    /// Some virtual time has passed.
    fn on_progress(&mut self, _: &Standing) {}
    /// An event happened. Only called if [`Observer::wants_events`].
    fn on_event(&mut self, _time: Time, _text: &str) {}
    /// Whether to describe every event in words.
    fn wants_events(&self) -> bool {
        false
    }
}

/// An observer that ignores everything.
pub struct Unwatched;

impl Observer for Unwatched {}

/// The progress of a simulation.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// The current phase.
    pub phase: &'static str,
    /// Virtual time.
    pub time: Time,
    /// Pairs of running members and owners.
    pub pairs: u64,
    /// The pairs that have converged.
    pub there: u64,
    /// Commits that became visible at members that did not make them.
    pub deliveries: u64,
}

/// Simulates `scenario` with `seed`. The same two always have the same outcome, except for memory and real
/// time.
///
/// # Errors
/// If the scenario violates a limit; nothing was simulated.
pub fn simulate(
    scenario: &Scenario,
    seed: u64,
    observer: &mut dyn Observer,
) -> Result<Outcome, ScenarioError> {
    scenario.check()?;
    let began = (Instant::now(), computed());
    let mut rng = Rng::new(seed);
    let links = scenario.topology.links(scenario.members, &mut rng.fork())?;
    let plan = plan::draw(scenario, &links, &mut rng.fork());
    let mut run = Run::new(scenario, seed, links, plan, rng, observer);
    // An assertion of the engine that fails is a finding like any other.
    let panicked = catch_unwind(AssertUnwindSafe(|| run.go())).err();
    if let Some(panic) = panicked {
        run.fail("no_panic", panic_text(&*panic));
    }
    Ok(run.outcome(began))
}

/// A running simulation.
struct Run<'a> {
    scenario: &'a Scenario,
    seed: u64,
    world: Mesh,
    ledger: Ledger,
    checkers: Vec<Box<dyn Checker>>,
    links: Vec<(usize, usize)>,
    plan: Plan,
    /// Random numbers for what is written.
    rng: Rng,
    observer: &'a mut dyn Observer,
    phase: &'static str,
    /// Whether misbehaving members misbehave.
    misbehaves: Rc<Cell<bool>>,
    /// Copies of disks.
    backups: BTreeMap<usize, SharedDisk>,
    /// Disks that were made to fail.
    failing: BTreeSet<usize>,
    /// Links that stand in for missing links of the topology, while an action applies to them.
    stand_ins: BTreeMap<(usize, usize), usize>,
    /// Addresses whose members have moved away, and the number of new addresses.
    vacant: Vec<Address>,
    n_moved: u64,
    /// Members that are dead for good.
    dead: BTreeSet<usize>,
    /// Members that were revoked.
    leavers: BTreeSet<usize>,
    /// Unacknowledged revocations, by their command.
    revoking: BTreeMap<Ticket, usize>,
    /// Unanswered commands.
    open: BTreeMap<Ticket, usize>,
    n_values: u64,
    /// The last events, for people.
    events: VecDeque<Event>,
    counts: Counts,
    deliveries: Histogram,
    progress: Progress,
    converged: Converged,
    /// From when on convergence is measured.
    goal: Option<Time>,
    faults: (Time, Time),
    next_tick: Time,
    /// A buffer for events, reused.
    happenings: Vec<Noted>,
    /// The last message that was decoded.
    read: Option<Read>,
    failure: Option<Failure>,
}

/// An event, kept until it is turned into text.
enum Event {
    Noted(Noted),
    Done(Time, String),
}

/// Rounds after which an equal mesh is at rest.
const SETTLE_ROUNDS: u64 = 5;
/// Number of events that a failure shows.
const EVENTS_MAX: usize = 30;
/// How often to check whether all members are equal and to tick the checkers.
const TICK_MICROS: u64 = 50 * MILLI;

impl<'a> Run<'a> {
    fn new(
        scenario: &'a Scenario,
        seed: u64,
        links: Vec<(usize, usize)>,
        plan: Plan,
        mut rng: Rng,
        observer: &'a mut dyn Observer,
    ) -> Self {
        let excused =
            if scenario.faults.misbehaving_forever { plan.misbehaving.clone() } else { BTreeSet::new() };
        let world = Mesh::empty(SharedDisk::new(Pool::default()), rng.next_u64());
        Self {
            scenario,
            seed,
            world,
            ledger: Ledger::new(scenario.members, excused),
            checkers: checkers::all(),
            links,
            plan,
            rng,
            observer,
            phase: "start",
            misbehaves: Rc::new(Cell::new(true)),
            backups: BTreeMap::new(),
            failing: BTreeSet::new(),
            stand_ins: BTreeMap::new(),
            vacant: Vec::new(),
            n_moved: 0,
            dead: BTreeSet::new(),
            leavers: BTreeSet::new(),
            revoking: BTreeMap::new(),
            open: BTreeMap::new(),
            n_values: 0,
            events: VecDeque::new(),
            counts: Counts::default(),
            deliveries: Histogram::default(),
            progress: Progress::default(),
            converged: Converged::default(),
            goal: None,
            faults: (Time(0), Time(0)),
            next_tick: Time(0),
            happenings: Vec::new(),
            read: None,
            failure: None,
        }
    }

    fn go(&mut self) {
        self.found();
        self.begin();
        self.disturb();
        self.heal();
        self.settle();
        self.rest();
    }

    /// Creates the members, admits them, and links them as the topology says.
    fn found(&mut self) {
        let engine = &self.scenario.engine;
        let tombstones = engine.tombstones_max;
        self.world.record();
        for member in 0..self.scenario.members {
            let round = engine.round_ms * MILLI;
            let round = round * 6 / 10 + self.rng.below(round * 8 / 10);
            let links = self.scenario.discovery.as_ref().map(|found| (found.links_min, found.links_wanted));
            self.world.add(|config| {
                (config.round_micros, config.tombstones_max) = (round, tombstones);
                (config.links_min, config.links_wanted_max) = links.unwrap_or((0, 0));
            });
            self.world.slow_handling(member, engine.handling_micros);
            self.world.slow_sync(member, engine.sync_micros);
            // The first one is running already: record its initial content before it does anything.
            self.watch();
        }
        for member in 0..self.scenario.members {
            if !self.plan.joiners.contains(&member) {
                let (id, name) = (self.world.id(member), self.world.config(member).name.clone());
                self.ask(0, OwnChange::Admit { id, name });
            }
        }
        self.run_until(60 * SECOND, |run| run.open.is_empty());
        self.describe_links([0; 3], 0);
        match &self.scenario.discovery {
            None => self.world.link_all(&self.links),
            Some(discovery) => {
                self.world.notice_late(discovery.idle_ms * MILLI, discovery.dial_ms * MILLI);
                self.plan.dial_only.iter().for_each(|member| self.world.only_dials(*member));
                self.introduce(0);
            }
        }
        self.set_lies();
    }

    /// Starts the members; each writes its first items.
    fn begin(&mut self) {
        let began = self.world.time();
        if self.scenario.seconds == 0 {
            self.goal = Some(began);
        }
        let n = self.scenario.members as u64;
        let (start, write) = (self.scenario.start_ms * MILLI, self.scenario.workload.initial_ms * MILLI);
        let mut due: Vec<(u64, Option<usize>, usize)> = Vec::new();
        for member in 0..self.scenario.members {
            let starts = start * member as u64 / n;
            if member > 0 && !self.plan.joiners.contains(&member) {
                due.push((starts, None, member));
            }
            due.push((starts + write * self.rng.below(1_000) / 1_000, Some(member), member));
        }
        due.sort_by_key(|(at, writes, member)| (*at, writes.is_some(), *member));
        for (at, writes, member) in due {
            self.run_to(began.after(at));
            match writes {
                None => self.start(member),
                Some(member) => self.write_first(member),
            }
        }
        self.run_to(began.after(start + write));
    }

    /// Faults and writes, as planned.
    fn disturb(&mut self) {
        self.phase = "faults";
        let began = self.world.time();
        let end = began.after(self.scenario.seconds * SECOND);
        self.faults = (began, end);
        self.set_losses();
        let mut actions: VecDeque<_> = std::mem::take(&mut self.plan.actions).into();
        let mut next_write = began.after(self.pause());
        while self.failure.is_none() {
            let next_action = actions.front().map_or(Time::NEVER, |(at, _)| began.after(*at));
            let next = next_action.min(next_write).min(end);
            self.run_to(next);
            if next == next_action && next < end {
                let (_, action) = actions.pop_front().expect("it was just seen");
                self.act(action);
            } else if next == next_write && next < end {
                self.write();
                next_write = next.after(self.pause());
            } else {
                break;
            }
        }
        // Members that were to join or leave at the very end still do.
        for (_, action) in actions {
            if matches!(action, plan::Action::Admit(_) | plan::Action::Revoke(..)) {
                self.act(action);
            }
        }
    }

    /// Repairs everything; then all members must become equal.
    fn settle(&mut self) {
        self.phase = "settle";
        let healed_at = self.world.time();
        self.goal.get_or_insert(healed_at);
        let bound = self.scenario.settle_seconds() * SECOND;
        self.run_until(bound, |run| {
            run.unanswered().is_none() && run.ledger.is_converged() && run.is_joined()
        });
        if let Some(goal) = self.goal {
            let micros = self.world.time().0 - goal.0;
            self.converged.note(micros, self.ledger.pairs(), self.ledger.is_converged());
        }
        if let Some((ticket, member)) = self.unanswered() {
            let what = format!("m{member} did not answer {ticket:?} within the bound");
            self.fail("convergence", what);
        }
        self.check_all(|checker, scene| checker.on_settled(scene, healed_at));
    }

    /// Whether links connect all members that count, with discovery.
    fn is_joined(&self) -> bool {
        self.scenario.discovery.is_none() || checkers::joined(&self.world, &self.ledger).len() <= 1
    }

    /// The first command that must still be answered. Nobody has to admit a misbehaving member, so its own
    /// commands may wait forever.
    fn unanswered(&self) -> Option<(Ticket, usize)> {
        let mut open = self.open.iter().map(|(ticket, member)| (*ticket, *member));
        open.find(|(_, member)| self.ledger.counts(*member))
    }

    /// The equal mesh at rest.
    fn rest(&mut self) {
        self.phase = "rest";
        self.links_settle();
        // Messages in flight still arrive, and rounds that found a difference end.
        let arrived = self.faults.1.after(self.scenario.faults.late_micros());
        let settle = SETTLE_ROUNDS * self.scenario.engine.round_ms * MILLI;
        self.run_to(self.world.time().max(arrived).after(settle));
        self.links_are_told();
        self.check_all(|checker, scene| checker.on_rest(scene));
        let end = self.world.time().after(self.scenario.idle_rounds * self.scenario.engine.round_ms * MILLI);
        self.run_to(end);
        self.links_are_told();
        self.check_all(|checker, scene| checker.at_end(scene));
        self.phase = "done";
    }

    /// Advances virtual time to `end`.
    fn run_to(&mut self, end: Time) {
        while self.failure.is_none() && self.world.next() <= end {
            if self.world.next() >= self.next_tick {
                self.tick();
            }
            self.world.step();
            self.watch();
        }
        self.world.wait_until(end);
    }

    /// Advances virtual time until `done`, which is checked at every tick, at most by `micros`.
    fn run_until(&mut self, micros: u64, done: impl Fn(&Self) -> bool) {
        let end = self.world.time().after(micros);
        while self.failure.is_none() && self.world.time() < end && !done(self) {
            self.run_to(self.world.time().after(TICK_MICROS).min(end));
        }
    }

    fn tick(&mut self) {
        let time = self.world.time();
        self.next_tick = time.after(TICK_MICROS);
        let pairs = self.ledger.pairs();
        self.progress.note(time, pairs);
        if let Some(goal) = self.goal.filter(|_| self.phase != "rest") {
            self.converged.note(time.0 - goal.0, pairs, self.ledger.is_converged());
        }
        let deliveries = self.ledger.n_deliveries();
        let standing = Standing { phase: self.phase, time, pairs: pairs.0, there: pairs.1, deliveries };
        self.observer.on_progress(&standing);
        self.check_all(|checker, scene| checker.on_tick(scene));
    }

    /// Lets misbehaving members alter what they send.
    fn set_lies(&mut self) {
        if self.plan.misbehaving.is_empty() {
            return;
        }
        let mesh = self.world.mesh_id();
        let mut misbehaving = BTreeMap::new();
        for member in self.plan.misbehaving.clone() {
            let key = self.world.config(member).member.clone();
            misbehaving.insert(
                member,
                MisbehavingRelay::new(self.rng.fork(), mesh, key, self.scenario.faults.violations_about),
            );
        }
        let (misbehaves, per_mille) =
            (self.misbehaves.clone(), u64::from(self.scenario.faults.violations_per_mille));
        let mut rng = self.rng.fork();
        self.world.intercept(move |passing| match misbehaving.get_mut(&passing.from) {
            Some(relay) if misbehaves.get() && rng.chance(per_mille, 1_000) => relay.violate(passing),
            Some(_) | None => Fate::Pass,
        });
    }

    fn fail(&mut self, checker: &str, what: String) {
        if self.failure.is_none() {
            let events = self.events.iter().map(Event::text).collect();
            let at = self.world.time().0;
            self.failure = Some(Failure { checker: checker.into(), what, at, events });
        }
    }

    fn outcome(mut self, (began, computed_before): (Instant, Option<u64>)) -> Outcome {
        let failed = |name: &str| self.failure.as_ref().filter(|failure| failure.checker == name);
        let mut checks: BTreeMap<&'static str, Option<String>> = BTreeMap::new();
        for checker in &self.checkers {
            let name = checker.name();
            checks.insert(name, failed(name).map(|failure| failure.what.clone()));
        }
        checks.insert("no_panic", failed("no_panic").map(|failure| failure.what.clone()));
        self.counts.deliveries = self.ledger.n_deliveries();
        self.counts.signatures = self.world.signatures().n_checked();
        self.counts.links = self.world.links().count() as u64;
        let up: Vec<(usize, usize)> =
            self.world.links().filter(|(_, up)| *up).map(|(ends, _)| ends).collect();
        let links = if self.scenario.discovery.is_some() { &up } else { &self.links };
        self.counts.hops = hops(self.scenario.members, links);
        let running = (0..self.world.n_members()).filter(|member| self.world.runs(*member));
        self.counts.refusals =
            running.map(|member| self.world.stats(member).refusals.values().sum::<u64>()).sum();
        Outcome {
            scenario: self.scenario.name.clone(),
            seed: self.seed,
            members: self.scenario.members,
            topology: self.scenario.topology.to_string(),
            equal: self.failure.is_none(),
            trace_digest: self.world.digest(),
            virtual_micros: self.world.time().0,
            real_micros: began.elapsed().as_micros() as u64,
            computed_micros: computed().zip(computed_before).map(|(now, before)| now - before),
            round_micros: self.scenario.engine.round_ms * MILLI,
            counts: self.counts,
            picture: self.picture(),
            deliveries: self.deliveries,
            converged: self.converged,
            progress: self.progress,
            faults: (self.faults.0.0, self.faults.1.0),
            memory: memory(),
            checks,
            failure: self.failure,
        }
    }

    fn picture(&mut self) -> Picture {
        let items = |owner: usize| {
            let target = self.ledger.made(owner, self.ledger.target(owner));
            target.map_or(0, |made| made.head.items)
        };
        let mut members: Vec<(String, u64)> =
            (0..self.scenario.members).map(|member| (String::new(), items(member))).collect();
        for (member, (name, _)) in members.iter_mut().enumerate() {
            *name = self.world.config(member).name.to_string();
        }
        let mut links: Vec<_> = self.world.links().collect();
        links.sort_unstable();
        Picture { members, links }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without text").into()
}
