//! What engines say to each other, message by message: how often, how many bytes, and what handling it costs.

use crate::cpu::Stopwatch;
use anyhow::{Result, anyhow};
use datafan_core::{engine::Input, message::Message};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Whether deltas go through.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Deltas {
    /// As they are sent.
    Carried,
    /// In place of one comes what says that there is none: Announce for a Push, DeltaUnavailable for a Delta. So whoever
    /// lacks something must find out by reconciliation.
    Withheld,
}

/// What was seen since it began.
pub struct Trace {
    deltas: Deltas,
    tallies: BTreeMap<Tag, Tally>,
    last: Option<(Tag, Duration)>,
}

/// Kinds of messages that are told apart; all of one exchange together make its cost.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tag {
    /// No message: what a user asks for.
    Command,
    /// Asking for a delta.
    Pull,
    /// That there is none: the reconciliation begins.
    DeltaUnavailable,
    /// A delta.
    Delta,
    /// Asking for nodes.
    AskNodes,
    /// Nodes.
    Nodes,
    /// Asking for ranges.
    AskRanges,
    /// Items of a range.
    Ranges,
    /// Anything else: greetings, heads, rounds.
    Other,
}

/// Of one kind.
#[derive(Clone, Copy, Default)]
pub struct Tally {
    /// How many.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of that, keys in ranges.
    pub key_bytes: u64,
    /// Of that, values in ranges.
    pub value_bytes: u64,
    /// Of whoever took them in, on the processor.
    pub worked: Duration,
}

/// An input whose handling has begun.
pub struct Begun(Tag, Stopwatch);

impl Trace {
    /// Nothing so far.
    pub fn new(deltas: Deltas) -> Self {
        Self { deltas, tallies: BTreeMap::new(), last: None }
    }

    /// What was seen of all messages together.
    pub fn messages(&self) -> Tally {
        let mut all = Tally::default();
        for (_, tally) in self.tallies.iter().filter(|(tag, _)| **tag != Tag::Command) {
            all.messages += tally.messages;
            all.bytes += tally.bytes;
            all.worked += tally.worked;
        }
        all
    }

    /// What was seen of one kind.
    pub fn tally(&self, tag: Tag) -> Tally {
        self.tallies.get(&tag).copied().unwrap_or_default()
    }

    /// Handling begins.
    pub fn begin(inputs: &[Input]) -> Begun {
        let tag = match inputs.first() {
            Some(Input::Message { bytes, .. }) => Tag::of(bytes),
            Some(Input::Command { .. }) => Tag::Command,
            _ => Tag::Other,
        };
        Begun(tag, Stopwatch::start())
    }

    /// Handling has ended.
    pub fn end(&mut self, Begun(tag, watch): Begun) {
        let worked = watch.worked();
        self.tallies.entry(tag).or_default().worked += worked;
        self.last = Some((tag, worked));
    }

    /// What handling of the last input cost, if it was of this kind.
    pub fn last(&self, tag: Tag) -> Duration {
        self.last.filter(|(last, _)| *last == tag).map_or(Duration::ZERO, |(_, worked)| worked)
    }

    /// A message goes its way, or another in its place.
    ///
    /// # Errors
    /// If it is none.
    pub fn carry(&mut self, bytes: Arc<[u8]>) -> Result<Arc<[u8]>> {
        let message = Message::decode(&bytes).map_err(|error| anyhow!("{error}"))?;
        let other = match (self.deltas, &message) {
            (Deltas::Withheld, Message::Push(delta)) => Some(Message::Announce(vec![delta.head]).encode()),
            (Deltas::Withheld, Message::Delta(delta)) => Some(Message::DeltaUnavailable(delta.head).encode()),
            _ => None,
        };
        let (mut key_bytes, mut value_bytes) = (0, 0);
        if let Message::Ranges(_, ranges) = &message {
            for item in ranges.iter().flatten() {
                key_bytes += item.key.as_str().len() as u64;
                value_bytes += item.value.len() as u64;
            }
        }
        let bytes = other.map_or(bytes, Arc::from);
        let tally = self.tallies.entry(Tag::of(&bytes)).or_default();
        tally.messages += 1;
        tally.bytes += bytes.len() as u64;
        tally.key_bytes += key_bytes;
        tally.value_bytes += value_bytes;
        Ok(bytes)
    }
}

impl Tag {
    /// By the tag in the message's second byte; see `docs/protocol.md`.
    fn of(bytes: &[u8]) -> Self {
        match bytes.get(1) {
            Some(9 | 12) => Self::Pull,
            Some(11) => Self::DeltaUnavailable,
            Some(4 | 10) => Self::Delta,
            Some(13) => Self::AskNodes,
            Some(14) => Self::Nodes,
            Some(15) => Self::AskRanges,
            Some(16) => Self::Ranges,
            _ => Self::Other,
        }
    }
}
