//! What the engine knows of one link.

use super::{
    comparison::Comparison,
    pins::{Pins, Term},
    requests::Requests,
    silence::Silence,
    trees::LinkIndex,
};
use crate::{
    connector::{Address, Direction, Lane},
    id::MemberId,
    limits::REQUESTS_PENDING_MAX,
    message::{Ask, Hello, Request, Want},
    runs::RunId,
    time::{Time, Timestamp},
};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    vec::Vec,
};

/// One link. All of it dies with the link. What most messages ask for comes first, and what is large and rare
/// is boxed: links lie beside each other and are looked at very often.
pub(in crate::engine) struct Link<V> {
    /// Where the peer is, for owners where it is not known to be where we are. Never a queue of changes.
    positions: BTreeMap<MemberId, Timestamp>,
    /// Its bit in push trees.
    place: LinkIndex,
    /// We answered the peer's Hello: it may ask.
    peer_accepted: bool,
    /// The peer answered ours: we may ask.
    accepted_by_peer: bool,
    /// The peer missed something while a lane was full, and there is room again.
    catching_up: bool,
    /// Lanes that take no more until `Room`.
    full: [bool; 2],
    /// Requests to be answered when the lane has room.
    pending: VecDeque<PendingRequest>,
    /// The states that the peer is copying, by owner.
    pins: Pins<V>,
    /// What the peer was asked for.
    pub(in crate::engine) requests: Requests,
    /// Comparing the tries of heads.
    pub(in crate::engine) comparison: Comparison,
    /// The peer's Hello.
    hello: Option<Box<Hello>>,
    /// When that came.
    greeted_at: Time,
    /// When it came up.
    since: Time,
    /// How long nothing has come.
    pub(super) silence: Silence,
    /// When both Hellos were answered; of no meaning before.
    up_since: Time,
    /// Who dialled had links enough: it looked whether the other could be reached.
    is_spare: bool,
    /// When the greeting must be over.
    deadline: Time,
    /// Until when judging the peer waits for the newer roster that it told of.
    roster_until: Option<Time>,
    address: Option<Address>,
    direction: Direction,
}

/// A request that waits for its answer.
pub(in crate::engine) enum PendingRequest {
    Heads(Vec<Ask>),
    Pull(Want),
    Nodes(Request),
    Ranges(Request),
}

/// How a link came to be.
pub(in crate::engine) struct Dialled {
    pub(in crate::engine) address: Option<Address>,
    pub(in crate::engine) direction: Direction,
    /// We have links enough, and only look whether the peer can be reached.
    pub(in crate::engine) is_spare: bool,
}

impl<V> Link<V> {
    /// A link since now, whose greeting has to be over by `deadline`.
    pub(in crate::engine) fn new(dialled: Dialled, place: LinkIndex, since: Time, deadline: Time) -> Self {
        let Dialled { address, direction, is_spare } = dialled;
        Self {
            place,
            address,
            direction,
            hello: None,
            greeted_at: Time(0),
            up_since: since,
            is_spare,
            peer_accepted: false,
            accepted_by_peer: false,
            since,
            silence: Silence::default(),
            deadline,
            roster_until: None,
            positions: BTreeMap::new(),
            catching_up: false,
            full: [false; 2],
            pending: VecDeque::new(),
            pins: Pins::new(),
            requests: Requests::new(),
            comparison: Comparison::default(),
        }
    }

    /// Its place among the links.
    pub(in crate::engine) fn place(&self) -> LinkIndex {
        self.place
    }

    /// Where the peer is, if it was dialled or said so.
    pub(in crate::engine) fn address(&self) -> Option<&Address> {
        self.address.as_ref()
    }

    /// Who dialled.
    pub(in crate::engine) fn direction(&self) -> Direction {
        self.direction
    }

    /// When it came up.
    pub(in crate::engine) fn since(&self) -> Time {
        self.since
    }

    /// Something came from the peer.
    pub(in crate::engine) fn hear(&mut self) {
        self.silence.break_off();
    }
}

/// The greeting.
impl<V> Link<V> {
    /// Both Hellos were answered.
    pub(in crate::engine) fn is_up(&self) -> bool {
        self.accepted_by_peer && self.peer_accepted
    }

    /// When both were answered; of no meaning before.
    pub(in crate::engine) fn up_since(&self) -> Time {
        self.up_since
    }

    /// Both were just answered.
    pub(in crate::engine) fn bring_up(&mut self, now: Time) {
        self.up_since = now;
    }

    /// The peer's Hello came.
    pub(in crate::engine) fn greet(&mut self, hello: Box<Hello>, now: Time) {
        self.is_spare |= self.direction == Direction::In && !hello.below_minimum;
        self.hello = Some(hello);
        self.greeted_at = now;
    }

    /// The peer's Hello, once it came.
    pub(in crate::engine) fn hello(&self) -> Option<&Hello> {
        self.hello.as_deref()
    }

    /// When it came.
    pub(in crate::engine) fn greeted_at(&self) -> Time {
        self.greeted_at
    }

    /// The run of the peer's process. The link is up.
    pub(in crate::engine) fn run(&self) -> RunId {
        self.hello.as_ref().expect("a link that is up has greeted").run
    }

    /// Whether the peer needs its links, as far as is known.
    pub(in crate::engine) fn is_needed_by_peer(&self) -> bool {
        self.hello.as_ref().is_none_or(|hello| hello.below_minimum)
    }

    /// Whether who dialled had links enough.
    pub(in crate::engine) fn is_spare(&self) -> bool {
        self.is_spare
    }

