//! A member of a scenario: a connector and all the events that it pushed.

use super::site::{Site, Started};
use datafan_core::{
    connector::{Address, Connector, Direction, Event, Frame, Inbox, Lane, Receipt, SendError},
    id::MemberId,
};
use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

/// A connector with its log.
pub struct Member<C> {
    /// The connector.
    pub connector: C,
    /// Its id.
    pub id: MemberId,
    /// The address at which it can be dialled.
    pub address: Address,
    /// Its inbox.
    pub log: Arc<Log>,
}

/// The events of a member, in order, until they are taken.
#[derive(Default)]
pub struct Log {
    events: Mutex<VecDeque<Event>>,
    arrived: Condvar,
    /// Peers that dials without an expected peer found already linked: their order among the events depends
    /// on timing.
    found: Mutex<Vec<MemberId>>,
}

impl Inbox for Log {
    fn push(&self, event: Event) {
        if let Event::DialFound { peer, .. } = event {
            self.found.lock().expect("no scenario panics in here").push(peer);
            self.arrived.notify_all();
            return;
        }
        self.events.lock().expect("no scenario panics in here").push_back(event);
        self.arrived.notify_all();
    }
}

impl Log {
    /// The next event, if one arrives within `patience`.
    pub fn next_within(&self, patience: Duration) -> Option<Event> {
        let deadline = Instant::now() + patience;
        let mut events = self.events.lock().expect("no scenario panics in here");
        while events.is_empty() {
            let rest = deadline.checked_duration_since(Instant::now())?;
            events = self.arrived.wait_timeout(events, rest).expect("no scenario panics in here").0;
        }
        events.pop_front()
    }

    /// Waits until a dial has found `peer` already linked.
    pub fn finds(&self, peer: MemberId) {
        let deadline = Instant::now() + PATIENCE;
        while !self.found.lock().expect("no scenario panics in here").contains(&peer) {
            let rest = deadline.checked_duration_since(Instant::now()).expect("the dial has an outcome");
            let events = self.events.lock().expect("no scenario panics in here");
            let rest = rest.min(Duration::from_millis(100));
            drop(self.arrived.wait_timeout(events, rest).expect("no scenario panics in here"));
        }
        self.found.lock().expect("no scenario panics in here").retain(|found| *found != peer);
    }

    /// The next event, which must arrive.
    pub fn next(&self) -> Event {
        self.next_within(PATIENCE).expect("an event comes in time")
    }

    /// Number of events not yet taken.
    #[allow(clippy::len_without_is_empty, reason = "a count, not a collection")]
    pub fn len(&self) -> usize {
        self.events.lock().expect("no scenario panics in here").len()
    }
}

impl<C: Connector> Member<C> {
    /// Starts the member number `n` of `site`.
    pub fn start<S: Site<Connector = C>>(site: &S, n: u8) -> Self {
        let log = Arc::new(Log::default());
        let Started { connector, id, address } = site.start(n, log.clone());
        Self { connector, id, address, log }
    }

    /// Dials `other`, expecting it.
    pub fn dial(&self, other: &Self) {
        self.connector.dial(other.address.clone(), Some(other.id));
    }

    /// Expects the next event to be that the link to `peer` came up. Returns its address and direction.
    pub fn sees_up(&self, peer: MemberId) -> (Option<Address>, Direction) {
        match self.log.next() {
            Event::LinkUp { peer: up, address, direction, .. } if up == peer => (address, direction),
            event => panic!("expected a link to {}, got {event:?}", peer.short()),
        }
    }

    /// Expects the next event to be that the link to `peer` went down. Returns the reason.
    pub fn sees_down(&self, peer: MemberId) -> String {
        match self.log.next() {
            Event::LinkDown { peer: down, reason } if down == peer => reason,
            event => panic!("expected the end of the link to {}, got {event:?}", peer.short()),
        }
    }

    /// Expects the next event to be that `peer` violated the format of its link.
    pub fn sees_broken(&self, peer: MemberId) {
        match self.log.next() {
            Event::Broken { peer: by } if by == peer => {}
            event => panic!("expected that {} broke the format, got {event:?}", peer.short()),
        }
    }

    /// Expects the next event to be a failed dial to `address`. Returns the error.
    pub fn sees_failure(&self, address: &Address) -> String {
        match self.log.next() {
            Event::DialFailed { address: dialled, error, .. } if dialled == *address => error,
            event => panic!("expected a failed dial to {address}, got {event:?}"),
        }
    }

    /// Expects the next event other than `Room` to be a message of `peer`.
    pub fn receives(&self, peer: MemberId) -> (Arc<[u8]>, Receipt) {
        loop {
            match self.log.next() {
                Event::Received { from, bytes, receipt } if from == peer => return (bytes, receipt),
                Event::Room { .. } => {}
                event => panic!("expected a message of {}, got {event:?}", peer.short()),
            }
        }
    }

    /// Sends, waiting for room as often as needed. Only for members that receive nothing meanwhile.
    pub fn send(&self, to: MemberId, lane: Lane, bytes: impl Into<Arc<[u8]>>) {
        let mut frame = Frame { lane, bytes: bytes.into() };
        while let Err(error) = self.connector.send(to, frame) {
            let SendError::Full(back) = error else { panic!("the link is up") };
            frame = back;
            match self.log.next() {
                Event::Room { peer, lane: free } => assert_eq!((peer, free), (to, lane)),
                event => panic!("expected room, got {event:?}"),
            }
        }
    }

    /// Sends; there must be room.
    pub fn send_now(&self, to: MemberId, lane: Lane, bytes: impl Into<Arc<[u8]>>) {
        let frame = Frame { lane, bytes: bytes.into() };
        assert_eq!(self.connector.send(to, frame), Ok(()));
    }
}

/// Two members with a link; the first one dialled.
pub fn linked<S: Site>(site: &S, one: u8, other: u8) -> [Member<S::Connector>; 2] {
    let (a, b) = (Member::start(site, one), Member::start(site, other));
    link(&a, &b);
    [a, b]
}

/// `a` dials `b`, and both see the link.
pub fn link<C: Connector>(a: &Member<C>, b: &Member<C>) {
    a.dial(b);
    a.sees_up(b.id);
    b.sees_up(a.id);
}

/// `a` and `b` send each other a message, and nothing else happens.
pub fn exchange<C: Connector>(a: &Member<C>, b: &Member<C>) {
    for (from, to) in [(a, b), (b, a)] {
        from.send_now(to.id, Lane::Small, *b"ping");
        assert_eq!(*to.receives(from.id).0, *b"ping");
    }
}

/// How long an event may take, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);
