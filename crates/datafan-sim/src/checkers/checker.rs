//! The checker trait, what checkers see, and what they report.

use crate::{
    ledger::{Applied, Ledger, Mesh, Owner, Position},
    scenario::Scenario,
    store::State,
};
use datafan_core::{
    connector::Lane, engine::Alarm, engine::Answer, engine::Ticket, head::Head, id::MemberId, time::Time,
};
use std::collections::BTreeSet;

/// The state that a checker sees.
pub struct Scene<'a> {
    /// The members and links.
    pub world: &'a Mesh,
    /// The record of heads, writes and acknowledgements.
    pub ledger: &'a Ledger,
    /// The scenario.
    pub scenario: &'a Scenario,
    /// Members whose messages may be altered.
    pub misbehaving: &'a BTreeSet<usize>,
}

/// A message that an engine sent.
pub struct Sent<'a> {
    /// Its sender.
    pub from: usize,
    /// Its receiver.
    pub to: usize,
    /// Its lane.
    pub lane: Lane,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// The kind of message.
    pub purpose: Purpose,
    /// All heads in it.
    pub heads: &'a [Told],
}

/// The kinds of messages that checkers distinguish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// A greeting.
    Greet,
    /// It says that there is no delta.
    DeltaUnavailable,
    /// It asks for a part of the index of this owner, or for items by their place in it.
    Compare(MemberId),
    /// Anything else.
    Other,
}

/// A head in a message.
pub struct Told {
    /// The head.
    pub head: Head,
    /// Its owner, and its number among the heads that the owner made; `None` if the owner made no head with
    /// this timestamp and root.
    pub made: Option<(Owner, Position)>,
}

/// A violated property.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation(pub String);

/// The result of a check.
pub type Checked = Result<(), Violation>;

/// A property that must always hold.
pub trait Checker {
    /// Its name in results.
    fn name(&self) -> &'static str;

    /// A commit became visible.
    fn on_applied(&mut self, _: &Scene<'_>, _: &Applied<'_>) -> Checked {
        Ok(())
    }

    /// A state became visible that its owner never made.
    fn on_unknown(&mut self, _: &Scene<'_>, _member: usize, _what: &str) -> Checked {
        Ok(())
    }

    /// An engine sent a message.
    fn on_sent(&mut self, _: &Scene<'_>, _: &Sent<'_>) -> Checked {
        Ok(())
    }

    /// A command was answered.
    fn on_answer(&mut self, _: &Scene<'_>, _member: usize, _: Ticket, _: &Answer) -> Checked {
        Ok(())
    }

    /// A member raised an alarm.
    fn on_alarm(&mut self, _: &Scene<'_>, _member: usize, _: &Alarm) -> Checked {
        Ok(())
    }

    /// A member started, with the content of its disk.
    fn on_started(&mut self, _: &Scene<'_>, _member: usize) -> Checked {
        Ok(())
    }

    /// A fault was injected into lines or members, or a member started or stopped.
    fn on_disturbed(&mut self, _: &Scene<'_>) -> Checked {
        Ok(())
    }

    /// Time has passed; called a few times per simulated second.
    fn on_tick(&mut self, _: &Scene<'_>) -> Checked {
        Ok(())
    }

    /// The faults are over, and all members are equal or the bound has passed.
    fn on_settled(&mut self, _: &Scene<'_>, _healed_at: Time) -> Checked {
        Ok(())
    }

    /// All members are equal, and messages in flight have arrived.
    fn on_rest(&mut self, _: &Scene<'_>) -> Checked {
        Ok(())
    }

    /// The mesh has been at rest since `on_rest`.
    fn at_end(&mut self, _: &Scene<'_>) -> Checked {
        Ok(())
    }
}

/// Fails with the text of `what` unless `holds`.
pub(super) fn must(holds: bool, what: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Violation(what())) }
}

/// The states that were checked: each is checked once, whoever holds it.
#[derive(Default)]
pub(super) struct Seen(pub(super) BTreeSet<u64>);

impl Seen {
    /// Whether to check `state`: it is new, and of large states only a share is checked, so that the cost
    /// stays in proportion to the change.
    pub(super) fn is_due(&mut self, state: &State) -> bool {
        let stride = (state.len() as u64 / FULL_LOOK_ITEMS).max(1);
        state.serial().is_multiple_of(stride) && self.0.insert(state.serial())
    }
}

/// A shard with fewer items is checked completely after each change.
const FULL_LOOK_ITEMS: u64 = 64;
