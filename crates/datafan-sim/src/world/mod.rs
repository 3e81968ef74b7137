//! A simulated world: many engines in one thread, on virtual time, from one seed.
//!
//! It is a second driver of the same engine. A [`World`] has members with a store, a wall clock and an engine
//! each, connected by links with latency, rate, queues and faults. It causes no faults on its own: its user,
//! a test or a scenario, decides what fails, and when.
//!
//! ```text
//! let mut world = World::<Mem>::mesh(3, seed);     // three admitted members, no links yet
//! world.link_all(&line(3));
//! world.put(0, "color", b"red");                   // returns when it is on disk
//! world.lose_next(0, 1);
//! world.run_until("all equal", 10 * SECOND, |world| world.equal());
//! ```
//!
//! The same seed replays the same run, byte for byte: [`World::digest`] covers every message that was sent.

mod content;
mod dial;
mod discovery;
pub(crate) mod disk;
mod events;
mod guard;
mod happening;
pub(crate) mod ids;
mod lines;
mod link;
mod member;
mod network;
mod reading;
mod report;
mod signatures;
mod stops;
mod topology;
mod trace;
mod wakes;
mod write;
mod writes;

pub use content::Content;
pub use disk::Disk;
pub use guard::{heads_never_go_back, keeps_what_was_readable, uses_no_timestamp_twice};
pub use happening::{Happening, Noted};
pub use ids::Ids;
pub use link::{LinkProfile, Traffic};
pub use network::{BRIDGES, Fate, Passing};
pub use signatures::Signatures;
pub use topology::{circle, circle2, full, line, line2, random};
pub use write::{delete, put, put_until};

use datafan_core::{
    engine::{Answer, Command, Config, Input, OwnChange, Ticket},
    id::{MemberId, MeshId, Name},
    identity::Identity,
    store::StoreError,
    time::{Now, SECOND, Time, Timestamp},
};
use datafan_testkit::rng::Rng;
use member::Member;
use network::Network;
use wakes::Wakes;

/// A checker that runs after every step of a member.
type Guard = Box<dyn FnMut(usize, &Content)>;

/// Members on virtual time. Members are numbers from 0; member 0 founds the mesh and holds the authority key.
pub struct World<D: Disk> {
    /// The seed of the run; every failure names it.
    pub seed: u64,
    /// Random numbers for the test itself.
    pub rng: Rng,
    members: Vec<Member<D>>,
    network: Network,
    authority: Identity,
    time: Time,
    guards: Vec<Guard>,
    n_tickets: u64,
    /// The disk from which new disks are made.
    blank: D,
    signatures: Signatures,
    wakes: Wakes,
    /// Inputs for members; empty between two steps.
    told: Vec<(usize, Input)>,
    /// Members with work in this step; empty between two steps.
    awake: Vec<usize>,
    /// Steps since time last advanced.
    n_still: u32,
}

/// What all wall clocks show when the world starts.
const BEGINNING: u64 = 1_800_000_000 * SECOND;
/// Timeout of the helper functions of tests.
const PATIENCE_MICROS: u64 = 60 * SECOND;
/// Steps at one moment after which a member must be in an endless loop.
const STILL_MAX: u32 = 100_000;

impl<D: Disk> World<D> {
    /// A mesh of one running member.
    pub fn found(seed: u64) -> Self {
        Self::mesh(1, seed)
    }

    /// A mesh of `n` admitted, running members, without links or dials. Each has its own round period.
    pub fn mesh(n: usize, seed: u64) -> Self {
        Self::mesh_with(n, seed, |_, _| ())
    }

    /// Like [`World::mesh`], with other settings.
    pub fn mesh_with(n: usize, seed: u64, adjust: impl Fn(usize, &mut Config)) -> Self {
        let mut world = Self::empty(D::empty(), seed);
        for index in 0..n {
            world.add(|config| adjust(index, config));
            world.admit(index);
        }
        (1..n).for_each(|index| world.start(index));
        world
    }

