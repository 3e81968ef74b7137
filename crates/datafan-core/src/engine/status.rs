//! The status that an engine reports.

use super::rejection::Rejection;
use crate::{
    connector::{Address, Direction},
    grant::Grant,
    hash::Hash,
    id::{MemberId, Name},
    recovered::Recovered,
    time::Timestamp,
};
use alloc::{collections::BTreeMap, string::String, vec::Vec};

/// The status of a member at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// Its name from its grant, or the configured name if it has no grant.
    pub name: Name,
    /// Its standing in the mesh.
    pub standing: Standing,
    /// The state of its own shard.
    pub own: OwnState,
    /// Why the disk is full: until there is room, nothing is written and no data of other members is
    /// accepted. `None` if there is room.
    pub disk_full: Option<String>,
    /// The last recovery of the own shard from the mesh.
    pub recovered: Option<Recovered>,
    /// A divergent copy of the own shard: the timestamp where it diverged from the visible shard, and its
    /// last timestamp.
    pub divergent: Option<(Timestamp, Timestamp)>,
    /// How far our wall clock is ahead of those of most peers, in microseconds; negative if it is behind.
    /// `None` without links.
    pub clock_ahead: Option<i64>,
    /// Links and dials.
    pub links: Vec<LinkStatus>,
    /// All shards, ordered by owner.
    pub shards: Vec<ShardStatus>,
    /// The roster, ordered by id.
    pub members: Vec<(MemberId, Grant)>,
    /// The reachability of each active member.
    pub reach: BTreeMap<MemberId, MemberReach>,
    /// Peers that asked for a link and are not in the roster.
    pub pending: Vec<Pending>,
    /// How often each kind of rejection occurred.
    pub refusals: BTreeMap<Rejection, u64>,
}

/// A member's standing in its mesh.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Standing {
    /// The member is in the roster.
    Up,
    /// The member has no roster yet, or is not in the one it has and was not refused.
    Joining,
    /// The member was refused by a peer or revoked, with the reason.
    Refused(String),
}

/// Whether the own shard may be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OwnState {
    /// Writes wait until a peer's Hello was compared, or until a confirmed store has waited for
    /// `confirm_micros`.
    Waiting,
    /// Writes wait while a later head is recovered from a peer. If the link to that peer is down, they wait
    /// for at most a minute, unless the member started without data of its own.
    Recovering {
        /// The timestamp of the other head.
        timestamp: Timestamp,
        /// The peer that holds it; `None` once it is recovered.
        holder: Option<MemberId>,
    },
    /// Writes wait for at most a minute: this process started without data, the mesh has its shard, and
    /// another process may run with its key.
    Checking {
        /// The member that lists a link with another process, if there is one.
        lister: Option<MemberId>,
    },
    /// Writes work.
    Confirmed,
    /// Writes wait for at most half a minute: another process continues from our writes, and it is not clear
    /// yet which of the two began first.
    Contested {
        /// The timestamp of the other process's head.
        timestamp: Timestamp,
    },
    /// Writes are refused: another process writes with the same key.
    Foreign {
        /// The timestamp of the other head.
        timestamp: Timestamp,
    },
}

/// The reachability of a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemberReach {
    /// How it can be reached.
    pub reach: Reachability,
    /// Whether it was reachable at some time in this run. If not, `since` of an unreachable member is the
    /// start of the run.
    pub seen: bool,
    /// Whether a dial is under way.
    pub dialling: bool,
}

/// Whether a member's writes can reach this member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reachability {
    /// It is this member itself.
    Itself,
    /// A link to it is up.
    Linked,
    /// The published links lead to it, or its head changed here within the last minute.
    Reachable,
    /// Nothing shows that it can be reached, so the copy of its shard may be old.
    Unreachable {
        /// Since when, by this member's clock; at the earliest since this member started.
        since: Timestamp,
    },
}

/// A link, or a dial that has not led to a link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkStatus {
    /// The peer, if known.
    pub id: Option<MemberId>,
    /// Its address, if known.
    pub address: Option<Address>,
    /// Which side dialled.
    pub direction: Direction,
    /// The state of the link.
    pub state: LinkState,
    /// The last error of the dial.
    pub error: Option<String>,
}

/// The state of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkState {
    /// The peer is being dialled.
    Dialling,
    /// The last dial failed, and no dial is under way.
    Waiting,
    /// The link is connected, but the handshake is not complete.
    Greeting,
    /// The link is up.
    Up,
}

/// The status of a shard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShardStatus {
    /// The owner.
    pub owner: MemberId,
    /// The timestamp of the head held; 0 if there is none.
    pub timestamp: Timestamp,
    /// Live items according to the head.
    pub items: u64,
    /// Bytes of keys and values according to the head.
    pub bytes: u64,
    /// The root held; the root of an empty shard if there is no head.
    pub root: Hash,
    /// The progress of the shard.
    pub state: ShardProgress,
    /// Since when the owner is unreachable; the copy may be outdated since then. `None` if it is reachable,
    /// and for the roster.
    pub unreachable_since: Option<Timestamp>,
}

/// The progress of a shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShardProgress {
    /// The shard is complete.
    Whole,
    /// A first copy or a repair is under way.
    Copying,
    /// The owner was revoked.
    Revoked,
    /// The owner has forked.
    Forked,
}

/// A peer that asked for a link and waits to be admitted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pending {
    /// The peer, whose identity is verified.
    pub id: MemberId,
    /// The name that it asks for. It is not verified.
    pub name: Name,
    /// The address at which it was seen.
    pub address: Option<Address>,
    /// When it first asked: wall time.
    pub since: Timestamp,
}
