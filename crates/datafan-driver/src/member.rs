//! The body of the thread: collects inputs, passes them to the engine, and carries out its effects.

use crate::{
    board::{KeyInUse, Shared},
    clock::Clock,
    compaction::{self, CompactError, Schedule, expected_bytes},
    current::Current,
    error::{CommitError, StopReason},
    outgoing::Outgoing,
    queue::{Entry, Others, Request, Waiting},
    timers::Timers,
    trace,
    traffic::Traffic,
};
use datafan_core::{
    connector::{Connector, Event, Receipt},
    engine::{Alarm, Answer, Command, Effect, Engine, Input, Outbox, Stats, Status, Ticket},
    id::MemberId,
    store::{Compacted, Store, StoreError, StoreReader},
    time::Timestamp,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
    time::Instant,
};
use tokio::sync::oneshot;
use tracing::info;

mod reopen;
mod told;

/// A running member: everything that the thread owns.
pub struct Member<S: Store, C: Connector> {
    engine: Engine<S>,
    outgoing: Outgoing<C>,
    shared: Arc<Shared>,
    /// The snapshot that readers see.
    current: Arc<Current<SnapshotOf<S>>>,
    /// When to check readers next.
    next_check: Instant,
    clock: Clock,
    out: Outbox,
    compaction: Schedule,
    /// What to do when the commits of the turn are on disk and visible.
    turn: Turn,
    /// Callers whose commands the engine holds.
    tickets: BTreeMap<Ticket, Waiting>,
    n_tickets: u64,
    timers: Timers,
    /// Peers that are linked according to the connector.
    linked: BTreeSet<MemberId>,
    /// What to tell the engine again when it is opened again.
    told: told::Told,
    /// Whether the disk was full at the last check, and when the next one is due.
    was_full: bool,
    /// What was requested when the disk became full.
    kept: Option<Gathered>,
    next_look: Instant,
    /// Number of peers that are up.
    ready: BTreeSet<MemberId>,
    /// Inputs for the next call of the engine: lanes that became full while its effects were carried out.
    told_next: Vec<Input>,
    /// Callers that were answered after the last sync.
    others: Others,
    links: trace::Links,
}

/// The entries that were collected for one turn.
#[derive(Default)]
struct Gathered {
    inputs: Vec<Input>,
    /// Dropped when the engine has handled the inputs: peers may then send more.
    receipts: Vec<Receipt>,
    /// Answered when the engine has handled the inputs, so that callers see the effect of their earlier
    /// requests.
    questions: Vec<Question>,
    /// Why the member is to stop.
    stop: Option<StopReason>,
}

/// What a turn publishes and answers at its end.
#[derive(Default)]
struct Turn {
    /// Heads that moved.
    applied: Vec<(MemberId, Timestamp)>,
    answers: Vec<(Ticket, Answer)>,
}

/// The snapshots of a store.
pub type SnapshotOf<S> = <<S as Store>::Reader as StoreReader>::Snapshot;

/// The ticket of the member's own requests.
const NOBODY: Ticket = Ticket(0);
/// Commands wait for others for this fraction of the duration of a sync.
const WAIT_SHARE: u32 = 8;

enum Question {
    Status(oneshot::Sender<Status>),
    Stats(oneshot::Sender<(Stats, Traffic)>),
    Compact(compaction::Reply),
}

impl<S: Store, C: Connector> Member<S, C> {
    /// A member that starts to work when it is run.
    pub fn new(
        engine: Engine<S>,
        connector: C,
        shared: Arc<Shared>,
        current: Arc<Current<SnapshotOf<S>>>,
        clock: Clock,
    ) -> Self {
        Self {
            engine,
            outgoing: Outgoing::new(connector),
            shared,
            current,
            next_check: Instant::now(),
            clock,
            out: Outbox::new(),
            compaction: Schedule::new(Instant::now()),
            turn: Turn::default(),
            tickets: BTreeMap::new(),
            n_tickets: 0,
            timers: Timers::default(),
            linked: BTreeSet::new(),
            told: told::Told::default(),
            was_full: false,
            kept: None,
            next_look: Instant::now(),
            ready: BTreeSet::new(),
            told_next: Vec::new(),
            others: Others::default(),
            links: trace::Links::default(),
        }
    }