    /// What the peer's wall clock should show by now, from its Hello on.
    pub(in crate::engine) fn wall(&self, now: Time) -> Option<Timestamp> {
        let hello = self.hello.as_ref()?;
        Some(Timestamp(hello.wall.0.saturating_add(now.0.saturating_sub(self.greeted_at.0))))
    }

    /// Whether we have answered the peer's Hello.
    pub(in crate::engine) fn peer_accepted(&self) -> bool {
        self.peer_accepted
    }

    /// We answer the peer's Hello.
    pub(in crate::engine) fn accept_peer(&mut self) {
        self.peer_accepted = true;
        self.roster_until = None;
    }

    /// The peer answers our Hello. Whether that is new.
    pub(in crate::engine) fn on_accepted(&mut self) -> bool {
        !core::mem::replace(&mut self.accepted_by_peer, true)
    }

    /// The peer is judged by the roster that it told of, if that comes before `until`.
    pub(in crate::engine) fn wait_for_roster(&mut self, until: Time) {
        self.roster_until = Some(until);
    }

    /// The peer is judged by what is held.
    pub(in crate::engine) fn end_roster_wait(&mut self) {
        self.roster_until = None;
    }

    /// Whether a newer roster is still waited for.
    pub(in crate::engine) fn waits_for_roster(&self, now: Time) -> bool {
        self.roster_until.is_some_and(|until| until > now)
    }

    /// Whether a newer roster did not come in time.
    pub(in crate::engine) fn is_roster_late(&self, now: Time) -> bool {
        self.roster_until.is_some_and(|until| until <= now)
    }

    /// Whether the greeting takes too long.
    pub(in crate::engine) fn is_greeting_late(&self, now: Time) -> bool {
        !self.is_up() && self.deadline <= now
    }

    /// When it needs a look if nothing happens: a greeting or an answer is late, or a state is released.
    pub(in crate::engine) fn wakes_at(&self) -> Time {
        let greeting = if self.is_up() { Time::NEVER } else { self.deadline };
        let roster = self.roster_until.unwrap_or(Time::NEVER);
        greeting.min(roster).min(self.pins.ends_at()).min(self.silence.ends_at())
    }
}

/// What is sent.
impl<V> Link<V> {
    /// Whether a lane takes no more until there is room.
    pub(in crate::engine) fn is_full(&self, lane: Lane) -> bool {
        self.full[lane as usize]
    }

    pub(in crate::engine) fn set_full(&mut self, lane: Lane, full: bool) {
        self.full[lane as usize] = full;
    }

    /// Whether the peer missed something, and there is room for it.
    pub(in crate::engine) fn is_catching_up(&self) -> bool {
        self.catching_up
    }

    /// The peer is sent what it missed as soon as that is possible.
    pub(in crate::engine) fn begin_catching_up(&mut self) {
        self.catching_up = true;
    }

    /// The peer was sent all that it missed.
    pub(in crate::engine) fn end_catching_up(&mut self) {
        self.catching_up = false;
    }

    /// Where the peer is with an owner; `None` where it is not known to be elsewhere than we are.
    pub(in crate::engine) fn position(&self, owner: &MemberId) -> Option<Timestamp> {
        self.positions.get(owner).copied()
    }

    /// As [`Link::position`], all of them.
    pub(in crate::engine) fn positions(&self) -> impl Iterator<Item = (MemberId, Timestamp)> {
        self.positions.iter().map(|(owner, position)| (*owner, *position))
    }

    /// Whether the peer is known to be elsewhere with any owner.
    pub(in crate::engine) fn has_positions(&self) -> bool {
        !self.positions.is_empty()
    }

    /// The peer is there with an owner; `None` for where we are.
    pub(in crate::engine) fn set_position(&mut self, owner: &MemberId, position: Option<Timestamp>) {
        match position {
            Some(position) => self.positions.insert(*owner, position),
            None => self.positions.remove(owner),
        };
    }

    /// The peer is where we are with all owners.
    pub(in crate::engine) fn clear_positions(&mut self) {
        self.positions.clear();
    }

    /// Adds a request of the peer; false where too many wait.
    pub(in crate::engine) fn queue(&mut self, request: PendingRequest) -> bool {
        let fits = self.pending.len() < REQUESTS_PENDING_MAX;
        if fits {
            self.pending.push_back(request);
        }
        fits
    }

    /// Whether a request waits for its answer.
    pub(in crate::engine) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The request that is answered next.
    pub(in crate::engine) fn pop_pending(&mut self) -> Option<PendingRequest> {
        self.pending.pop_front()
    }

    /// The state of `owner` that is kept for the peer.
    pub(in crate::engine) fn pinned(&self, owner: &MemberId) -> Option<Arc<V>> {
        self.pins.of(owner)
    }

    /// Keeps a state of `owner` for the peer.
    pub(in crate::engine) fn pin(&mut self, owner: MemberId, snapshot: Arc<V>, term: Term) {
        self.pins.keep(owner, snapshot, term);
    }

    /// Whether a state is kept for the peer.
    pub(in crate::engine) fn has_pins(&self) -> bool {
        !self.pins.is_empty()
    }

    /// Releases states whose time is over.
    pub(in crate::engine) fn end_pins(&mut self, now: Time) {
        self.pins.end(now);
    }

    /// Releases states since which the store wrote `max` or more; it has written `written` bytes by now.
    pub(in crate::engine) fn end_pins_written(&mut self, written: u64, max: u64) {
        self.pins.end_written(written, max);
    }

    /// Releases all states.
    pub(in crate::engine) fn drop_pins(&mut self) {
        self.pins = Pins::new();
    }
}