    /// A world without members, whose disks are made from `blank`.
    pub fn empty(blank: D, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let authority = Identity::from_secret(&rng.array());
        let network = Network::new(rng.fork());
        let (time, guards) = (Time(SECOND), Vec::new());
        Self {
            seed,
            rng,
            members: Vec::new(),
            network,
            authority,
            time,
            guards,
            n_tickets: 0,
            blank,
            signatures: Signatures::default(),
            wakes: Wakes::new(),
            told: Vec::new(),
            awake: Vec::new(),
            n_still: 0,
        }
    }

    /// Adds a member, which is not admitted and does not run; member 0 starts at once.
    pub fn add(&mut self, adjust: impl FnOnce(&mut Config)) -> usize {
        let index = self.members.len();
        let mesh = MeshId(self.authority.id());
        let name = Name::new(&format!("m{index}")).expect("a sound name");
        let mut config = Config::new(mesh, Identity::from_secret(&self.rng.array()), name);
        (config.links_min, config.links_wanted_max) = (0, 0);
        config.round_micros = 600_000 + self.rng.below(800_000);
        if index == 0 {
            (config.authority, config.new_mesh) = (Some(self.authority.clone()), true);
        }
        adjust(&mut config);
        // Without dials, no member needs to know who is reachable.
        config.publish_links &= config.links_min > 0;
        self.network.add(config.member.id());
        let disk = self.blank.another();
        self.members.push(Member::new(config, disk));
        if index == 0 {
            self.start(0);
        }
        index
    }

    /// Adds another process with the key of a running member, on a copy of its current disk. It is not
    /// started, and has its own number.
    pub fn twin(&mut self, member: usize) -> usize {
        let original = &self.members[member];
        let (config, disk) = (original.config.clone(), original.disk.backup());
        self.network.add(config.member.id());
        self.members.push(Member::twin(config, disk));
        self.members.len() - 1
    }

    /// Member 0 admits a member.
    pub fn admit(&mut self, member: usize) {
        let name = self.members[member].config.name.clone();
        self.must(0, OwnChange::Admit { id: self.id(member), name });
    }

    /// The id of a member.
    pub fn id(&self, member: usize) -> MemberId {
        self.members[member].config.member.id()
    }

    /// The owner of the roster.
    pub fn authority(&self) -> &Identity {
        &self.authority
    }

    /// The mesh.
    pub fn mesh_id(&self) -> MeshId {
        MeshId(self.authority.id())
    }

    /// Number of members, running or not.
    pub fn n_members(&self) -> usize {
        self.members.len()
    }

    /// The settings of a member; changes take effect when it starts.
    pub fn config(&mut self, member: usize) -> &mut Config {
        &mut self.members[member].config
    }

    /// Starts a member on its disk.
    pub fn start(&mut self, member: usize) {
        let (now, seed) = (self.now(member), self.seed.wrapping_mul(31).wrapping_add(member as u64));
        self.members[member].open(seed, self.signatures.clone(), now);
        self.network.started(self.time, member);
        self.queue(member);
    }

    /// Resets a running member to a snapshot of its machine: the disk, and a process that still uses its old
    /// run id.
    pub fn roll_back(&mut self, member: usize, disk: D) {
        self.drop_engine(member, None);
        self.members[member].roll_back(disk);
        self.start(member);
    }

    fn drop_engine(&mut self, member: usize, error: Option<String>) {
        drop(self.members[member].forget());
        let told = self.network.stopped(self.time, member, error);
        self.tell(told);
    }

    /// The disk of a member.
    pub fn disk(&mut self, member: usize) -> &mut D {
        &mut self.members[member].disk
    }

    /// Whether a member runs.
    pub fn runs(&self, member: usize) -> bool {
        self.members[member].engine.is_some()
    }

    /// Sets a member's wall clock, relative to that of the world.
    pub fn set_clock(&mut self, member: usize, offset_micros: i64) {
        self.members[member].clock_offset_micros = offset_micros;
    }

    /// Lets a member's wall clock run faster than that of the world from now on, by `ppm` millionths; slower
    /// if negative.
    pub fn set_drift(&mut self, member: usize, ppm: i64) {
        let shown = self.wall(member).0 as i64;
        self.members[member].clock_drift = (ppm, self.time);
        self.members[member].clock_offset_micros = shown - (self.time.0 + BEGINNING) as i64;
    }

