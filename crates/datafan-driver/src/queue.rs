//! The queue of the driver's thread: events of the connector and requests of callers, in order of arrival.

use crate::{
    compaction,
    error::{CommitError, StopReason},
    timers::Alarm,
    traffic::Traffic,
};
use datafan_core::{
    connector::{Event, Inbox},
    engine::{Command, Committed, OwnChange, Stats, Status, Write},
    limits::SMALL_BYTES_MAX,
};
use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// The queue. Requests take permits before they enter; events are bounded by their connector through
/// receipts.
pub struct Queue {
    content: Mutex<Content>,
    /// Signalled when something enters.
    entered: Condvar,
    room: Arc<Semaphore>,
}

struct Content {
    waiting: VecDeque<Entry>,
    /// The last collection left a heavy message behind.
    heavy_is_next: bool,
    /// A message for which the sleeping thread is not woken.
    noop: Option<Arc<[u8]>>,
    /// Number of such messages that wait.
    n_noop: usize,
    /// Closed: nothing enters any more.
    closed: bool,
}

/// Callers that have just been answered together: those that continue to write will return soon, and share a
/// sync again if the first of them waits for the others (like `commit_delay` in PostgreSQL).
#[derive(Clone, Copy, Default)]
pub struct Others {
    /// Number of callers.
    pub callers: usize,
    /// How long to wait for them.
    pub wait: Duration,
}

/// An entry of the queue.
pub enum Entry {
    /// From the connector.
    Event(Event),
    /// From a caller.
    Request(Request),
}

/// A request to the driver's thread.
pub enum Request {
    /// A command for the engine.
    Command(Waiting, Command),
    /// The engine's status.
    Status(oneshot::Sender<Status>),
    /// The counters of the engine and the connector.
    Stats(oneshot::Sender<(Stats, Traffic)>),
    /// Sets a timer.
    Timer(Instant, Alarm),
    /// Compacts the store.
    Compact(compaction::Reply),
    /// Stops after everything before it, for this reason.
    Stop(StopReason),
}

/// A caller whose command is in progress.
pub struct Waiting {
    /// Where the answer goes. The caller may be gone.
    pub reply: oneshot::Sender<Result<Committed, CommitError>>,
    /// Its share of the bound on commands; returned when the command is answered, however late.
    pub permit: Permit,
}