    /// Works until it is told to stop, then closes the store cleanly.
    ///
    /// # Errors
    /// If it ends for another reason: after a failure of the store, unacknowledged writes may be lost.
    pub fn run(mut self) -> Result<(), StopReason> {
        let worked = loop {
            match self.work() {
                Err(StoreError::Full { what }) => self = self.reopened(&what)?,
                done => break done,
            }
        };
        // Peers first: without the store nobody would answer them.
        self.outgoing.connector().stop();
        // A snapshot that outlives its store keeps the file in use.
        self.current.close();
        let reason = worked?;
        let closed = self.compact_if_it_pays().and_then(|()| self.engine.close());
        match closed {
            // Nobody was told of what could not be written.
            Ok(()) | Err(StoreError::Full { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        if reason == StopReason::Asked { Ok(()) } else { Err(reason) }
    }

    /// Returns the reason for which it was told to stop.
    fn work(&mut self) -> Result<StopReason, StoreError> {
        loop {
            let mut gathered = self.kept.take().unwrap_or_else(|| self.gather());
            let full = match self.tell(mem::take(&mut gathered.inputs)) {
                Err(StoreError::Full { what }) => Some(what),
                told => told.map(|()| None)?,
            };
            drop(mem::take(&mut gathered.receipts));
            if let Some(what) = full {
                // An engine that failed answers nobody.
                self.kept = Some(gathered);
                return Err(StoreError::Full { what });
            }
            for question in gathered.questions {
                self.answer(question)?;
            }
            self.ring();
            self.look_after_store()?;
            if let Some(reason) = gathered.stop {
                return Ok(reason);
            }
            self.look_at_disk()?;
        }
    }

    /// Waits for entries and sorts them.
    fn gather(&mut self) -> Gathered {
        let noop = self.engine.noop_round().map(|frame| frame.bytes);
        let entries = self.shared.queue.gather(self.next_wake(), mem::take(&mut self.others), noop);
        let mut gathered = Gathered { inputs: mem::take(&mut self.told_next), ..Gathered::default() };
        for entry in entries {
            match entry {
                Entry::Event(event) => self.on_event(event, &mut gathered),
                Entry::Request(request) => self.on_request(request, &mut gathered),
            }
            if gathered.stop.is_some() {
                // Later entries are answered when the queue closes.
                break;
            }
        }
        gathered
    }

    fn next_wake(&self) -> Option<Instant> {
        if !self.told_next.is_empty() {
            return Some(Instant::now());
        }
        let engine = self.clock.instant(self.engine.next_wake());
        engine.into_iter().chain(self.timers.next()).chain([self.disk_wake()]).min()
    }

    fn on_event(&mut self, event: Event, gathered: &mut Gathered) {
        let input = match event {
            Event::LinkUp { peer, address, direction } => {
                self.linked.insert(peer);
                Input::LinkUp { peer, address, direction }
            }
            Event::LinkDown { peer, reason } => {
                self.linked.remove(&peer);
                self.outgoing.forget(peer);
                if self.ready.remove(&peer) {
                    self.shared.change(|board| board.links = self.ready.len());
                }
                Input::LinkDown { peer, reason }
            }
            Event::Broken { peer } => Input::Broken { peer },
            Event::Received { from, bytes, receipt } => {
                gathered.receipts.push(receipt);
                Input::Message { from, bytes }
            }
            Event::Room { peer, lane } => match self.outgoing.flush(peer, lane) {
                Some(input) => input,
                None => return,
            },
            Event::DialFailed { address, expected, error } => Input::DialFailed { address, expected, error },
            Event::DialFound { address, expected, peer } => Input::DialFound { address, expected, peer },
        };
        gathered.inputs.push(input);
    }

    fn on_request(&mut self, request: Request, gathered: &mut Gathered) {
        match request {
            Request::Command(waiting, command) => gathered.inputs.push(self.command(waiting, command)),
            Request::Status(reply) => gathered.questions.push(Question::Status(reply)),
            Request::Stats(reply) => gathered.questions.push(Question::Stats(reply)),
            Request::Compact(reply) => gathered.questions.push(Question::Compact(reply)),
            Request::Timer(at, alarm) => self.timers.add(at, alarm),
            Request::Stop(reason) => gathered.stop = Some(reason),
        }
    }

    fn command(&mut self, waiting: Waiting, command: Command) -> Input {
        self.told.remember(&command);
        self.n_tickets += 1;
        let ticket = Ticket(self.n_tickets);
        self.tickets.insert(ticket, waiting);
        Input::Command { ticket, command }
    }

    /// Passes `inputs` to the engine in one call, and carries out its effects: first those that need no sync,
    /// then, when everything is on disk, those that do.
    fn tell(&mut self, mut inputs: Vec<Input>) -> Result<(), StoreError> {
        let now = self.clock.now();
        if self.engine.next_wake() <= now.time || self.was_full {
            inputs.push(Input::Wake);
        }
        if inputs.is_empty() {
            return Ok(());
        }
        let _entered = trace::span(&inputs).entered();
        inputs.iter().for_each(|input| self.links.input(input));
        self.engine.handle(now, inputs, &mut self.out)?;
        self.carry_out();
        if self.out.wants_sync {
            let began = Instant::now();
            self.engine.sync(&mut self.out)?;
            self.out.wants_sync = false;
            let is_answer = |effect: &&Effect| matches!(effect, Effect::Answer { .. });
            let callers = self.out.now.iter().filter(is_answer).count();
            self.others = Others { callers, wait: began.elapsed() / WAIT_SHARE };
            self.carry_out();
        }
        self.publish();
        Ok(())
    }

    fn carry_out(&mut self) {
        for effect in mem::take(&mut self.out.now) {
            self.links.effect(&effect);
            match effect {
                Effect::Send { to, frame } => self.told_next.extend(self.outgoing.send(to, frame)),
                Effect::Dial { address, expected } => self.outgoing.connector().dial(address, expected),
                Effect::Close { peer, reason } => self.outgoing.connector().close(peer, &reason),
                Effect::Answer { ticket, answer } => self.turn.answers.push((ticket, answer)),
                Effect::Applied { owner, timestamp } => self.turn.applied.push((owner, timestamp)),
                Effect::Ready { peer } => {
                    self.ready.insert(peer);
                    self.shared.change(|board| board.links = self.ready.len());
                }
                // The trace above logs it; the engine's status and counters keep it.
                Effect::Refused(_) => {}
                Effect::Alarm(alarm) => match *alarm {
                    Alarm::ForeignHead { theirs, ours } => {
                        self.shared.change(|board| board.key_conflict = Some((theirs, ours)));
                    }
                    Alarm::KeyInUse { place, empty } => {
                        self.shared.change(|board| board.key_in_use = Some(KeyInUse { place, empty }));
                    }
                    _ => {}
                },
            }
        }
    }

    /// Publishes what the turn wrote, including data of others: snapshot and board change together. Own data
    /// is on disk by now.
    fn publish(&mut self) {
        let Turn { applied, answers } = mem::take(&mut self.turn);
        let snapshot = self.engine.snapshot();
        if !self.current.shows(&snapshot) {
            self.compaction.set_written_at(Instant::now());
        }
        if !applied.is_empty() {
            self.shared.change(|board| {
                self.current.replace(snapshot);
                board.moved(applied);
            });
        } else if !self.current.shows(&snapshot) {
            self.current.replace(snapshot);
        }
        // Last, so that whoever has an answer can read its commit.
        for (ticket, answer) in answers {
            if ticket == NOBODY {
                continue;
            }
            let Waiting { reply, permit } = self.tickets.remove(&ticket).expect("one answer per ticket");
            // The caller may be gone: the write was made anyway.
            let _ = reply.send(match answer {
                Answer::Committed(committed) => Ok(committed),
                Answer::Refused(error) => Err(CommitError::Refused(error)),
            });
            drop(permit);
        }
    }

    /// Ends reads that took too long, and compacts while the member is idle.
    fn look_after_store(&mut self) -> Result<(), StoreError> {
        let now = Instant::now();
        if self.next_check > now {
            return Ok(());
        }
        self.next_check = now + self.current.check_interval();
        // If the store cannot report its size, its next write may fail.
        if let Ok(file_bytes) = self.engine.file_bytes() {
            self.current.check(now, file_bytes, || expected_bytes(&*self.engine.snapshot()));
        }
        if self.compaction.is_due(now) && self.current.oldest(now).is_none() {
            self.compact_if_it_pays()?;
        }
        Ok(())
    }

    /// Answers a question; the caller may be gone.
    fn answer(&mut self, question: Question) -> Result<(), StoreError> {
        match question {
            Question::Status(reply) => drop(reply.send(self.engine.status())),
            Question::Stats(reply) => {
                let (sent, received) = self.outgoing.connector().traffic();
                let traffic = Traffic { sent, received };
                drop(reply.send((self.engine.stats().clone(), traffic)));
            }
            Question::Compact(reply) => drop(reply.send(self.compact_now()?)),
        }
        Ok(())
    }

    fn compact_now(&mut self) -> Result<Result<Compacted, CompactError>, StoreError> {
        Ok(match self.compact()? {
            Some(Compacted { gave_up: true, .. }) => Err(CompactError::TooSlow),
            done => done.ok_or(CompactError::Held),
        })
    }

    fn compact(&mut self) -> Result<Option<Compacted>, StoreError> {
        let done = compaction::compact(&mut self.engine, &self.current)?;
        if let Some(Compacted { before, after, gave_up }) = done {
            info!(before, after, gave_up, "store compacted");
            self.compaction.set_compacted_bytes(after);
        }
        Ok(done)
    }

    /// Compacts if more than half is free: at a clean stop, when nobody waits for it.
    fn compact_if_it_pays(&mut self) -> Result<(), StoreError> {
        let expected = expected_bytes(&*self.engine.snapshot());
        let file_bytes = self.engine.file_bytes().unwrap_or_default();
        if self.compaction.pays(file_bytes, expected) {
            self.compact()?;
        }
        Ok(())
    }

    /// Tells callers whose timeout passed what their writes wait for.
    fn ring(&mut self) {
        let due = self.timers.due(Instant::now());
        if !due.is_empty() {
            let own = self.engine.status().own;
            for alarm in due {
                let _ = alarm.send(own);
            }
        }
    }
}