    /// What a member's wall clock shows.
    pub fn wall(&self, member: usize) -> Timestamp {
        let member = &self.members[member];
        let (ppm, since) = member.clock_drift;
        let drifted = (self.time.0.saturating_sub(since.0) as i64 / 1_000).saturating_mul(ppm) / 1_000;
        let offset = member.clock_offset_micros.saturating_add(drifted);
        Timestamp(self.time.0.saturating_add(BEGINNING).saturating_add_signed(offset))
    }

    /// Whether a timestamp is further ahead of a member's wall clock than a head may be.
    pub fn is_too_late(&self, member: usize, at: Timestamp) -> bool {
        at.0 > self.wall(member).0.saturating_add(self.members[member].config.clock_ahead_micros)
    }

    /// Sets the duration of a member's syncs, during which nothing else is handled there.
    pub fn slow_sync(&mut self, member: usize, micros: u64) {
        self.members[member].sync_takes_micros = micros;
    }

    /// Sets the duration of the calls of a member's engine; inputs that arrive meanwhile are handled
    /// together.
    pub fn slow_handling(&mut self, member: usize, micros: u64) {
        self.members[member].handling_takes_micros = micros;
    }

    /// Whether a member has carried out effects and waits for its disk.
    pub fn is_syncing(&self, member: usize) -> bool {
        self.members[member].is_syncing()
    }

    /// Links two members permanently: `dialler` dials whenever the link is down.
    pub fn link(&mut self, dialler: usize, dialled: usize) {
        self.network.keep_link(self.time, dialler, dialled);
    }

    /// Makes all `links`.
    pub fn link_all(&mut self, links: &[(usize, usize)]) {
        links.iter().for_each(|(dialler, dialled)| self.link(*dialler, *dialled));
    }

    /// A mesh of `n` members in a line, linked and with a common roster.
    pub fn line(n: usize, seed: u64) -> Self {
        let mut world = Self::mesh(n, seed);
        world.link_all(&line(n));
        world.run_until("a common beginning", PATIENCE_MICROS, |world| world.equal());
        world
    }

    /// Sets the properties of the link of two members from now on.
    pub fn link_profile(&mut self, a: usize, b: usize) -> &mut LinkProfile {
        &mut self.network.link(a, b).profile
    }

    /// Sets the default properties of links, for links that are not yet made.
    pub fn default_link_profile(&mut self) -> &mut LinkProfile {
        &mut self.network.profile
    }

