//! Members and links: one table behind one lock.

use crate::mailbox::Mailbox;
use datafan_core::{
    connector::{Address, Direction, Event, Frame, Lane, SendError},
    id::MemberId,
    limits::LINKS_MAX,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Bytes of a link's small lane that may wait for the receiver before `send` answers `Full`.
pub const SMALL_QUEUE_BYTES: usize = 1 << 20;
/// The same for the bulk lane: two of the largest messages.
pub const BULK_QUEUE_BYTES: usize = 17 << 20;

/// The state of the switch. Its methods only queue events in mailboxes, and record in `touched` which of them
/// to deliver once the lock is released.
#[derive(Default)]
pub(crate) struct Switch {
    members: BTreeMap<MemberId, Member>,
    links: BTreeMap<Pair, ChanLink>,
    /// Pairs that are cut apart.
    cuts: BTreeSet<Pair>,
    /// Numbers links and connectors, to tell them from earlier ones.
    last_number: u64,
    pub(crate) touched: Vec<Arc<Mailbox>>,
    /// Events that nobody receives any more; dropped after the lock is released, because their receipts take
    /// it.
    pub(crate) refused: Vec<Event>,
}

struct Member {
    address: Address,
    mailbox: Arc<Mailbox>,
    /// The number of the connector, to tell a stopped one from its successor.
    number: u64,
    /// It ended without a goodbye: its links stay, but nothing passes.
    silent: bool,
}

/// A link; the queues hold the frames to the lower and to the higher member.
struct ChanLink {
    number: u64,
    to_lower: [Queue; 2],
    to_higher: [Queue; 2],
}

#[derive(Default, Clone, Copy)]
struct Queue {
    /// Bytes pushed whose receipts are not yet dropped.
    bytes: usize,
    /// `Full` was answered, and `Room` must follow.
    owes_room: bool,
}

/// Two members, the lower id first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Pair(MemberId, MemberId);

/// What a receipt remembers of its frame.
#[derive(Clone, Copy)]
pub(crate) struct Parcel {
    from: MemberId,
    to: MemberId,
    lane: Lane,
    link: u64,
    bytes: usize,
}

impl Switch {
    /// Registers a member, replacing an earlier connector of the same member or address. Returns its number.
    pub(crate) fn join(&mut self, id: MemberId, address: Address, mailbox: Arc<Mailbox>) -> u64 {
        let same = |(other, member): (&MemberId, &Member)| {
            (*other == id || member.address == address).then_some(*other)
        };
        let earlier: Vec<_> = self.members.iter().filter_map(same).collect();
        for other in earlier {
            self.remove(other, "restarted");
        }
        let number = self.next_number();
        self.members.insert(id, Member { address, mailbox, number, silent: false });
        number
    }

    /// Removes the member, if its connector still is `number`; its peers get `LinkDown`.
    pub(crate) fn leave(&mut self, id: MemberId, number: u64, reason: &str) {
        if self.is_current(id, number) {
            self.remove(id, reason);
        }
    }

    /// Keeps the member and its links in the table, but silences it.
    pub(crate) fn silence(&mut self, id: MemberId, number: u64) {
        if self.is_current(id, number)
            && let Some(member) = self.members.get_mut(&id)
        {
            member.silent = true;
        }
    }

    fn remove(&mut self, id: MemberId, reason: &str) {
        for peer in self.peers(id) {
            self.unlink(id, peer, reason);
        }
        self.members.remove(&id);
    }

    /// Whether the connector `number` is that of `id` and was not silenced.
    pub(crate) fn is_current(&self, id: MemberId, number: u64) -> bool {
        self.members.get(&id).is_some_and(|member| member.number == number && !member.silent)
    }

    /// Links `id` with the member at `address`.
    pub(crate) fn dial(&mut self, id: MemberId, address: &Address, expected: Option<MemberId>) {
        if let Err(error) = self.try_dial(id, address, expected) {
            self.tell(id, Event::DialFailed { address: address.clone(), expected, error });
        }
    }

    fn try_dial(&mut self, id: MemberId, at: &Address, expected: Option<MemberId>) -> Result<(), String> {
        let Some((&peer, member)) = self.members.iter().find(|(_, member)| member.address == *at) else {
            return Err(format!("no answer: no member is at {at}"));
        };
        let (there, silent) = (member.address.clone(), member.silent);
        let here = self.members.get(&id).map(|own| own.address.clone());
        if peer == id {
            return Err("this is our own address".into());
        }
        if let Some(expected) = expected.filter(|&expected| expected != peer) {
            return Err(format!("expected {}, found {}", expected.short(), peer.short()));
        }
        let pair = Pair::new(id, peer);
        if self.links.contains_key(&pair) {
            self.tell(id, Event::DialFound { address: at.clone(), expected, peer });
            return Ok(());
        }
        if silent || self.cuts.contains(&pair) {
            return Err(format!("no answer from {at}"));
        }
        if let Some(full) = [id, peer].into_iter().find(|&side| self.peers(side).len() >= LINKS_MAX) {
            return Err(format!("{} has {LINKS_MAX} links, the limit", full.short()));
        }
        let number = self.next_number();
        self.links.insert(pair, ChanLink { number, to_lower: <_>::default(), to_higher: <_>::default() });
        self.tell(id, Event::LinkUp { peer, address: Some(there), direction: Direction::Out });
        self.tell(peer, Event::LinkUp { peer: id, address: here, direction: Direction::In });
        Ok(())
    }

    /// Counts `frame` in its queue. The parcel is what its receipt returns.
    pub(crate) fn take(&mut self, from: MemberId, to: MemberId, frame: &Frame) -> Result<Parcel, SendError> {
        let Some(link) = self.links.get_mut(&Pair::new(from, to)) else { return Err(SendError::Down) };
        let queue = link.queue(from, to, frame.lane);
        let bytes = frame.bytes.len() + FRAME_OVERHEAD;
        let bytes_max = match frame.lane {
            Lane::Small => SMALL_QUEUE_BYTES,
            Lane::Bulk => BULK_QUEUE_BYTES,
        };
        if queue.bytes + bytes > bytes_max {
            queue.owes_room = true;
            return Err(SendError::Full(frame.clone()));
        }
        queue.bytes += bytes;
        Ok(Parcel { from, to, lane: frame.lane, link: link.number, bytes })
    }

    /// The receiver has handled `parcel`: its bytes are free again, and `Room` is reported below half.
    pub(crate) fn handled(&mut self, parcel: Parcel) {
        let Parcel { from, to, lane, .. } = parcel;
        let Some(link) = self.links.get_mut(&Pair::new(from, to)) else { return };
        if link.number != parcel.link {
            return;
        }
        let queue = link.queue(from, to, lane);
        queue.bytes -= parcel.bytes;
        let half = match lane {
            Lane::Small => SMALL_QUEUE_BYTES / 2,
            Lane::Bulk => BULK_QUEUE_BYTES / 2,
        };
        if queue.owes_room && queue.bytes <= half {
            queue.owes_room = false;
            self.tell(from, Event::Room { peer: to, lane });
        }
    }

    /// Ends the link of `one` and `other`; both get `LinkDown`.
    pub(crate) fn unlink(&mut self, one: MemberId, other: MemberId, reason: &str) {
        if self.links.remove(&Pair::new(one, other)).is_some() {
            self.tell(one, Event::LinkDown { peer: other, reason: reason.into() });
            self.tell(other, Event::LinkDown { peer: one, reason: reason.into() });
        }
    }

    /// Lets nothing pass between the two until `mend`.
    pub(crate) fn cut(&mut self, one: MemberId, other: MemberId) {
        self.cuts.insert(Pair::new(one, other));
        self.unlink(one, other, "cut");
    }

    /// Ends a cut.
    pub(crate) fn mend(&mut self, one: MemberId, other: MemberId) {
        self.cuts.remove(&Pair::new(one, other));
    }

    /// Queues `event` in the mailbox of `to`.
    pub(crate) fn tell(&mut self, to: MemberId, event: Event) {
        let Some(member) = self.members.get(&to) else { return self.refused.push(event) };
        match member.mailbox.put(event) {
            Ok(()) => self.touched.push(member.mailbox.clone()),
            Err(event) => self.refused.push(event),
        }
    }

    fn peers(&self, id: MemberId) -> Vec<MemberId> {
        self.links.keys().filter_map(|pair| pair.other(id)).collect()
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}

impl ChanLink {
    fn queue(&mut self, from: MemberId, to: MemberId, lane: Lane) -> &mut Queue {
        let queues = if to < from { &mut self.to_lower } else { &mut self.to_higher };
        &mut queues[lane as usize]
    }
}

impl Pair {
    fn new(one: MemberId, other: MemberId) -> Self {
        Self(one.min(other), one.max(other))
    }

    fn other(&self, id: MemberId) -> Option<MemberId> {
        match id {
            id if id == self.0 => Some(self.1),
            id if id == self.1 => Some(self.0),
            _ => None,
        }
    }
}

/// Overhead counted for each frame, so that empty ones are bounded too.
const FRAME_OVERHEAD: usize = 64;
