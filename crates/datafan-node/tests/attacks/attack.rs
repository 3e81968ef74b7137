//! An attack: a row of the table, and how it is carried out.

use crate::scene::Scene;
use datafan_core::{
    connector::Frame,
    id::{MemberId, MeshId},
    identity::Identity,
    item::Item,
    message::{Message, NodeAnswer, Request},
};
use datafan_testkit::shard::{Parts, Shard};
use std::pin::Pin;

/// One attack, and its expected result.
pub struct Attack {
    pub name: &'static str,
    /// What the attacker does.
    pub does: &'static str,
    pub who: Who,
    pub stage: Stage,
    pub act: Act,
    /// The refusal that the victim counts.
    pub counter: &'static str,
    pub fate: Fate,
    /// The outcome, in addition to correct reads and equal members.
    pub outcome: &'static str,
}

/// The attacker.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// An admitted member.
    Member,
    /// A stranger that was never admitted.
    Stranger,
    /// A revoked member.
    Revoked,
}

/// The data of the victim when the attack begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The roster. It knows only the attacker, and a peer that knows only the victim.
    New,
    /// An older state of the owner's shard, copied through the attacker, and the same peers.
    Behind,
    /// Everything; it is linked to the owner.
    Linked,
}

/// How it is carried out.
pub enum Act {
    /// Announces the owner's current state, and alters it when it is requested.
    Violates(Violation),
    /// Sends this once the link is up.
    Says(fn(&Facts) -> Vec<Frame>),
    /// Sends this instead of its greeting.
    Greets(fn(&Facts) -> Vec<Frame>),
    /// As a separate scenario.
    Runs(Scenario),
}

pub type Scenario = for<'s> fn(&'s mut Scene) -> Pin<Box<dyn Future<Output = ()> + Send + 's>>;

/// The change in an otherwise honest answer about the owner's shard. All except deltas are answers to a
/// reconciliation, which starts when no delta is available.
#[derive(Clone, Copy)]
pub enum Violation {
    None,
    Delta(fn(&mut Parts)),
    Nodes(fn(&Request, &mut Vec<NodeAnswer>)),
    Ranges(fn(&mut Vec<Vec<Item>>)),
    /// The bytes of nodes or ranges.
    Bytes(fn(&mut Vec<u8>)),
    /// Another message.
    Instead(fn(&Shard, &Request) -> Message<'static>),
    /// Another message, in answer to a pull.
    InsteadOfDelta(fn(&Shard) -> Message<'static>),
    /// No answer.
    Silence,
}

/// What happens to the attacker.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its announcements are ignored for a while.
    BackedOff,
    /// The link is closed, and announcements on the next one are ignored for a while.
    ClosedAndBackedOff,
    /// The link is closed.
    Closed,
    /// It is not a violation: the link stays up.
    Heard,
}

impl Fate {
    pub fn text(self) -> &'static str {
        match self {
            Self::BackedOff => "backed off",
            Self::ClosedAndBackedOff => "link closed, backed off",
            Self::Closed => "link refused",
            Self::Heard => "not backed off",
        }
    }
}

/// The knowledge and keys of attackers.
pub struct Facts {
    pub mesh: MeshId,
    pub key: Identity,
    pub victim: MemberId,
    pub owner: MemberId,
    /// Keys that an attacker does not have: for changes by the owner or the authority themselves.
    pub owner_key: Identity,
    pub authority_key: Identity,
    pub roster: Shard,
    /// The owner's shard: an earlier state and the current one.
    pub first: Shard,
    pub second: Shard,
}
