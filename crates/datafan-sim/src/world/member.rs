//! A member: a disk, a wall clock, and while it runs an engine with its driver.

use super::{content::Content, disk::Disk, happening::Happening, network::Network, signatures::Signatures};
use datafan_core::{
    connector::{Frame, Lane, SendError},
    engine::{Alarm, Answer, Command, Config, Effect, Engine, Immediate, Input, Outbox, Ticket},
    id::MemberId,
    store::{StoreError, StoreReader},
    time::{Now, Time, Timestamp},
};
use std::collections::{BTreeMap, VecDeque};

/// How often a full disk is checked.
const LOOK_MICROS: u64 = datafan_core::time::SECOND;

pub(super) struct Member<D: Disk> {
    pub config: Config,
    pub disk: D,
    pub engine: Option<Engine<D::Store>>,
    inbox: Vec<Input>,
    /// When a full disk was last checked.
    looked_at: Time,
    /// The addresses it was told since it was started: its own, and those that its user knows.
    told: Vec<Immediate>,
    /// Number of inputs that need no work.
    n_noop: usize,
    /// Offset of its wall clock from that of the world.
    pub clock_offset_micros: i64,
    /// Drift of its wall clock in millionths, and since when.
    pub clock_drift: (i64, Time),
    /// Duration of one call of the engine: inputs that arrive meanwhile wait and are handled together.
    pub handling_takes_micros: u64,
    /// Duration of a sync; nothing is handled meanwhile.
    pub sync_takes_micros: u64,
    pub answers: BTreeMap<Ticket, Answer>,
    pub alarms: Vec<Alarm>,
    pub ready: Vec<MemberId>,
    outbox: Outbox,
    syncing_until: Option<Time>,
    busy_until: Time,
    /// Frames that the connector did not accept, in order, by link and lane.
    kept: BTreeMap<(MemberId, Lane), VecDeque<Frame>>,
    /// Maximum bytes of these so far, by lane.
    most_kept: [usize; 2],
    runs: u64,
}

/// Number of effects for which a member keeps memory.
const EFFECTS_KEPT: usize = 32;

impl<D: Disk> Member<D> {
    pub fn new(config: Config, disk: D) -> Self {
        Self {
            config,
            disk,
            engine: None,
            inbox: Vec::new(),
            n_noop: 0,
            clock_offset_micros: 0,
            clock_drift: (0, Time(0)),
            handling_takes_micros: 0,
            sync_takes_micros: 0,
            answers: BTreeMap::new(),
            alarms: Vec::new(),
            ready: Vec::new(),
            outbox: Outbox::new(),
            syncing_until: None,
            busy_until: Time(0),
            looked_at: Time(0),
            told: Vec::new(),
            kept: BTreeMap::new(),
            most_kept: [0; 2],
            runs: 0,
        }
    }

    /// Another process of a running member, with different random numbers.
    pub fn twin(config: Config, disk: D) -> Self {
        Self { runs: 1 << 32, ..Self::new(config, disk) }
    }

    pub fn open(&mut self, seed: u64, signatures: Signatures, now: Now) {
        assert!(self.engine.is_none(), "it runs already");
        let store = self.disk.open().expect("the disk opens");
        let seed = seed.wrapping_add(self.runs);
        let engine = Engine::open(self.config.clone(), seed, Box::new(signatures), store, now);
        self.engine = Some(engine.unwrap_or_else(|error| panic!("the engine opens: {error}")));
        self.busy_until = now.time;
        self.told.clear();
        self.runs += 1;
        // The store of a new mesh counts as new only once.
        self.config.new_mesh = false;
    }

    /// The next start repeats the last one, on another disk.
    pub fn roll_back(&mut self, disk: D) {
        self.disk = disk;
        self.runs -= 1;
    }

    /// Records what must be repeated to an engine that opens its store again.
    pub fn remember_command(&mut self, command: &Command) {
        let Command::Immediate(command) = command else { return };
        match command {
            Immediate::Publish(_) => self.told.retain(|told| !matches!(told, Immediate::Publish(_))),
            Immediate::Connect { address, .. } => self.told.retain(
                |told| !matches!(told, Immediate::Connect { address: known, .. } if known == address),
            ),
        }
        self.told.push(command.clone());
    }

    /// What must be repeated.
    pub fn told(&self) -> Vec<Immediate> {
        self.told.clone()
    }

    /// Continues with the content of a disk that was found full, or has room again: like after a crash.
    pub fn reopen(&mut self, now: Now) {
        let engine = self.forget().expect("it runs");
        let engine = engine.reopen(now).unwrap_or_else(|error| panic!("the engine opens again: {error}"));
        self.engine = Some(engine);
        self.busy_until = now.time;
    }

