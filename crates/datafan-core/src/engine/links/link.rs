//! What the engine knows about one link.

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

/// One link. All of this state ends with the link. Fields that most messages need come first, and large rare
/// ones are boxed, because links are stored together and read very often.
pub(in crate::engine) struct Link<V> {
    /// The peer's position for owners for which it is not known to have our state. There is no queue of
    /// changes.
    positions: BTreeMap<MemberId, Timestamp>,
    /// Its bit in push trees.
    place: LinkIndex,
    /// We accepted the peer's Hello: it may send requests.
    peer_accepted: bool,
    /// The peer accepted our Hello: we may send requests.
    accepted_by_peer: bool,
    /// The peer missed something while a lane was full, and there is room again.
    catching_up: bool,
    /// Lanes that are full until `Room`.
    full: [bool; 2],
    /// Pending requests, to be answered when the lane has room.
    pending: VecDeque<PendingRequest>,
    /// States pinned for the peer.
    pins: Pins<V>,
    /// Requests to the peer.
    pub(in crate::engine) requests: Requests,
    /// The comparison of the tries of heads.
    pub(in crate::engine) comparison: Comparison,
    /// The peer's Hello.
    hello: Option<Box<Hello>>,
    /// When the peer's Hello arrived.
    greeted_at: Time,
    /// When the link was connected.
    since: Time,
    /// How long the link has been silent.
    pub(super) silence: Silence,
    /// When both Hellos were accepted; not meaningful before.
    up_since: Time,
    /// The dialling side had enough links and only checked whether the other side is reachable.
    is_spare: bool,
    /// When the handshake must be complete.
    deadline: Time,
    /// Until when the decision about the peer waits for the newer roster that it announced.
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

/// How a link was established.
pub(in crate::engine) struct Dialled {
    pub(in crate::engine) address: Option<Address>,
    pub(in crate::engine) direction: Direction,
    /// Whether we have enough links and only check whether the peer is reachable.
    pub(in crate::engine) is_spare: bool,
}

impl<V> Link<V> {
    /// A new link, whose handshake must be complete by `deadline`.
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

    /// The address of the peer, if it was dialled or is known.
    pub(in crate::engine) fn address(&self) -> Option<&Address> {
        self.address.as_ref()
    }

    /// Which side dialled.
    pub(in crate::engine) fn direction(&self) -> Direction {
        self.direction
    }

    /// When the link was connected.
    pub(in crate::engine) fn since(&self) -> Time {
        self.since
    }

    /// A message arrived from the peer.
    pub(in crate::engine) fn on_received(&mut self) {
        self.silence.reset();
    }
}

/// The handshake.
impl<V> Link<V> {
    /// Whether both Hellos were accepted.
    pub(in crate::engine) fn is_up(&self) -> bool {
        self.accepted_by_peer && self.peer_accepted
    }

    /// When both Hellos were accepted; not meaningful before.
    pub(in crate::engine) fn up_since(&self) -> Time {
        self.up_since
    }

    /// Both Hellos were just accepted.
    pub(in crate::engine) fn bring_up(&mut self, now: Time) {
        self.up_since = now;
    }

    /// The peer's Hello arrived.
    pub(in crate::engine) fn greet(&mut self, hello: Box<Hello>, now: Time) {
        self.is_spare |= self.direction == Direction::In && !hello.below_minimum;
        self.hello = Some(hello);
        self.greeted_at = now;
    }

    /// The peer's Hello, once it arrived.
    pub(in crate::engine) fn hello(&self) -> Option<&Hello> {
        self.hello.as_deref()
    }

    /// When the peer's Hello arrived.
    pub(in crate::engine) fn greeted_at(&self) -> Time {
        self.greeted_at
    }

    /// The run of the peer's process. The link is up.
    pub(in crate::engine) fn run(&self) -> RunId {
        self.hello.as_ref().expect("a link that is up has greeted").run
    }

    /// Whether the peer needs this link, as far as is known.
    pub(in crate::engine) fn is_needed_by_peer(&self) -> bool {
        self.hello.as_ref().is_none_or(|hello| hello.below_minimum)
    }

    /// Whether the dialling side had enough links.
    pub(in crate::engine) fn is_spare(&self) -> bool {
        self.is_spare
    }

    /// The peer's current wall clock, extrapolated from its Hello.
    pub(in crate::engine) fn wall(&self, now: Time) -> Option<Timestamp> {
        let hello = self.hello.as_ref()?;
        Some(Timestamp(hello.wall.0.saturating_add(now.0.saturating_sub(self.greeted_at.0))))
    }

