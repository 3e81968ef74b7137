//! What a checker is, what it sees and what it says.

use crate::{
    ledger::{Applied, Ledger, Mesh, Owner, Position},
    scenario::Scenario,
    store::State,
};
use datafan_core::{
    connector::Lane, engine::Alarm, engine::Answer, engine::Ticket, head::Head, id::MemberId, time::Time,
};
use std::collections::BTreeSet;

/// What a checker may look at.
pub struct Scene<'a> {
    /// The members and links.
    pub world: &'a Mesh,
    /// What is known of them.
    pub ledger: &'a Ledger,
    /// What is simulated.
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
    /// What it is for.
    pub purpose: Purpose,
    /// All heads in it.
    pub heads: &'a [Told],
}

/// What a message is for, as far as checkers ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// It greets.
    Greet,
    /// It says that there is no delta.
    DeltaUnavailable,
    /// It asks for a part of the index, or for items by their place in it, of this owner.
    Compare(MemberId),
    /// Anything else.
    Other,
}

/// A head in a message.
pub struct Told {
    /// The head.
    pub head: Head,
    /// Whose it is and its number among those that its owner made, if its owner made one with this timestamp
    /// and root.
    pub made: Option<(Owner, Position)>,
}

/// A broken promise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation(pub String);

/// What looking at something came to.
pub type Checked = Result<(), Violation>;

/// Something that must always be true.
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

    /// A member runs, with what its disk has.
    fn on_started(&mut self, _: &Scene<'_>, _member: usize) -> Checked {
        Ok(())
    }

    /// Something was done to lines or members, or one of them started or stopped.
    fn on_disturbed(&mut self, _: &Scene<'_>) -> Checked {
        Ok(())
    }

    /// Time has passed; called a few times per simulated second.
    fn on_tick(&mut self, _: &Scene<'_>) -> Checked {
        Ok(())
    }

    /// The faults are over, and all are equal or the bound has passed.
    fn on_settled(&mut self, _: &Scene<'_>, _healed_at: Time) -> Checked {
        Ok(())
    }

    /// All are equal, and what was on its way has arrived.
    fn on_rest(&mut self, _: &Scene<'_>) -> Checked {
        Ok(())
    }

    /// The mesh was watched at rest since `on_rest`.
    fn at_end(&mut self, _: &Scene<'_>) -> Checked {
        Ok(())
    }
}

/// Fails with what `what` says unless `holds`.
pub(super) fn must(holds: bool, what: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Violation(what())) }
}

/// Which states were looked at: each is checked once, whoever holds it.
#[derive(Default)]
pub(super) struct Seen(pub(super) BTreeSet<u64>);

impl Seen {
    /// Whether `state` is worth a look: it is new, and of large ones a share that keeps the cost of a change
    /// in proportion to the change.
    pub(super) fn is_due(&mut self, state: &State) -> bool {
        let stride = (state.len() as u64 / FULL_LOOK_ITEMS).max(1);
        state.serial().is_multiple_of(stride) && self.0.insert(state.serial())
    }
}

/// A shard with fewer items is looked at in full after each change.
const FULL_LOOK_ITEMS: u64 = 64;