/// A share of the queue's bound.
pub struct Permit(#[allow(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl Queue {
    /// An empty queue.
    pub fn new() -> Self {
        let content =
            Content { waiting: VecDeque::new(), heavy_is_next: false, noop: None, n_noop: 0, closed: false };
        let room = Arc::new(Semaphore::new(ROOM_PERMITS as usize));
        Self { content: Mutex::new(content), entered: Condvar::new(), room }
    }

    /// Waits until `command` fits into the bound; `None` if the queue is closed.
    pub async fn permit(&self, command: &Command) -> Option<Permit> {
        let permit = self.room.clone().acquire_many_owned(permits(command)).await;
        permit.ok().map(Permit)
    }

    /// Adds `request`; returned if the queue is closed.
    pub fn request(&self, request: Request) -> Result<(), Request> {
        match self.enter(Entry::Request(request)) {
            Ok(()) => Ok(()),
            Err(Entry::Request(request)) => Err(request),
            Err(Entry::Event(_)) => unreachable!("what comes back is what was sent"),
        }
    }

    /// Waits until something is there or `until` is reached, and takes what waits, within the bounds of one
    /// commit; a heavy message is taken alone, alternating with all the light ones. If there are fewer
    /// entries than `others` says, and all are commands, it waits briefly for the rest. A few messages like
    /// `noop` do not wake the thread: waking it costs more than everything that an idle member has to do.
    pub fn gather(&self, until: Option<Instant>, others: Others, noop: Option<Arc<[u8]>>) -> Vec<Entry> {
        let mut content = self.content();
        content.noop = noop;
        while content.waiting.len() == content.n_noop {
            match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None => {
                    content = self.entered.wait(content).unwrap_or_else(PoisonError::into_inner);
                }
                Some(left) if left.is_zero() => break,
                Some(left) => {
                    let woken = self.entered.wait_timeout(content, left);
                    content = woken.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
        (content.noop, content.n_noop) = (None, 0);
        let end = Instant::now() + others.wait;
        while content.waiting.len() < others.callers && content.holds_commands_only() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let woken = self.entered.wait_timeout(content, left);
            content = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        content.take()
    }

    /// Closes the queue, wakes callers that wait for room, and returns the unhandled entries.
    pub fn close(&self) -> VecDeque<Entry> {
        self.room.close();
        let mut content = self.content();
        content.closed = true;
        content.n_noop = 0;
        std::mem::take(&mut content.waiting)
    }

    fn enter(&self, entry: Entry) -> Result<(), Entry> {
        let mut content = self.content();
        if content.closed {
            return Err(entry);
        }
        let is_noop = content.is_noop(&entry);
        content.waiting.push_back(entry);
        if is_noop {
            content.n_noop += 1;
        } else {
            self.entered.notify_one();
        }
        Ok(())
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        // A push or pop cannot be left half done.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    fn is_noop(&self, entry: &Entry) -> bool {
        let (Some(noop), Entry::Event(Event::Received { bytes, .. })) = (&self.noop, entry) else {
            return false;
        };
        self.n_noop < NOOP_MAX && bytes == noop
    }

    fn holds_commands_only(&self) -> bool {
        let is_command = |entry: &Entry| matches!(entry, Entry::Request(Request::Command(..)));
        !self.waiting.is_empty() && self.waiting.iter().all(is_command)
    }

    /// The results of a collection become visible when all of it is handled. So a push does not wait together
    /// with megabytes of answers, which take long to verify: it overtakes those that came before it, as lanes
    /// keep no order among each other.
    fn take(&mut self) -> Vec<Entry> {
        if !self.heavy_is_next || !self.heavy_may_go() {
            let light = self.take_light();
            if !light.is_empty() {
                self.heavy_is_next = self.waiting.iter().any(is_heavy);
                return light;
            }
        }
        self.heavy_is_next = false;
        let heavy = self.waiting.iter().position(is_heavy);
        heavy.and_then(|at| self.waiting.remove(at)).into_iter().collect()
    }

    /// Whether a heavy message waits, with no start or end of a link before it.
    fn heavy_may_go(&self) -> bool {
        self.waiting.iter().find(|entry| is_heavy(entry) || is_of_link(entry)).is_some_and(is_heavy)
    }

    /// All light entries, within the bounds, up to where they would overtake the start or end of a link.
    fn take_light(&mut self) -> Vec<Entry> {
        let (mut taken, mut bytes, mut passed) = (Vec::new(), 0, 0);
        while let Some(entry) = self.waiting.get(passed) {
            if is_heavy(entry) {
                passed += 1;
                continue;
            }
            let is_full = taken.len() == GATHER_ENTRIES_MAX || bytes >= GATHER_BYTES_MAX;
            if is_full || passed > 0 && is_of_link(entry) {
                break;
            }
            bytes += entry_bytes(entry);
            taken.extend(self.waiting.remove(passed));
        }
        taken
    }
}

/// Whether a message takes so long that others should not wait for it; a push never does.
fn is_heavy(entry: &Entry) -> bool {
    matches!(entry, Entry::Event(Event::Received { bytes, .. }) if bytes.len() > SMALL_BYTES_MAX)
}

fn is_of_link(entry: &Entry) -> bool {
    matches!(entry, Entry::Event(Event::LinkUp { .. } | Event::LinkDown { .. }))
}

fn entry_bytes(entry: &Entry) -> usize {
    match entry {
        Entry::Event(Event::Received { bytes, .. }) => bytes.len(),
        Entry::Request(Request::Command(_, command)) => command_bytes(command),
        Entry::Event(_) | Entry::Request(_) => 0,
    }
}

fn command_bytes(command: &Command) -> usize {
    match command {
        Command::Change(OwnChange::Commit(writes)) => {
            writes.iter().map(|write| write.bytes() + WRITE_OVERHEAD_BYTES).sum()
        }
        _ => 0,
    }
}

/// The share of the bound that a command takes.
fn permits(command: &Command) -> u32 {
    match command {
        // Clamped, so that a commit over the limits reaches the engine, which refuses it with the reason.
        Command::Change(OwnChange::Commit(_)) => {
            let kibibytes = u32::try_from(command_bytes(command) >> 10).unwrap_or(u32::MAX);
            kibibytes.clamp(COMMAND_PERMITS_MIN, ROOM_PERMITS)
        }
        // A writer may wait for the link that this dials.
        Command::Immediate(_) => 0,
        // Mostly answered at once: there are none.
        Command::Change(OwnChange::DiscardDivergent { .. }) => 0,
        Command::Change(
            OwnChange::Admit { .. }
            | OwnChange::Revoke { .. }
            | OwnChange::ChangeRoster(_)
            | OwnChange::CloseForks { .. }
            | OwnChange::Restamp,
        )
        | Command::ApplySignedRoster(_) => COMMAND_PERMITS_MIN,
    }
}

/// Maximum bytes of commands and messages that are handled together, without the last one.
const GATHER_BYTES_MAX: usize = 16 << 20;
/// Maximum number of commands, messages and events that are handled together.
const GATHER_ENTRIES_MAX: usize = 4_096;
/// Maximum number of messages that wait without waking the thread.
const NOOP_MAX: usize = 64;
/// The bound on commands that wait or are in progress, in KiB: two full collections, so that one fills while
/// the other is written.
const ROOM_PERMITS: u32 = 2 * (GATHER_BYTES_MAX >> 10) as u32;
/// The share of a small command: as many fit as two collections hold.
const COMMAND_PERMITS_MIN: u32 = ROOM_PERMITS / (2 * GATHER_ENTRIES_MAX as u32);
/// Memory of a write beyond its key and value.
const WRITE_OVERHEAD_BYTES: usize = size_of::<Write>() + 32;

const _: () = assert!(COMMAND_PERMITS_MIN > 0);

impl Inbox for Queue {
    fn push(&self, event: Event) {
        // Nobody reads after the end: dropping an event runs its receipt.
        drop(self.enter(Entry::Event(event)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafan_core::id::MemberId;
    use std::thread;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn commands_wait_for_those_that_were_answered_with_them() {
        let queue = Queue::new();
        let gathered = thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..3 {
                    enter(&queue, command());
                }
            });
            queue.gather(None, Others { callers: 3, wait: LONG }, None)
        });
        assert_eq!(gathered.len(), 3);
    }

    #[test]
    fn they_wait_for_a_bounded_time_and_no_event_waits() {
        let queue = Queue::new();
        enter(&queue, command());
        let others = Others { callers: 3, wait: Duration::from_millis(1) };
        assert_eq!(queue.gather(None, others, None).len(), 1);

        enter(&queue, command());
        enter(&queue, Entry::Event(Event::Broken { peer: MemberId([1; 32]) }));
        assert_eq!(queue.gather(None, Others { callers: 3, wait: LONG }, None).len(), 2);
        let soon = Instant::now() + Duration::from_millis(1);
        assert_eq!(queue.gather(Some(soon), Others { callers: 3, wait: LONG }, None).len(), 0);
    }

    #[test]
    fn who_sleeps_is_not_woken_for_what_changes_nothing() {
        let queue = Queue::new();
        let noop = || Some(vec![0; 34].into());
        let gathered = thread::scope(|scope| {
            let sleeper = scope.spawn(|| queue.gather(None, Others::default(), noop()));
            while queue.content().noop.is_none() {
                thread::yield_now();
            }
            for _ in 0..3 {
                enter(&queue, message(34));
            }
            assert_eq!(queue.content().n_noop, 3, "they were taken, and nobody is awake");
            enter(&queue, message(35));
            sleeper.join().expect("it does not panic")
        });
        let sizes_of = |gathered: &[Entry]| gathered.iter().map(entry_bytes).collect::<Vec<_>>();
        assert_eq!(sizes_of(&gathered), [34, 34, 34, 35], "in the order in which they came");

        enter(&queue, message(34));
        assert_eq!(sizes(&queue), [34], "nothing waits when it came before the sleep");
        let gathered = thread::scope(|scope| {
            let sleeper = scope.spawn(|| queue.gather(None, Others::default(), noop()));
            while queue.content().noop.is_none() {
                thread::yield_now();
            }
            (0..=NOOP_MAX).for_each(|_| enter(&queue, message(34)));
            sleeper.join().expect("it does not panic")
        });
        assert_eq!(gathered.len(), NOOP_MAX + 1, "too many wake");
    }

    #[test]
    fn what_is_heavy_is_gathered_alone_and_in_turns() {
        let queue = Queue::new();
        for bytes in [HEAVY, 1, HEAVY, HEAVY, 1, 1] {
            enter(&queue, message(bytes));
        }
        assert_eq!(sizes(&queue), [1, 1, 1]);
        assert_eq!(sizes(&queue), [HEAVY]);
        enter(&queue, message(1));
        assert_eq!(sizes(&queue), [1], "a light one waits for one heavy one");
        assert_eq!(sizes(&queue), [HEAVY]);
        assert_eq!(sizes(&queue), [HEAVY]);
    }

    #[test]
    fn nothing_passes_the_end_of_a_link() {
        let queue = Queue::new();
        for entry in [message(HEAVY), down(), message(1), message(HEAVY), message(1)] {
            enter(&queue, entry);
        }
        assert_eq!(sizes(&queue), [HEAVY]);
        assert_eq!(sizes(&queue), [0, 1, 1], "the end of the link, and what came after it");
        assert_eq!(sizes(&queue), [HEAVY]);
        for entry in [message(HEAVY), message(1), down(), message(HEAVY)] {
            enter(&queue, entry);
        }
        assert_eq!([sizes(&queue), sizes(&queue)], [vec![1], vec![HEAVY]]);
        assert_eq!([sizes(&queue), sizes(&queue)], [vec![0], vec![HEAVY]]);
    }

    const HEAVY: usize = SMALL_BYTES_MAX + 1;

    fn message(bytes: usize) -> Entry {
        let receipt = datafan_core::connector::Receipt::new(|| ());
        Entry::Event(Event::Received { from: MemberId([1; 32]), bytes: vec![0; bytes].into(), receipt })
    }

    fn down() -> Entry {
        Entry::Event(Event::LinkDown { peer: MemberId([1; 32]), reason: String::new() })
    }

    /// The collected entries, by bytes.
    fn sizes(queue: &Queue) -> Vec<usize> {
        let gathered = queue.gather(None, Others::default(), None);
        gathered.iter().map(entry_bytes).collect()
    }

    fn command() -> Entry {
        let (reply, _) = oneshot::channel();
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().expect("there is one");
        let waiting = Waiting { reply, permit: Permit(permit) };
        Entry::Request(Request::Command(waiting, OwnChange::Commit(Vec::new()).into()))
    }

    fn enter(queue: &Queue, entry: Entry) {
        assert!(queue.enter(entry).is_ok());
    }
}