    /// Whether we accepted the peer's Hello.
    pub(in crate::engine) fn peer_accepted(&self) -> bool {
        self.peer_accepted
    }

    /// Accepts the peer's Hello.
    pub(in crate::engine) fn accept_peer(&mut self) {
        self.peer_accepted = true;
        self.roster_until = None;
    }

    /// The peer accepted our Hello. Returns whether that is new.
    pub(in crate::engine) fn on_accepted(&mut self) -> bool {
        !core::mem::replace(&mut self.accepted_by_peer, true)
    }

    /// Waits until `until` for the roster that the peer announced.
    pub(in crate::engine) fn wait_for_roster(&mut self, until: Time) {
        self.roster_until = Some(until);
    }

    /// Stops waiting for the peer's roster.
    pub(in crate::engine) fn end_roster_wait(&mut self) {
        self.roster_until = None;
    }

    /// Whether to wait longer for a newer roster.
    pub(in crate::engine) fn waits_for_roster(&self, now: Time) -> bool {
        self.roster_until.is_some_and(|until| until > now)
    }

    /// Whether a newer roster did not arrive in time.
    pub(in crate::engine) fn is_roster_late(&self, now: Time) -> bool {
        self.roster_until.is_some_and(|until| until <= now)
    }

    /// Whether the handshake takes too long.
    pub(in crate::engine) fn is_greeting_late(&self, now: Time) -> bool {
        !self.is_up() && self.deadline <= now
    }

    /// When the link has work if nothing happens: a handshake, a roster or an answer to a probe is late, or a
    /// pin ends.
    pub(in crate::engine) fn wakes_at(&self) -> Time {
        let greeting = if self.is_up() { Time::NEVER } else { self.deadline };
        let roster = self.roster_until.unwrap_or(Time::NEVER);
        greeting.min(roster).min(self.pins.ends_at()).min(self.silence.ends_at())
    }
}

/// Sending, pending requests and pins.
impl<V> Link<V> {
    /// Whether a lane is full.
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

    /// Sends the peer what it missed as soon as possible.
    pub(in crate::engine) fn begin_catching_up(&mut self) {
        self.catching_up = true;
    }

    /// The peer was sent everything that it missed.
    pub(in crate::engine) fn end_catching_up(&mut self) {
        self.catching_up = false;
    }

    /// The peer's position for an owner; `None` if it is not known to differ from ours.
    pub(in crate::engine) fn position(&self, owner: &MemberId) -> Option<Timestamp> {
        self.positions.get(owner).copied()
    }

    /// All positions that differ from ours.
    pub(in crate::engine) fn positions(&self) -> impl Iterator<Item = (MemberId, Timestamp)> {
        self.positions.iter().map(|(owner, position)| (*owner, *position))
    }

    /// Whether the peer's position differs from ours for any owner.
    pub(in crate::engine) fn has_positions(&self) -> bool {
        !self.positions.is_empty()
    }

    /// Sets the peer's position for an owner; `None` for our own.
    pub(in crate::engine) fn set_position(&mut self, owner: &MemberId, position: Option<Timestamp>) {
        match position {
            Some(position) => self.positions.insert(*owner, position),
            None => self.positions.remove(owner),
        };
    }

    /// The peer has our state for all owners.
    pub(in crate::engine) fn clear_positions(&mut self) {
        self.positions.clear();
    }

    /// Queues a request of the peer; false if too many are pending.
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

    /// Takes the next pending request.
    pub(in crate::engine) fn pop_pending(&mut self) -> Option<PendingRequest> {
        self.pending.pop_front()
    }

    /// The state of `owner` pinned for the peer.
    pub(in crate::engine) fn pinned(&self, owner: &MemberId) -> Option<Arc<V>> {
        self.pins.of(owner)
    }

    /// Pins a state of `owner` for the peer.
    pub(in crate::engine) fn pin(&mut self, owner: MemberId, snapshot: Arc<V>, term: Term) {
        self.pins.keep(owner, snapshot, term);
    }

    /// Whether a state is pinned for the peer.
    pub(in crate::engine) fn has_pins(&self) -> bool {
        !self.pins.is_empty()
    }

    /// Releases pins whose time is over.
    pub(in crate::engine) fn end_pins(&mut self, now: Time) {
        self.pins.end(now);
    }

    /// Releases pins since which the store wrote `max` bytes or more. It has written `written` bytes so far.
    pub(in crate::engine) fn end_pins_written(&mut self, written: u64, max: u64) {
        self.pins.end_written(written, max);
    }

    /// Releases all pins.
    pub(in crate::engine) fn drop_pins(&mut self) {
        self.pins = Pins::new();
    }
}
