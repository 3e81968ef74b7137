//! Everything that an engine can learn from its driver.

use super::{
    command_error::{CommandError, ForkError, RestampError, RosterError, WriteError},
    effect::Ticket,
    not_writable::NotWritable,
};
use crate::{
    connector::{Address, Direction, Lane},
    hash::Hash,
    id::{MemberId, Name},
    item::Key,
    roster::{Disposition, RosterChange},
    time::Timestamp,
};
use alloc::{string::String, sync::Arc, vec::Vec};

/// One event.
#[derive(Clone, Debug)]
pub enum Input {
    /// A command of a local caller. An [`super::Effect::Answer`] with the same ticket answers it.
    Command {
        /// Identifies the answer.
        ticket: Ticket,
        /// The command.
        command: Command,
    },
    /// A link came up.
    LinkUp {
        /// The peer, whose identity is verified.
        peer: MemberId,
        /// The address at which the peer can be dialled, if the connector knows one.
        address: Option<Address>,
        /// Which side dialled.
        direction: Direction,
    },
    /// A link went down.
    LinkDown {
        /// The peer.
        peer: MemberId,
        /// The reason, for people.
        reason: String,
    },
    /// The peer sent bytes that are not valid frames, which is a violation. The connector closes the link.
    Broken {
        /// The peer.
        peer: MemberId,
    },
    /// A dial failed.
    DialFailed {
        /// The address.
        address: Address,
        /// The expected peer, if there was one.
        expected: Option<MemberId>,
        /// The reason, for people.
        error: String,
    },
    /// A dial reached a peer that is linked already. The new connection was closed.
    DialFound {
        /// The address.
        address: Address,
        /// The expected peer, if there was one.
        expected: Option<MemberId>,
        /// The peer at the address, whose identity is verified.
        peer: MemberId,
    },
    /// A message arrived.
    Message {
        /// The sender, whose identity is verified.
        from: MemberId,
        /// The encoded message.
        bytes: Arc<[u8]>,
    },
    /// The connector's queue for this lane is full. The driver keeps the remaining frames until `Room`.
    Full {
        /// The peer.
        peer: MemberId,
        /// The lane.
        lane: Lane,
    },
    /// The lane has room again, and the driver has sent all frames that it kept.
    Room {
        /// The peer.
        peer: MemberId,
        /// The lane.
        lane: Lane,
    },
    /// Time has passed. Every call carries the time; this input carries nothing else.
    Wake,
}

/// A command of a local caller.
#[derive(Clone, Debug)]
pub enum Command {
    /// A command that is answered at once. It writes nothing, so it works even when own writes do not.
    Immediate(Immediate),
    /// A change of an own shard. It waits until that shard is confirmed, and is answered when it is on disk.
    Change(OwnChange),
    /// Applies a roster that was signed elsewhere: the bytes of a [`crate::message::Message::Push`], checked
    /// like a push from a peer. Answered when it is on disk.
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
    /// Publishes the addresses of this member. They are written to its shard after the answer, and only if
    /// they changed.
    Publish(Vec<Address>),
    /// Adds a bootstrap address. It is dialled at once and kept for later.
    Connect {
        /// The address.
        address: Address,
        /// The expected peer.
        expected: Option<MemberId>,
    },
}

/// A command that changes an own shard: the member's own or, with the authority's key, the roster. It is
/// carried out as a whole or not at all, and answered when it is on disk.
#[derive(Clone, Debug)]
pub enum OwnChange {
    /// Applies writes to the member's own shard, in one commit.
    Commit(Vec<Write>),
    /// Gives new timestamps to items that were written while the member's clock was far ahead, so that writes
    /// work again. Heads signed in that time become invalid forever. Shards whose last write is not ahead do
    /// not change. `changed` in the answer counts the items.
    Restamp,
    /// Discards divergent copies of the member's own shard. Answered at once if there are none.
    DiscardDivergent {
        /// The roots of the copies to discard; other copies are kept. `None` discards all.
        roots: Option<Vec<Hash>>,
    },
    /// Grants membership. Needs the authority's key.
    Admit {
        /// The new member.
        id: MemberId,
        /// Its name.
        name: Name,
    },
    /// Revokes a membership. Needs the authority's key.
    Revoke {
        /// The member.
        id: MemberId,
        /// What happens to its shard.
        disposition: Disposition,
    },
    /// Makes several changes of the roster in one commit. Needs the authority's key.
    ChangeRoster(Vec<RosterChange>),
    /// Closes the known forks of an owner: its commits are pushed again. The evidence is kept, and a later
    /// fork is open again. Needs the authority's key.
    CloseForks {
        /// The member.
        owner: MemberId,
    },
}

impl OwnChange {
    /// Whether it changes the roster, which is the authority's shard, rather than the member's own shard.
    pub fn is_of_authority(&self) -> bool {
        match self {
            Self::Admit { .. } | Self::Revoke { .. } | Self::ChangeRoster(_) | Self::CloseForks { .. } => {
                true
            }
            Self::Commit(_) | Self::Restamp | Self::DiscardDivergent { .. } => false,
        }
    }

    /// The error of a change whose shard cannot be written.
    pub(super) fn refused(&self, why: NotWritable) -> CommandError {
        match self {
            Self::Commit(_) => WriteError::from(why).into(),
            Self::Restamp => RestampError::from(why).into(),
            Self::DiscardDivergent { .. } => CommandError::DiscardDivergent(why),
            Self::Admit { .. } | Self::Revoke { .. } | Self::ChangeRoster(_) => RosterError::from(why).into(),
            Self::CloseForks { .. } => ForkError::from(why).into(),
        }
    }
}

/// One write to the member's own shard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Write {
    /// Sets the value of a key.
    Put {
        /// The key, which must not be a system key.
        key: Key,
        /// The value, at most `value_bytes_max` of the configuration.
        value: Arc<[u8]>,
        /// When the item expires; `None` for never.
        expiry: Option<Timestamp>,
    },
    /// Removes a key. Has no effect if the key does not exist.
    Delete {
        /// The key, which must not be a system key.
        key: Key,
    },
}

impl Write {
    /// The key of the write.
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