    /// Drops the engine at once, with everything it had not handed over.
    pub fn forget(&mut self) -> Option<Engine<D::Store>> {
        self.inbox.clear();
        self.n_noop = 0;
        self.outbox = Outbox::new();
        self.syncing_until = None;
        self.kept.clear();
        self.ready.clear();
        self.engine.take()
    }

    /// Takes an input; true if it is the first one that needs work. Like the driver, it does not wake up for
    /// messages that change nothing.
    pub fn put(&mut self, input: Input) -> bool {
        let only_noop = self.inbox.len() == self.n_noop;
        let is_noop = only_noop && self.is_noop(&input);
        self.inbox.push(input);
        self.n_noop += usize::from(is_noop);
        only_noop && !is_noop
    }

    fn is_noop(&self, input: &Input) -> bool {
        let (Some(engine), Input::Message { bytes, .. }) = (&self.engine, input) else { return false };
        engine.noop_round().is_some_and(|noop| noop.bytes == *bytes)
    }

    /// When it next has something to do; `now` at the earliest.
    pub fn due(&self, now: Time) -> Time {
        let Some(engine) = &self.engine else { return Time::NEVER };
        let idle_at = self.syncing_until.unwrap_or(now).max(self.busy_until);
        if self.inbox.len() == self.n_noop && self.syncing_until.is_none() {
            // A full disk is checked even if nothing else happens.
            let look_at = engine.disk_full().map_or(Time::NEVER, |_| self.looked_at.after(LOOK_MICROS));
            return engine.next_wake().min(look_at).max(idle_at);
        }
        idle_at
    }

    /// Does what is due: first the end of a sync, then everything that waits, in one call. False if there was
    /// nothing.
    ///
    /// # Errors
    /// If the disk failed: then the member must be stopped.
    pub fn run(&mut self, index: usize, now: Now, network: &mut Network) -> Result<bool, StoreError> {
        if self.due(now.time) > now.time {
            return Ok(false);
        }
        if self.syncing_until.take().is_some() {
            self.sync(index, now.time, network)?;
        }
        self.look_at_disk(now.time)?;
        let mut inputs = std::mem::take(&mut self.inbox);
        self.n_noop = 0;
        if inputs.iter().any(|input| matches!(input, Input::Room { .. } | Input::LinkDown { .. })) {
            let learned = inputs.into_iter().filter_map(|input| self.learn(index, input, now.time, network));
            inputs = learned.collect();
        }
        if inputs.is_empty() {
            inputs.push(Input::Wake);
        }
        self.handle(index, inputs, now, network)?;
        self.busy_until = now.time.after(self.handling_takes_micros);
        Ok(true)
    }

    /// Checks regularly whether a disk that was full has room.
    fn look_at_disk(&mut self, now: Time) -> Result<(), StoreError> {
        let Some(engine) = self.engine.as_mut().filter(|engine| engine.disk_full().is_some()) else {
            return Ok(());
        };
        if self.looked_at.after(LOOK_MICROS) > now {
            return Ok(());
        }
        self.looked_at = now;
        match engine.has_room_again()? {
            true => Err(StoreError::Full { what: "there is room again".into() }),
            false => Ok(()),
        }
    }

    fn handle(
        &mut self,
        index: usize,
        inputs: Vec<Input>,
        now: Now,
        network: &mut Network,
    ) -> Result<(), StoreError> {
        let Some(engine) = &mut self.engine else { return Ok(()) };
        self.outbox.wants_sync = false;
        let n_syncs = self.disk.n_syncs();
        engine.handle(now, inputs, &mut self.outbox)?;
        if self.disk.n_syncs() > n_syncs {
            self.report_synced(index, now.time, network);
        }
        self.carry_out(index, now.time, network);
        let waits = !self.outbox.after_sync.is_empty();
        assert!(!waits || self.outbox.wants_sync, "effects wait for a sync that the engine does not ask for");
        match (self.outbox.wants_sync, self.sync_takes_micros) {
            (false, _) => {}
            (true, 0) => self.sync(index, now.time, network)?,
            (true, micros) => self.syncing_until = Some(now.time.after(micros)),
        }
        Ok(())
    }

    fn sync(&mut self, index: usize, now: Time, network: &mut Network) -> Result<(), StoreError> {
        let Some(engine) = &mut self.engine else { return Ok(()) };
        engine.sync(&mut self.outbox)?;
        self.report_synced(index, now, network);
        assert!(self.outbox.after_sync.is_empty(), "effects still wait for the sync that is done");
        self.carry_out(index, now, network);
        Ok(())
    }

