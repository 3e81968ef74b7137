//! Everything that an engine asks its driver to do, as plain data in an outbox.

use super::{command_error::CommandError, key_conflicts::same_key::SameKeyPlace, members::refused::Refused};
use crate::{
    connector::{Address, Frame},
    head::Head,
    id::MemberId,
    recovered::Recovered,
    time::Timestamp,
};
use alloc::{boxed::Box, string::String, vec::Vec};

/// Connects a command with its answer. The driver chooses it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub u64);

/// One action for the driver to take.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Send `frame` through the connector.
    Send {
        /// The peer.
        to: MemberId,
        /// The message.
        frame: Frame,
    },
    /// Dial an address.
    Dial {
        /// The address.
        address: Address,
        /// The peer expected there.
        expected: Option<MemberId>,
    },
    /// Close a link after the messages that were sent on it.
    Close {
        /// The peer.
        peer: MemberId,
        /// The reason, for people.
        reason: String,
    },
    /// Answer a local caller.
    Answer {
        /// The ticket of the command.
        ticket: Ticket,
        /// The answer.
        answer: Answer,
    },
    /// A state of an owner's shard became visible here.
    Applied {
        /// The owner of the shard.
        owner: MemberId,
        /// The timestamp of its head; 0 if the shard was dropped.
        timestamp: Timestamp,
    },
    /// The link to a peer is up: each side accepted the other's Hello.
    Ready {
        /// The peer.
        peer: MemberId,
    },
    /// A handshake was refused, for the first time with this peer since the start or the last link.
    Refused(Box<Refused>),
    /// A condition that needs an operator's attention.
    Alarm(Box<Alarm>),
}

/// A condition that needs an operator's attention. Its text is a sentence for people.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Alarm {
    /// Peers hold a later head of an own shard than our disk. The member recovers it from them, and own
    /// writes wait for that.
    #[error(
        "peers hold a newer state of our shard {} (up to {}, ours {}): this disk is an older copy or lost \
         the shard; restoring it before writing",
        .theirs.owner.short(), .theirs.timestamp.0, .ours.map_or(0, |ours| ours.timestamp.0)
    )]
    Recovering {
        /// The peers' head.
        theirs: Head,
        /// Our head.
        ours: Option<Head>,
    },
    /// A divergent copy is kept: a state of a shard that is not an ancestor of the visible one. Its owner can
    /// compare it and take it back.
    #[error(
        "a state of the shard {} that ends at {} is kept as a divergent copy: it diverged from the current \
         one after {}; run `datafan recovered` at its owner to see what it has",
        .head.owner.short(), .head.timestamp.0, .at.0
    )]
    Diverged {
        /// The head of the copy.
        head: Head,
        /// The last timestamp up to which both states are equal.
        at: Timestamp,
    },
    /// An own shard was recovered from the mesh.
    #[error(
        "the shard {} was recovered from the mesh: writes after {}, up to {}, were restored",
        .owner.short(), .recovered.from.0, .recovered.to.0
    )]
    Recovered {
        /// The owner: the member itself, or the authority for the roster.
        owner: MemberId,
        /// What came back.
        recovered: Recovered,
    },
    /// Peers held a later head of an own shard, but none of them can deliver it any more.
    #[error(
        "the state of the shard {} that peers held, up to {}, cannot be recovered: they lost it too, or are \
         gone; writes continue after {}, and a peer that returns with it keeps it as a divergent copy",
        .theirs.owner.short(), .theirs.timestamp.0, .to.0
    )]
    NotRecovered {
        /// The peers' head.
        theirs: Head,
        /// The timestamp of the head that was recovered.
        to: Timestamp,
    },
    /// A peer holds a later head of our own shard than this process made: another process writes with our
    /// key. Own writes stopped.
    #[error(
        "another process writes with our key: this process did not make the head of the shard {} at {} \
         (ours: {}); own writes are off",
        .theirs.owner.short(), .theirs.timestamp.0, .ours.map_or(0, |ours| ours.timestamp.0)
    )]
    ForeignHead {
        /// The peers' head.
        theirs: Head,
        /// Our head.
        ours: Option<Head>,
    },
    /// A head of our own shard lists the run of this process, but this process did not make it: another
    /// process with our key continues from our writes. Own writes wait until it is clear which process began
    /// first.
    #[error(
        "another process with our key continues from our writes: it made a head of the shard {} at {} (ours: \
         {}); own writes wait until it is clear which of the two began first, at most half a minute",
        .theirs.owner.short(), .theirs.timestamp.0, .ours.map_or(0, |ours| ours.timestamp.0)
    )]
    Contested {
        /// The peers' head.
        theirs: Head,
        /// Our head.
        ours: Option<Head>,
    },
    /// Own writes continue: this process began first, or the other one was not heard of meanwhile.
    #[error(
        "own writes continue after a head at {} that another process made: {}",
        .theirs.timestamp.0,
        if *.claimed {
            "this process began first, and the other one stops"
        } else {
            "the other one was not heard of again"
        }
    )]
    ContestOver {
        /// The other process's last head.
        theirs: Head,
        /// Whether this process signed a claim that it is the older one.
        claimed: bool,
    },
    /// A peer was linked with another process that has our key and that began after this one.
    #[error(
        "another process with our key was linked with {}; it began after this one and is told to stop (a \
         ticket was used twice, or a directory or a machine was copied)",
        .told_by.short()
    )]
    OtherProcess {
        /// The peer that reported it.
        told_by: MemberId,
    },
    /// Another process with this member's key is running and began before this one. Own writes are off here.
    #[error("another process runs with our key; it began before this one and {place}: own writes are off")]
    KeyInUse {
        /// Where.
        place: SameKeyPlace,
        /// Whether this process started without data of its own.
        empty: bool,
    },
    /// An owner signed two states of which neither is an ancestor of the other: its identity runs twice, was
    /// rewound or was stolen. The evidence is kept.
    #[error(
        "the owner {} has forked: it signed two states, at {} and {}, of which neither is an ancestor of the \
         other",
        .first.owner.short(), .first.timestamp.0, .second.timestamp.0
    )]
    Fork {
        /// One head.
        first: Head,
        /// The other.
        second: Head,
    },
    /// The authority signed a roster that lacks known members. It was refused.
    #[error(
        "the authority signed a roster (at {}) that lacks members of the one held (at {}): it is refused; \
         the authority was restored from an older copy, or its key is used twice",
        .refused.timestamp.0, .held.timestamp.0
    )]
    RosterShrinks {
        /// The refused head.
        refused: Head,
        /// The head held.
        held: Head,
    },
}

/// The result of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The command was carried out.
    Committed(Committed),
    /// The command was refused. Nothing was written.
    Refused(CommandError),
}

/// The result of a commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Committed {
    /// The timestamp of the last effective write, or of the shard's current head if nothing changed. A member
    /// whose copy has reached this timestamp sees the commit.
    pub timestamp: Timestamp,
    /// Writes that changed something.
    pub changed: u64,
}

/// Where an engine leaves what it wants. The driver empties `now` after each call of `handle`, and
/// `after_sync` once `sync` has moved it to `now`.
#[derive(Default, Debug)]
pub struct Outbox {
    /// Effects to carry out at once, in this order.
    pub now: Vec<Effect>,
    /// Effects to carry out once the commits before them are on disk.
    pub after_sync: Vec<Effect>,
    /// Whether the engine asks for a `sync` now, because effects wait for it or other members' data was
    /// unsynced for long enough.
    pub wants_sync: bool,
}

impl Outbox {
    /// An empty outbox.
    pub fn new() -> Self {
        Self::default()
    }
}
