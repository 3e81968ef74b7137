//! The events of a world, for observers.

use datafan_core::{
    connector::Lane,
    engine::{Alarm, Answer, Ticket},
    id::MemberId,
    time::{Time, Timestamp},
};
use std::sync::Arc;

/// An event; see [`super::World::record`].
#[derive(Clone, Debug)]
pub enum Happening {
    /// A commit of an owner became visible at a member.
    Applied {
        /// The member.
        member: usize,
        /// The owner of the shard.
        owner: MemberId,
        /// The head's timestamp; 0 when the shard was dropped.
        timestamp: Timestamp,
    },
    /// An engine sent a message over a link that is up; whether it arrives is not recorded.
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
    /// A member synced its commits.
    Synced {
        /// The member.
        member: usize,
        /// The timestamp of its own head that is now on its disk.
        own: Timestamp,
        /// That of the roster.
        roster: Timestamp,
    },
    /// A command was answered.
    Answered {
        /// The member.
        member: usize,
        /// The command.
        ticket: Ticket,
        /// The answer.
        answer: Answer,
    },
    /// A member raised an alarm.
    Alarmed {
        /// The member.
        member: usize,
        /// The alarm.
        alarm: Box<Alarm>,
    },
    /// A member opened its store.
    Started {
        /// The member.
        member: usize,
    },
    /// A member's engine has ended.
    Stopped {
        /// The member.
        member: usize,
        /// The error of its store, if that was the reason.
        error: Option<String>,
    },
    /// A link came up or went down.
    Linked {
        /// The lower number.
        a: usize,
        /// The higher number.
        b: usize,
        /// Whether it is now up.
        up: bool,
    },
}

/// An event and its time.
#[derive(Clone, Debug)]
pub struct Noted {
    /// The time.
    pub time: Time,
    /// The event.
    pub what: Happening,
}