    fn report_synced(&self, index: usize, now: Time, network: &mut Network) {
        if network.happenings.is_some() {
            let owned = [self.config.member.id(), self.config.mesh.authority()];
            let [own, roster] = owned.map(|owner| self.disk.synced(&owner).unwrap_or_default());
            network.note(now, Happening::Synced { member: index, own, roster });
        }
    }

    /// What the driver does before the engine sees an input: on `Room` it first sends what it kept.
    fn learn(&mut self, index: usize, input: Input, now: Time, network: &mut Network) -> Option<Input> {
        match input {
            Input::Room { peer, lane } => {
                let mut kept = self.kept.remove(&(peer, lane)).unwrap_or_default();
                while let Some(frame) = kept.pop_front() {
                    if let Some(frame) = self.hand_over(index, peer, frame, now, network) {
                        kept.push_front(frame);
                        self.kept.insert((peer, lane), kept);
                        return None;
                    }
                }
                Some(Input::Room { peer, lane })
            }
            Input::LinkDown { peer, .. } => {
                self.kept.retain(|(to, _), _| *to != peer);
                self.ready.retain(|ready| *ready != peer);
                Some(input)
            }
            Input::Command { .. }
            | Input::LinkUp { .. }
            | Input::Broken { .. }
            | Input::DialFailed { .. }
            | Input::DialFound { .. }
            | Input::Message { .. }
            | Input::Full { .. }
            | Input::Wake => Some(input),
        }
    }

    fn carry_out(&mut self, index: usize, now: Time, network: &mut Network) {
        let mut effects = std::mem::take(&mut self.outbox.now);
        for effect in effects.drain(..) {
            match effect {
                Effect::Send { to, frame } => self.send(index, to, frame, now, network),
                Effect::Dial { address, expected } => network.dial(now, index, address, expected),
                Effect::Close { peer, reason } => {
                    let peer = network.peer(index, &peer).expect("links are to members of the world");
                    network.close(now, index, peer, &reason);
                }
                Effect::Answer { ticket, answer } => {
                    network.note(now, Happening::Answered { member: index, ticket, answer: answer.clone() });
                    let twice = self.answers.insert(ticket, answer);
                    assert_eq!(twice, None, "{ticket:?} is answered twice");
                }
                Effect::Applied { owner, timestamp } => {
                    network.note(now, Happening::Applied { member: index, owner, timestamp });
                }
                Effect::Ready { peer } => self.ready.push(peer),
                // For people.
                Effect::Refused(_) => {}
                Effect::Alarm(alarm) => {
                    network.note(now, Happening::Alarmed { member: index, alarm: alarm.clone() });
                    self.alarms.push(*alarm);
                }
            }
        }
        // More will come; the memory of an unusually large number is released.
        if effects.capacity() <= EFFECTS_KEPT {
            self.outbox.now = effects;
        }
    }

    fn send(&mut self, index: usize, to: MemberId, frame: Frame, now: Time, network: &mut Network) {
        let lane = frame.lane;
        if let Some(kept) = self.kept.get_mut(&(to, lane)) {
            kept.push_back(frame);
            let most = &mut self.most_kept[lane as usize];
            *most = (*most).max(kept.iter().map(|frame| frame.bytes.len()).sum());
        } else if let Some(frame) = self.hand_over(index, to, frame, now, network) {
            let most = &mut self.most_kept[lane as usize];
            *most = (*most).max(frame.bytes.len());
            self.kept.insert((to, lane), [frame].into());
            self.inbox.push(Input::Full { peer: to, lane });
        }
    }

    /// Returns the frame if there was no room for it.
    fn hand_over(
        &self,
        index: usize,
        to: MemberId,
        frame: Frame,
        now: Time,
        network: &mut Network,
    ) -> Option<Frame> {
        match network.send(now, index, &to, frame) {
            Ok(()) | Err(SendError::Down) => None,
            Err(SendError::Full(frame)) => Some(frame),
        }
    }

    /// Maximum bytes that ever waited for room on this lane of a link.
    pub fn most_kept(&self, lane: Lane) -> usize {
        self.most_kept[lane as usize]
    }

    /// Whether it is in the middle of a sync, so that a crash now loses unsynced data.
    pub fn is_syncing(&self) -> bool {
        self.syncing_until.is_some()
    }

    /// Everything that a reader sees at this member when its wall clock shows `wall`; `None` while it does
    /// not run.
    pub fn content(&self, wall: Timestamp) -> Option<Content> {
        let reader = self.engine.as_ref()?.reader();
        Some(Content::read(&reader.snapshot().expect("the store works"), wall))
    }
}
