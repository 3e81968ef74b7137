//! All that an engine can learn.

use super::effect::Ticket;
use crate::{
    connector::{Address, Direction, Lane},
    hash::Hash,
    id::{MemberId, Name},
    item::Key,
    roster::{Disposition, RosterChange},
    time::Timestamp,
};
use alloc::{string::String, sync::Arc, vec::Vec};

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A local caller wants something; answered by an [`super::Effect::Answer`] with the same ticket.
    Command {
        /// Names the answer.
        ticket: Ticket,
        /// What.
        command: Command,
    },
    /// The connector has a link.
    LinkUp {
        /// To whom; proven.
        peer: MemberId,
        /// Where the peer can be dialled, as far as the connector knows.
        address: Option<Address>,
        /// Who dialled.
        direction: Direction,
    },
    /// The link is gone.
    LinkDown {
        /// Which.
        peer: MemberId,
        /// Why, for people.
        reason: String,
    },
    /// The peer broke the format of the link, below messages: a violation. The connector
    /// closes it.
    Broken {
        /// Who.
        peer: MemberId,
    },
    /// A dial came to nothing.
    DialFailed {
        /// Where.
        address: Address,
        /// Who was expected.
        expected: Option<MemberId>,
        /// Why, for people.
        error: String,
    },
    /// A dial found somebody who is linked already; the new connection was closed.
    DialFound {
        /// Where.
        address: Address,
        /// Who was expected.
        expected: Option<MemberId>,
        /// Who is there; proven.
        peer: MemberId,
    },
    /// A message.
    Message {
        /// From whom; proven.
        from: MemberId,
        /// Its bytes, as they came.
        bytes: Arc<[u8]>,
    },
    /// The connector took no more on this lane; the driver keeps what it has and hands nothing over until
    /// `Room`.
    Full {
        /// Whose link.
        peer: MemberId,
        /// Which lane.
        lane: Lane,
    },
    /// There is room again, and the driver has handed over all that it had kept.
    Room {
        /// Whose link.
        peer: MemberId,
        /// Which lane.
        lane: Lane,
    },
    /// Time has passed. Every input carries the time; this one has nothing else.
    Wake,
}

/// What local callers ask for.
#[derive(Clone, Debug)]
pub enum Command {
    /// What is answered at once. Nothing is written for it, so it works while own writes do not.
    Immediate(Immediate),
    /// A change of an own shard: it waits until the mesh has confirmed that shard, and is answered when it
    /// is on disk.
    Change(OwnChange),
    /// Takes in a roster that was signed elsewhere: the bytes of a [`crate::message::Message::Push`], judged
    /// like one. Answered when it is on disk.
    ApplySignedRoster(Arc<[u8]>),
}

impl From<Immediate> for Command {
    fn from(immediate: Immediate) -> Self {
        Self::Immediate(immediate)
    }
}

impl From<OwnChange> for Command {
    fn from(change: OwnChange) -> Self {
        Self::Change(change)
    }
}

/// A command that is answered at once.
#[derive(Clone, Debug)]
pub enum Immediate {
    /// Publishes where this member can be dialled; written to its shard only when it differs, after the
    /// answer.
    Publish(Vec<Address>),
    /// Remembers an address to begin with; dialled at once and kept for later.
    Connect {
        /// Where.
        address: Address,
        /// Who is expected there.
        expected: Option<MemberId>,
    },
}

/// A command that changes an own shard: the member's own or, with the authority's key, the roster. All of it
/// is carried out, or nothing; answered when it is on disk.
#[derive(Clone, Debug)]
pub enum OwnChange {
    /// Applies writes to the member's own shard, as a whole.
    Commit(Vec<Write>),
    /// Gives the items that the member's own shards got while its clock was far ahead timestamps of the
    /// present, so that writes work again; what it signed in that time is invalid for ever. Nothing happens
    /// where the last write is not ahead. `changed` of the answer counts the items.
    Restamp,
    /// Gives up divergent copies of the member's own shard. Answered at once if there are none.
    DiscardDivergent {
        /// The roots of the copies that were looked at; `None` for whatever is kept. Others stay.
        roots: Option<Vec<Hash>>,
    },
    /// Grants membership. Needs the authority's key.
    Admit {
        /// Whom.
        id: MemberId,
        /// Under which name.
        name: Name,
    },
    /// Ends a membership. Needs the authority's key.
    Revoke {
        /// Whose.
        id: MemberId,
        /// What becomes of its shard.
        disposition: Disposition,
    },
    /// Changes the roster, all in one commit. Needs the authority's key.
    ChangeRoster(Vec<RosterChange>),
    /// Closes the forks of an owner that are known here: its commits are pushed again, the evidence stays,
    /// and a later fork is open. Needs the authority's key.
    CloseForks {
        /// Whose.
        owner: MemberId,
    },
}

impl OwnChange {
    /// Whether it changes the authority's shard, which holds the roster; otherwise it changes the member's
    /// own.
    pub fn is_of_authority(&self) -> bool {
        match self {
            Self::Admit { .. } | Self::Revoke { .. } | Self::ChangeRoster(_) | Self::CloseForks { .. } => {
                true
            }
            Self::Commit(_) | Self::Restamp | Self::DiscardDivergent { .. } => false,
        }
    }
}

/// One write to the own shard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Write {
    /// Sets the value of a key.
    Put {
        /// Not one of the system's.
        key: Key,
        /// At most the configured limit.
        value: Arc<[u8]>,
        /// When readers stop to see it.
        expiry: Option<Timestamp>,
    },
    /// Removes a key; nothing happens where it is not there.
    Delete {
        /// Not one of the system's.
        key: Key,
    },
}

impl Write {
    /// The key that is written.
    pub fn key(&self) -> &Key {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }

    /// Bytes of key and value.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Put { key, value, .. } => key.as_str().len() + value.len(),
            Self::Delete { key } => key.as_str().len(),
        }
    }
}
