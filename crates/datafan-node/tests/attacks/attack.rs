//! What an attack is: a row of the table, and how it is carried out.

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

/// One attack, and what has to come of it.
pub struct Attack {
    pub name: &'static str,
    /// What the attacker does.
    pub does: &'static str,
    pub who: Who,
    pub stage: Stage,
    pub act: Act,
    /// The refusal under which the victim counts it.
    pub counter: &'static str,
    pub fate: Fate,
    /// What it came to, beside that all reads are right and all members equal.
    pub outcome: &'static str,
}

/// Who attacks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// A member in good standing.
    Member,
    /// Somebody whom nobody admitted.
    Stranger,
    /// A former member.
    Revoked,
}

/// What the victim holds when the attack begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The roster. It knows nobody but the attacker, and one who knows nobody but it.
    New,
    /// An older state of the owner's shard, copied through the attacker, and as above.
    Behind,
    /// All there is; it is linked to the owner.
    Linked,
}

/// How it is carried out.
pub enum Act {
    /// Tells of the owner's present state, and alters it when it is asked for it.
    Violates(Violation),
    /// Says this once the link is up.
    Says(fn(&Facts) -> Vec<Frame>),
    /// Says this in place of its greeting.
    Greets(fn(&Facts) -> Vec<Frame>),
    /// As a scenario of its own.
    Runs(Scenario),
}

pub type Scenario = for<'s> fn(&'s mut Scene) -> Pin<Box<dyn Future<Output = ()> + Send + 's>>;

/// What is changed in an otherwise honest answer about the owner's shard. All but deltas are answers to a
/// reconciliation, to which a gap leads.
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

/// What becomes of the attacker.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// What it tells is not looked at for a while.
    BackedOff,
    /// The link is closed, and what it tells on the next one is not looked at for a while.
    ClosedAndBackedOff,
    /// The link is closed.
    Closed,
    /// It was no violation: the link goes on.
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

/// What attackers know and have.
pub struct Facts {
    pub mesh: MeshId,
    pub key: Identity,
    pub victim: MemberId,
    pub owner: MemberId,
    /// Keys that an attacker has not: for what an owner or the authority did itself.
    pub owner_key: Identity,
    pub authority_key: Identity,
    pub roster: Shard,
    /// The owner's shard, an earlier state and the present one.
    pub first: Shard,
    pub second: Shard,
}
