//! Everything that an engine asks its driver to do, as plain data in an outbox.

use super::{key_conflicts::same_key::SameKeyPlace, members::refused::Refused};
use crate::{
    connector::{Address, Frame},
    head::Head,
    id::MemberId,
    limits::{COMMIT_BYTES_MAX, COMMIT_WRITES_MAX, MEMBERS_MAX, ROSTER_CHANGES_MAX},
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

/// Why a command was not carried out. Nothing was written in any case.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// More writes than one commit takes. Split it.
    #[error("commit has {writes} writes, limit {COMMIT_WRITES_MAX}")]
    TooManyWrites {
        /// How many.
        writes: usize,
    },
    /// More bytes than one commit takes. Split it.
    #[error("commit has {bytes} bytes of keys and values, limit {COMMIT_BYTES_MAX}")]
    CommitTooLarge {
        /// How many.
        bytes: usize,
    },
    /// A value over the limit.
    #[error("value of key {key:?} is {len} bytes, limit {limit}")]
    ValueTooLong {
        /// Whose value.
        key: String,
        /// Its length in bytes.
        len: usize,
        /// The writer's limit.
        limit: usize,
    },
    /// An expiry of 0, which stands for none.
    #[error("key {key:?} would expire at 0: leave the expiry out, or delete the key")]
    ExpiryZero {
        /// Which.
        key: String,
    },
    /// A key under `_sys/`.
    #[error("key {key:?} is the system's: keys under _sys/ cannot be written")]
    SystemKey {
        /// Which.
        key: String,
    },
    /// The shard would exceed the quota of its grant.
    #[error("shard would hold {items} items and {bytes} bytes, quota {items_max} and {bytes_max}")]
    OverQuota {
        /// Items after the commit.
        items: u64,
        /// Bytes after the commit.
        bytes: u64,
        /// Items allowed.
        items_max: u64,
        /// Bytes allowed.
        bytes_max: u64,
    },
    /// A peer holds a later head of this shard than any that we made in this run. Writing stays off until a
    /// restart.
    #[error(
        "a peer holds a head of our own shard that this process did not make (timestamp {timestamp}): \
             another process uses the same key; writing is off"
    )]
    ForeignHead {
        /// The foreign head's timestamp.
        timestamp: Timestamp,
    },
    /// Another process with this member's key is alive that began before this one. Nothing was written.
    #[error("another process runs with this member's key, it {place}: writing is off here")]
    KeyInUse {
        /// Where.
        place: SameKeyPlace,
    },
    /// What would be written would have a timestamp that lies beyond the bound of our clock, which nobody
    /// accepts.
    #[error(
        "our last write is {ahead_seconds} s ahead of our clock, limit {limit_seconds} s: set the clock right; if it \
         is right, wait until it is within the limit, or restamp what was written while it was wrong"
    )]
    ClockBehind {
        /// By how much.
        ahead_seconds: u64,
        /// How much others accept.
        limit_seconds: u64,
    },
    /// A restamp, while most peers' clocks say that ours is the one that is wrong.
    #[error("our clock is {behind_seconds} s behind those of most peers: set it right before a restamp")]
    ClockOff {
        /// By how much.
        behind_seconds: u64,
    },
    /// This member does not hold the authority's key.
    #[error(
        "only a member with authority.key can change the roster: ask there, or with --offline for a signature"
    )]
    NoAuthority,
    /// This member does not hold the authority's key, which closes forks. Nothing was changed.
    #[error("only a running member with authority.key can close forks: ask there")]
    CannotClose,
    /// No fork of the owner is held here, so there is none to close. Nothing was changed.
    #[error("no fork of {id} is held here: `datafan forks` lists those that are")]
    NoFork {
        /// The owner.
        id: MemberId,
    },
    /// The member's role is to hold, not to write.
    #[error(
        "this member's role is reader: it holds everything and writes nothing; \
             `datafan grant {name} --role member` where authority.key is changes that"
    )]
    Reader {
        /// The member's name.
        name: String,
    },
    /// An end of the invitation was named for somebody who is in.
    #[error("{name} has come in: its invitation has no end any more, revoke it to end its membership")]
    HasComeIn {
        /// Its name.
        name: String,
    },
    /// Peers refuse this member and none is linked with it, so nobody would get what it writes. Nothing was
    /// written.
    #[error("this member is refused, so nobody would get what it writes: {what}")]
    Refused {
        /// Why, and what to do.
        what: String,
    },
    /// The roster, which only grows, has as many entries as there may be. Nothing was written.
    #[error(
        "the roster has {MEMBERS_MAX} members, former ones among them, which is the limit: begin a new mesh"
    )]
    TooManyMembers,
    /// More changes of the roster than one commit takes. Split them.
    #[error("{changes} changes of the roster at once, limit {ROSTER_CHANGES_MAX}")]
    TooManyChanges {
        /// How many.
        changes: usize,
    },
    /// The signed roster is none, is another mesh's, or cannot be taken here.
    #[error("the signed roster {what}")]
    SignedRoster {
        /// What is wrong with it, and what to do.
        what: &'static str,
    },
    /// The signed roster leads from a later one than is held here. It can be applied once that has come.
    #[error(
        "the signed roster follows one of {base}, and here is one of {held}: apply the earlier one first, or wait until it is here"
    )]
    RosterAhead {
        /// From where it leads.
        base: Timestamp,
        /// What is held.
        held: Timestamp,
    },
    /// Another member has the name.
    #[error("the name {name} belongs to {id}")]
    NameTaken {
        /// The name.
        name: String,
        /// Its member.
        id: MemberId,
    },
    /// The name reads as a full id, which always means the member with that id. Nothing was changed.
    #[error("the name {name} reads as a full id: choose another name")]
    NameIsId {
        /// The name.
        name: String,
    },
    /// The id is not a sound public key.
    #[error("{id} is not a sound Ed25519 public key")]
    UnsoundKey {
        /// The id.
        id: MemberId,
    },
    /// No such member in the roster.
    #[error("{id} is not in the roster")]
    UnknownMember {
        /// Who.
        id: MemberId,
    },
    /// The mesh's own id, which is its authority's, stands where a member's belongs. Nothing was changed.
    #[error(
        "{id} is the mesh's own id and names no member: `datafan id` prints a member's id beside it, on the line \
         that begins with id"
    )]
    AuthorityId {
        /// The id.
        id: MemberId,
    },
    /// This member's own id stands where another member's belongs. Nothing was changed.
    #[error("{id} is this member's own id: name another member")]
    OwnId {
        /// The id.
        id: MemberId,
    },
    /// The member that holds the authority's key revoked itself.
    #[error(
        "{id} is this member itself, which holds authority.key: it cannot revoke itself; admit a new key, move \
         authority.key there and revoke this one (docs/membership.md)"
    )]
    Oneself {
        /// Who.
        id: MemberId,
    },
    /// The member was revoked; that is for ever. A new key can be admitted.
    #[error("{id} was revoked, and that is for ever: admit a new key")]
    Revoked {
        /// Who.
        id: MemberId,
    },
    /// A published address is longer than the limit, or there are too many.
    #[error("{what} over the limit of {limit}")]
    Limit {
        /// What.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// There is no room on the disk. It can be tried again when there is.
    #[error("the disk is full ({why}): nothing is written until there is room")]
    DiskFull {
        /// What was found.
        why: String,
    },
    /// The engine stopped before the command was carried out.
    #[error("the member stopped")]
    Stopped,
}

/// Where an engine puts its effects. The driver empties `now` after each call of `handle`. `sync` moves the
/// effects of `after_sync` to `now`.
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
