//! What the engine knows of one link.

use super::{credit::Credit, pins::Pins, probe::Silence, tree};
use crate::{
    connector::{Address, Direction, Lane},
    hash::Hash,
    id::MemberId,
    limits::REQUESTS_OWED_MAX,
    message::{Ask, Hello, Request, Want},
    time::{Time, Timestamp},
    trie::Place,
};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};

/// One link. All of it dies with the link. What most messages ask for comes first, and what is large and rare is boxed:
/// links lie beside each other and are looked at very often.
pub(super) struct Link<V> {
    /// Where the peer is, for owners where it is not known to be where we are. Never a queue of changes.
    pub(super) positions: BTreeMap<MemberId, Timestamp>,
    /// Its bit in push trees.
    pub(super) place: tree::Place,
    /// We answered the peer's Hello: it may ask.
    pub(super) welcomed: bool,
    /// The peer answered ours: we may ask.
    pub(super) welcome: bool,
    /// The peer missed something while a lane was full, and there is room again.
    pub(super) catching_up: bool,
    /// Lanes that take no more until `Room`.
    full: [bool; 2],
    /// Requests to be answered when the lane has room.
    pub(super) owed: VecDeque<Owed>,
    /// The states that the peer is copying, by owner.
    pub(super) pins: Pins<V>,
    /// Pulls under way: owner and expected bytes.
    pub(super) pulls: BTreeMap<MemberId, u64>,
    /// Requests of descents under way: whose shard they are about, and expected bytes.
    pub(super) requests: BTreeMap<u32, (MemberId, u64)>,
    /// How much may be on its way.
    pub(super) credit: Credit,
    /// Pulls that were given up, and after which timestamp they asked: what answers them is still good.
    pub(super) late_pulls: BTreeMap<MemberId, Timestamp>,
    /// A comparison of the tries of heads under way.
    pub(super) comparing: Option<Box<Comparing>>,
    /// The last comparison that changed nothing.
    pub(super) fruitless: Option<Box<Fruitless>>,
    /// The peer's Hello.
    pub(super) hello: Option<Box<Hello>>,
    /// When that came.
    pub(super) greeted_at: Time,
    /// When it came up.
    pub(super) since: Time,
    /// How long nothing has come.
    pub(super) silence: Silence,
    /// When both Hellos were answered; of no meaning before.
    pub(super) up_since: Time,
    /// Who dialled had links enough: it looked whether the other could be reached.
    pub(super) is_spare: bool,
    /// When the greeting must be over.
    pub(super) deadline: Time,
    /// Until when judging the peer waits for the newer roster that it told of.
    pub(super) roster_until: Option<Time>,
    pub(super) address: Option<Address>,
    pub(super) direction: Direction,
}

/// A request that waits for its answer.
pub(super) enum Owed {
    Heads(Vec<Ask>),
    Pull(Want),
    Nodes(Request),
    Ranges(Request),
}

/// What was asked of the peer's trie of heads.
#[derive(Default)]
pub(super) struct Comparing {
    /// Slots, in the order in which the answers come.
    pub(super) asked: Vec<Place>,
    /// Slots that differ and are asked for after the answers, the last first, and what the peer has there.
    pub(super) later: Vec<(Place, Hash)>,
    /// How many messages were sent for it.
    pub(super) n_messages: u32,
    /// How many heads were told.
    pub(super) n_heads: u64,
    /// Until when the answer is waited for.
    pub(super) until: Time,
}

/// Two roots that were compared last. Where that changed nothing, it is repeated ever more rarely while they stay.
#[derive(Clone, Copy)]
pub(super) struct Fruitless {
    pub(super) roots: (Hash, Hash),
    pub(super) until: Time,
    pub(super) rounds: u64,
}

impl<V> Link<V> {
    pub(super) fn new(
        address: Option<Address>,
        direction: Direction,
        place: tree::Place,
        since: Time,
        deadline: Time,
    ) -> Self {
        Self {
            place,
            address,
            direction,
            hello: None,
            greeted_at: Time(0),
            up_since: since,
            is_spare: false,
            welcomed: false,
            welcome: false,
            since,
            silence: Silence::default(),
            deadline,
            roster_until: None,
            positions: BTreeMap::new(),
            catching_up: false,
            full: [false; 2],
            owed: VecDeque::new(),
            pins: Pins::new(),
            pulls: BTreeMap::new(),
            requests: BTreeMap::new(),
            credit: Credit::new(),
            late_pulls: BTreeMap::new(),
            comparing: None,
            fruitless: None,
        }
    }

    /// What the peer's wall clock should show by now, from its Hello on.
    pub(super) fn wall(&self, now: Time) -> Option<Timestamp> {
        let hello = self.hello.as_ref()?;
        Some(Timestamp(hello.wall.0.saturating_add(now.0.saturating_sub(self.greeted_at.0))))
    }

    /// Both Hellos were answered.
    pub(super) fn is_up(&self) -> bool {
        self.welcome && self.welcomed
    }

    pub(super) fn is_full(&self, lane: Lane) -> bool {
        self.full[lane as usize]
    }

    pub(super) fn set_full(&mut self, lane: Lane, full: bool) {
        self.full[lane as usize] = full;
    }

    /// Notes a request; false where too many wait.
    pub(super) fn owe(&mut self, request: Owed) -> bool {
        let fits = self.owed.len() < REQUESTS_OWED_MAX;
        if fits {
            self.owed.push_back(request);
        }
        fits
    }

    /// Whether two more requests fit into what the peer may owe us.
    pub(super) fn has_request_room(&self) -> bool {
        self.requests.len() + self.pulls.len() + 2 <= REQUESTS_OWED_MAX
    }

    /// When it needs a look if nothing happens: a greeting or an answer is late, or a state is let go of.
    pub(super) fn wakes_at(&self) -> Time {
        let greeting = if self.is_up() { Time::NEVER } else { self.deadline };
        let roster = self.roster_until.unwrap_or(Time::NEVER);
        greeting.min(roster).min(self.pins.ends_at()).min(self.silence.ends_at())
    }

    /// Whether another pull of `bytes` fits beside those under way.
    pub(super) fn has_pull_room(&self, bytes: u64) -> bool {
        self.pulls.is_empty()
            || self.pulls.len() < PULLS_MAX && self.has_request_room() && bytes <= self.credit_left()
    }

    /// How much more may be asked for; all there is where nothing is on its way.
    pub(super) fn credit_left(&self) -> u64 {
        self.credit.bytes().saturating_sub(self.bytes_expected())
    }

    /// Bytes that the peer was asked for and has not sent yet.
    pub(super) fn bytes_expected(&self) -> u64 {
        let asked = self.requests.values().map(|(_, bytes)| *bytes);
        self.pulls.values().copied().chain(asked).sum()
    }

    /// A pull is given up. What answers it is taken all the same, if it fits by then.
    pub(super) fn note_late_pull(&mut self, owner: MemberId, since: Timestamp, now: Time) {
        self.credit.note_late(now);
        self.late_pulls.insert(owner, since);
        if self.late_pulls.len() > PULLS_MAX {
            // Any of them: most are answered by something else by now.
            self.late_pulls.pop_first();
        }
    }
}

/// Most owners pulled over one link at once. Fewer than a peer may owe.
const PULLS_MAX: usize = 48;

const _: () = assert!(PULLS_MAX < REQUESTS_OWED_MAX);