    /// Shows every message to `interceptor` before it is sent, which decides about it.
    pub fn intercept(&mut self, interceptor: impl FnMut(&Passing<'_>) -> Fate + 'static) {
        self.network.intercept(Box::new(interceptor));
    }

    /// Loses the next message from one member to another that `which` accepts.
    pub fn lose_next(&mut self, from: usize, to: usize, which: impl Fn(&[u8]) -> bool + 'static) {
        let mut lost = false;
        self.intercept(move |passing| {
            let hit = !lost && (passing.from, passing.to) == (from, to) && which(passing.bytes);
            lost |= hit;
            if hit { Fate::Lose } else { Fate::Pass }
        });
    }

    /// Lets a linked member send `bytes` to another, whatever its engine does.
    pub fn inject(&mut self, from: usize, to: usize, bytes: Vec<u8>) {
        assert!(self.linked(from, to), "only linked members talk");
        let input = Input::Message { from: self.id(from), bytes: bytes.into() };
        self.tell(vec![(to, input)]);
    }

    /// Checks `guard` after every step of a member, with everything that is readable there.
    pub fn guard(&mut self, guard: impl FnMut(usize, &Content) + 'static) {
        self.guards.push(Box::new(guard));
    }

    /// Sends a command to a member; its answer arrives when time passes.
    pub fn ask(&mut self, member: usize, command: impl Into<Command>) -> Ticket {
        let command = command.into();
        self.members[member].remember_command(&command);
        assert!(self.runs(member), "m{member} does not run");
        self.n_tickets += 1;
        let ticket = Ticket(self.n_tickets);
        self.tell(vec![(member, Input::Command { ticket, command })]);
        ticket
    }

    /// The answer to a command, if it has arrived.
    pub fn answer(&self, member: usize, ticket: Ticket) -> Option<&Answer> {
        self.members[member].answers.get(&ticket)
    }

    /// Sends a command to a member and advances time until the answer arrives.
    pub fn done(&mut self, member: usize, command: impl Into<Command>) -> Answer {
        let ticket = self.ask(member, command);
        let deadline = self.time.after(PATIENCE_MICROS);
        while self.answer(member, ticket).is_none() {
            if self.next() > deadline {
                self.fail(&format!("m{member} does not answer a command"));
            }
            self.step();
        }
        self.answer(member, ticket).expect("just seen").clone()
    }

    /// Sends a command that must succeed.
    pub fn must(&mut self, member: usize, command: impl Into<Command>) -> datafan_core::engine::Committed {
        match self.done(member, command) {
            Answer::Committed(committed) => committed,
            Answer::Refused(error) => self.fail(&format!("m{member} refuses a command: {error}")),
        }
    }

    /// Advances time.
    pub fn run_for(&mut self, micros: u64) {
        let end = self.time.after(micros);
        while self.next() <= end {
            self.step();
        }
        self.time = end;
    }

    /// Advances the clock to `time`, before which nothing is due.
    pub fn wait_until(&mut self, time: Time) {
        if self.next() >= time {
            self.time = self.time.max(time);
        }
    }

    /// Advances time until `done`, which is checked every 10 ms; fails the test after `limit_micros`. Returns
    /// the duration in microseconds.
    pub fn run_until(&mut self, what: &str, limit_micros: u64, mut done: impl FnMut(&Self) -> bool) -> u64 {
        let begin = self.time;
        while !done(self) {
            if self.time >= begin.after(limit_micros) {
                self.fail(&format!("not within {limit_micros} us: {what}"));
            }
            self.run_for(10_000);
        }
        self.time.0 - begin.0
    }

    /// Records events from now on, for [`World::happenings`].
    pub fn record(&mut self) {
        self.network.happenings = Some(Vec::new());
    }

    /// The events since the last call, in order.
    pub fn happenings(&mut self) -> Vec<Noted> {
        let mut happenings = Vec::new();
        self.happenings_to(&mut happenings);
        happenings
    }

    /// Like [`World::happenings`], replacing the content of `happenings`.
    pub fn happenings_to(&mut self, happenings: &mut Vec<Noted>) {
        happenings.clear();
        if let Some(noted) = &mut self.network.happenings {
            std::mem::swap(noted, happenings);
        }
    }

    /// Processes the next event, if there is one: time advances to it, then each member with work does it.
    pub fn step(&mut self) {
        let next = self.next();
        if next == Time::NEVER {
            return;
        }
        self.n_still = if next > self.time { 0 } else { self.n_still + 1 };
        if self.n_still > STILL_MAX {
            self.fail("time does not move on");
        }
        self.time = next;
        let mut told = std::mem::take(&mut self.told);
        self.network.happened(next, &mut told);
        self.tell(told.drain(..));
        self.told = told;
        let mut awake = std::mem::take(&mut self.awake);
        self.wakes.due(next, &mut awake);
        for member in awake.drain(..) {
            let now = self.now(member);
            match self.members[member].run(member, now, &mut self.network) {
                Ok(true) => self.check(member, now),
                Ok(false) => {}
                Err(StoreError::Full { .. }) => self.reopen(member),
                Err(error) => self.drop_engine(member, Some(error.to_string())),
            }
            self.queue(member);
        }
        self.awake = awake;
    }

    /// Records when a member is due.
    fn queue(&mut self, member: usize) {
        self.wakes.set(member, self.members[member].due(self.time));
    }

    fn check(&mut self, member: usize, now: Now) {
        if self.guards.is_empty() {
            return;
        }
        if let Some(content) = self.members[member].content(now.wall) {
            self.guards.iter_mut().for_each(|guard| guard(member, &content));
        }
    }

    /// When the next event is due.
    pub fn next(&self) -> Time {
        self.network.next().min(self.wakes.next()).max(self.time)
    }

    fn now(&self, member: usize) -> Now {
        Now { time: self.time, wall: self.wall(member) }
    }

    fn tell(&mut self, told: impl IntoIterator<Item = (usize, Input)>) {
        for (member, input) in told {
            // A member with other inputs is already queued.
            if self.members[member].put(input) {
                self.queue(member);
            }
        }
    }
}
