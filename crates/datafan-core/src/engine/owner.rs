//! What the engine knows of one owner and its shard.

use super::descent::Descent;
use crate::{
    hash::Hash,
    head::Head,
    id::MemberId,
    store::{ShardNumber, ShardRecord},
    time::{Time, Timestamp},
};
use alloc::{boxed::Box, sync::Arc};

/// One owner: what is held, what is known to exist, what is being fetched.
#[derive(Default)]
pub(super) struct Owner {
    /// The visible shard. Its record always has a head.
    pub(super) whole: Option<(ShardNumber, Arc<ShardRecord>)>,
    /// The hidden copy, from this run or an earlier one.
    pub(super) building: Option<ShardNumber>,
    /// The greatest acceptable head that was heard of and is not held; its signature is verified.
    pub(super) known: Option<Head>,
    /// When `known` is fetched: pushes get a grace to arrive by themselves.
    pub(super) fetch_at: Time,
    /// Who told of `known`.
    pub(super) fetch_from: Option<MemberId>,
    /// Whose push led nowhere last: asked only where nobody else has it.
    pub(super) doubted: Option<MemberId>,
    /// The one transfer under way.
    pub(super) transfer: Option<Transfer>,
    /// The greatest head that was refused, so that it is neither fetched nor judged again.
    pub(super) refused: Option<Refused>,
}

/// A transfer under way.
pub(super) enum Transfer {
    /// A delta was asked for.
    Pull {
        /// From whom.
        from: MemberId,
        /// When somebody else is asked.
        deadline: Time,
    },
    /// The index is being compared.
    Descent(Box<Descent>),
}

/// A head that is not wanted, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Refused {
    pub(super) order: (Timestamp, Hash),
    pub(super) reason: Reason,
}

/// Why a head is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reason {
    /// Too far ahead of our clock.
    Clock,
    /// Over the owner's quota.
    Quota,
    /// The verified content is not what the head says, or breaks a rule.
    Void,
    /// A roster older than the ticket, or one that forgets members.
    Roster,
    /// Not the head at which a revoked owner's shard stays.
    Revoked,
}

impl Reason {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Clock => "clock_ahead",
            Self::Quota => "over_quota",
            Self::Void => "void_head",
            Self::Roster => "old_roster",
            Self::Revoked => "revoked_head",
        }
    }
}

impl Owner {
    /// The head of the visible shard.
    pub(super) fn head(&self) -> Option<&Head> {
        self.whole.as_ref().and_then(|(_, record)| record.head.as_ref())
    }

    /// Its timestamp; 0 for none.
    pub(super) fn timestamp(&self) -> Timestamp {
        self.head().map_or(Timestamp::ZERO, |head| head.timestamp)
    }

    /// Forgets what is known but not held.
    pub(super) fn forget(&mut self) {
        self.known = None;
        self.fetch_from = None;
    }
}
