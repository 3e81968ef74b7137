//! What an engine can say about itself.

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

/// A member at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// Its name: from its grant, else the wished one.
    pub name: Name,
    /// How it stands to the mesh.
    pub standing: Standing,
    /// How it stands to its own shard.
    pub own: OwnState,
    /// Why there is no room on the disk: nothing is written, and nothing of others is taken, until there is.
    pub disk_full: Option<String>,
    /// What the mesh gave back of it, the last time that it had to.
    pub recovered: Option<Recovered>,
    /// A divergent copy of it: where it had diverged from the visible one, and where it ends.
    pub divergent: Option<(Timestamp, Timestamp)>,
    /// How far our wall clock is ahead of those of most peers, in microseconds; negative if it is behind.
    /// `None` without links.
    pub clock_ahead: Option<i64>,
    /// Links and dials.
    pub links: Vec<LinkStatus>,
    /// Every shard, by owner.
    pub shards: Vec<ShardStatus>,
    /// The roster, by id.
    pub members: Vec<(MemberId, Grant)>,
    /// How each member that belongs can be reached from here.
    pub reach: BTreeMap<MemberId, MemberReach>,
    /// Who knocked and is not in the roster.
    pub pending: Vec<Pending>,
    /// What was rejected.
    pub refusals: BTreeMap<Rejection, u64>,
}

/// How a member stands to its mesh.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Standing {
    /// In the roster.
    Up,
    /// Has no roster yet, or is not in the one it has and nobody has refused it.
    Joining,
    /// Refused by a peer, or revoked.
    Refused(String),
}

/// Whether the own shard may be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OwnState {
    /// Writes wait until a peer's Hello was compared, or the time for a proven store has passed.
    Waiting,
    /// Writes wait: a peer holds a later head, which is pulled back. While its link is down, at most a
    /// minute, unless the member began without data of its own.
    Recovering {
        /// Its timestamp.
        timestamp: Timestamp,
        /// Who holds it, until it came back.
        holder: Option<MemberId>,
    },
    /// Writes wait, at most a minute: this process began without data, the mesh has its shard, and another
    /// process may run with its key.
    Checking {
        /// Who lists a link with another process, if somebody does.
        lister: Option<MemberId>,
    },
    /// Writes work.
    Confirmed,
    /// Writes wait, at most half a minute: another process goes on from what this one wrote, and it is not
    /// clear yet which of both began first.
    Contested {
        /// The timestamp of its head.
        timestamp: Timestamp,
    },
    /// Writes are refused: another process writes with the same key.
    Foreign {
        /// Its timestamp.
        timestamp: Timestamp,
    },
}

/// How a member can be reached from here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemberReach {
    /// How.
    pub reach: Reachability,
    /// It is or was reachable in this run. Else `since` of an unreachable one is merely the run's start.
    pub seen: bool,
    /// A dial is under way.
    pub dialling: bool,
}

/// Whether what a member writes gets here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reachability {
    /// It is this member.
    Itself,
    /// A link to it is up.
    Linked,
    /// The published links lead to it, or its head moved here within the last minute.
    Reachable,
    /// Nothing shows that it can be reached: what is held of it may be old.
    Unreachable {
        /// Since when, by this member's clock; at the earliest since it was started.
        since: Timestamp,
    },
}

/// A link, or a dial that has not led to one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkStatus {
    /// The peer, where known.
    pub id: Option<MemberId>,
    /// Its address, where known.
    pub address: Option<Address>,
    /// Who dialled.
    pub direction: Direction,
    /// How far it is.
    pub state: LinkState,
    /// The last error of the dial.
    pub error: Option<String>,
}

/// How far a link is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkState {
    /// Being dialled.
    Dialling,
    /// The last dial came to nothing, and nobody dials now.
    Waiting,
    /// Connected; Hello is not answered yet.
    Greeting,
    /// Up.
    Up,
}

/// A shard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShardStatus {
    /// Whose.
    pub owner: MemberId,
    /// Of the head held; 0 for none.
    pub timestamp: Timestamp,
    /// Live items by the head.
    pub items: u64,
    /// Bytes of keys and values by the head.
    pub bytes: u64,
    /// The root held; that of an empty shard where there is no head.
    pub root: Hash,
    /// What is going on.
    pub state: ShardProgress,
    /// Since when its owner is not reachable: what is held may be old since then. `None` while it is, and for
    /// the roster.
    pub unreachable_since: Option<Timestamp>,
}

/// What is going on with a shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShardProgress {
    /// All is there.
    Whole,
    /// A first copy or a repair is under way.
    Copying,
    /// Its owner was revoked.
    Revoked,
    /// Its owner has signed states of which neither grew out of the other.
    Forked,
}

/// Who knocked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pending {
    /// Who; proven.
    pub id: MemberId,
    /// The name it would like; unproven.
    pub name: Name,
    /// Where it was seen.
    pub address: Option<Address>,
    /// When it first knocked: wall time.
    pub since: Timestamp,
}
