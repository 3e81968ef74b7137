//! What happened in a world, for whoever watches it.

use datafan_core::{
    connector::Lane,
    engine::{Alarm, Answer, Ticket},
    id::MemberId,
    time::{Time, Timestamp},
};
use std::sync::Arc;

/// One thing that happened; see [`super::World::record`].
#[derive(Clone, Debug)]
pub enum Happening {
    /// A commit of an owner became visible at a member.
    Applied {
        /// Where.
        member: usize,
        /// Whose shard.
        owner: MemberId,
        /// The head's timestamp; 0 when the shard was dropped.
        timestamp: Timestamp,
    },
    /// An engine sent a message over a link that is up; what became of it is not said.
    Sent {
        /// Its sender.
        from: usize,
        /// Its receiver.
        to: usize,
        /// Its lane.
        lane: Lane,
        /// Its bytes, as the engine sent them.
        bytes: Arc<[u8]>,
    },
    /// A member made durable what it had committed.
    Synced {
        /// Who.
        member: usize,
        /// The timestamp of its own head that is on its disk now.
        own: Timestamp,
        /// That of the roster.
        roster: Timestamp,
    },
    /// A command was answered.
    Answered {
        /// By whom.
        member: usize,
        /// Which.
        ticket: Ticket,
        /// With what.
        answer: Answer,
    },
    /// A member raised an alarm.
    Alarmed {
        /// Who.
        member: usize,
        /// About what.
        alarm: Box<Alarm>,
    },
    /// A member opened its store.
    Started {
        /// Who.
        member: usize,
    },
    /// A member's engine is gone.
    Stopped {
        /// Who.
        member: usize,
        /// What its store said, where that was the reason.
        error: Option<String>,
    },
    /// A link came up or went down.
    Linked {
        /// The lower number.
        a: usize,
        /// The higher number.
        b: usize,
        /// Whether it is up now.
        up: bool,
    },
}

/// A happening and its time.
#[derive(Clone, Debug)]
pub struct Noted {
    /// When.
    pub time: Time,
    /// What.
    pub what: Happening,
}
