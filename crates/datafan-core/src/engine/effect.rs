//! All that an engine can want, as plain data in an outbox.

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

/// Joins a command and its answer; chosen by the driver.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub u64);

/// One thing for the driver to do.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Hand `frame` to the connector.
    Send {
        /// Over whose link.
        to: MemberId,
        /// What.
        frame: Frame,
    },
    /// Dial.
    Dial {
        /// Where.
        address: Address,
        /// Who is expected there.
        expected: Option<MemberId>,
    },
    /// Close a link after what was sent.
    Close {
        /// Whose.
        peer: MemberId,
        /// Why, for people.
        reason: String,
    },
    /// Answer a local caller.
    Answer {
        /// Which.
        ticket: Ticket,
        /// What.
        answer: Answer,
    },
    /// A commit of an owner became visible here.
    Applied {
        /// Whose shard.
        owner: MemberId,
        /// Its head's timestamp; 0 when the shard was dropped.
        timestamp: Timestamp,
    },
    /// A peer counts as up: both sides answered the other's Hello.
    Ready {
        /// Which peer.
        peer: MemberId,
    },
    /// Somebody was let in nowhere, for the first time with this peer since the start or the last link.
    Refused(Box<Refused>),
    /// Somebody has to look at this.
    Alarm(Box<Alarm>),
}

/// What somebody has to look at; as text, a sentence for people.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Alarm {
    /// Peers hold a later head of an own shard than our disk: it is pulled back, and own writes wait for
    /// that.
    #[error(
        "peers hold more of the shard {} than this disk (up to {} there, {} here): it is an older copy, or was lost; what \
         they hold is taken back before anything is written",
        .theirs.owner.short(), .theirs.timestamp.0, .ours.map_or(0, |ours| ours.timestamp.0)
    )]
    Recovering {
        /// Theirs.
        theirs: Head,
        /// Ours.
        ours: Option<Head>,
    },
    /// A divergent copy is kept: a state of a shard that the visible one did not grow out of, for its owner to
    /// compare and take back.
    #[error(
        "a state of the shard {} that ends at {} is kept as a divergent copy: the present one did not grow out of it, \
         both diverged after {}; `datafan recovered` at its owner shows what it has",
        .head.owner.short(), .head.timestamp.0, .at.0
    )]
    Diverged {
        /// Its head.
        head: Head,
        /// What both had in common ends here.
        at: Timestamp,
    },
    /// An own shard is as the mesh knew it.
    #[error(
        "the shard {} is as the mesh knew it: what was written after {}, up to {}, came back",
        .owner.short(), .recovered.from.0, .recovered.to.0
    )]
    Recovered {
        /// Which: the member's own, or the roster.
        owner: MemberId,
        /// What came back.
        recovered: Recovered,
    },
    /// Peers held a later head of an own shard, and each came back with less, or did not come back.
    #[error(
        "what peers held of the shard {}, up to {}, cannot be had: they lost it too, or are gone; it goes on \
         from {}, and who comes back with it keeps it as a divergent copy",
        .theirs.owner.short(), .theirs.timestamp.0, .to.0
    )]
    NotRecovered {
        /// Theirs.
        theirs: Head,
        /// The head that is held, as far as it came back.
        to: Timestamp,
    },
    /// A peer holds a later head of our own shard than any that we made in this run: another process writes
    /// with our key. Own writes have stopped.
    #[error(
        "another process writes with our key: it has made a head of the shard {} at {}, and this one has not (ours: {}); \
         own writes are off",
        .theirs.owner.short(), .theirs.timestamp.0, .ours.map_or(0, |ours| ours.timestamp.0)
    )]
    ForeignHead {
        /// Theirs.
        theirs: Head,
        /// Ours.
        ours: Option<Head>,
    },
    /// A head of our own shard names the run of this process, which has not made it: another process with our
    /// key goes on from what this one wrote. Own writes wait until it is clear which of both began first.
    #[error(
        "another process with our key goes on from what this one wrote: it has made a head of the \
         shard {} at {} (ours: {}); own writes wait until it is clear which of the two began first, \
         at most half a minute",
        .theirs.owner.short(), .theirs.timestamp.0, .ours.map_or(0, |ours| ours.timestamp.0)
    )]
    Contested {
        /// Theirs.
        theirs: Head,
        /// Ours.
        ours: Option<Head>,
    },
    /// Own writes go on: this process began first, or nothing was heard of the other one meanwhile.
    #[error(
        "own writes go on after a head at {} that another process has made: {}",
        .theirs.timestamp.0,
        if *.claimed { "this one began first, and that one stops" } else { "no more was heard of that one" }
    )]
    ContestOver {
        /// The other process's last head.
        theirs: Head,
        /// This process has claimed to be the older one.
        claimed: bool,
    },
    /// A peer was linked with another process that has our key and that has not run for as long as this one.
    #[error(
        "another process with our key was linked with {}, and began after this one: it is told to \
         stop (a ticket used twice, a copied directory, a cloned machine)",
        .told_by.short()
    )]
    OtherProcess {
        /// The peer that says so.
        told_by: MemberId,
    },
    /// Another process with this member's key is alive that began before this one. Own writes are off here.
    #[error("another process runs with our key, it began before this one and {place}: own writes are off")]
    KeyInUse {
        /// Where.
        place: SameKeyPlace,
        /// This process began without any data of its own.
        empty: bool,
    },
    /// An owner has signed two states of which neither grew out of the other: its identity runs twice, was
    /// rewound, or is stolen. The evidence is kept.
    #[error(
        "the owner {} has forked: it has signed two states, at {} and {}, of which neither grew out of the other",
        .first.owner.short(), .first.timestamp.0, .second.timestamp.0
    )]
    Fork {
        /// One head.
        first: Head,
        /// The other.
        second: Head,
    },
    /// The authority signed a roster that forgets members. It was refused.
    #[error(
        "the authority has signed a roster (at {}) that forgets members of the one held (at {}): it is refused; the \
         authority was restored from an older copy, or its key is in use twice",
        .refused.timestamp.0, .held.timestamp.0
    )]
    RosterShrinks {
        /// The refused head.
        refused: Head,
        /// The head held.
        held: Head,
    },
}

/// What a command came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Done.
    Committed(Committed),
    /// Not done; nothing was written.
    Refused(CommandError),
}

/// What a commit did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Committed {
    /// Of the last effective write; the shard's present head where nothing changed. A member whose copy has
    /// reached this timestamp sees the commit.
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

/// Where an engine leaves what it wants. The driver empties `now` after each call of `handle`, and
/// `after_sync` once `sync` has moved it to `now`.
#[derive(Default, Debug)]
pub struct Outbox {
    /// To be done at once, in this order.
    pub now: Vec<Effect>,
    /// To be done once what was committed is on disk.
    pub after_sync: Vec<Effect>,
    /// Whether the engine asks for `sync` now, because effects wait for it or others' data has waited long
    /// enough.
    pub wants_sync: bool,
}

impl Outbox {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }
}
