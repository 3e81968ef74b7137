//! A record of the messages between engines: number, bytes, and the cost of handling.

use crate::cpu::Stopwatch;
use anyhow::{Result, anyhow};
use datafan_core::{engine::Input, message::Message};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Whether deltas get through.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Deltas {
    /// As sent.
    Carried,
    /// Each is replaced by a message without a delta: Announce for Push, DeltaUnavailable for Delta. So a
    /// member that lacks data must use reconciliation.
    Withheld,
}

/// The record since it began.
pub struct Trace {
    deltas: Deltas,
    tallies: BTreeMap<Tag, Tally>,
    last: Option<(Tag, Duration)>,
}

/// Kinds of messages; the cost of an exchange is the sum of its kinds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tag {
    /// Not a message: a request of a user.
    Command,
    /// Asks for a delta.
    Pull,
    /// There is no delta: reconciliation begins.
    DeltaUnavailable,
    /// A delta.
    Delta,
    /// Asks for nodes.
    AskNodes,
    /// Nodes.
    Nodes,
    /// Asks for ranges.
    AskRanges,
    /// Items of a range.
    Ranges,
    /// Anything else: greetings, heads, rounds.
    Other,
}

/// The record of one kind.
#[derive(Clone, Copy, Default)]
pub struct Tally {
    /// Number of messages.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of keys in ranges among these.
    pub key_bytes: u64,
    /// Bytes of values in ranges among these.
    pub value_bytes: u64,
    /// Processor time of their receivers.
    pub worked: Duration,
}

/// An input that is being handled.
pub struct Begun(Tag, Stopwatch);

impl Trace {
    /// An empty record.
    pub fn new(deltas: Deltas) -> Self {
        Self { deltas, tallies: BTreeMap::new(), last: None }
    }

    /// The record of all messages together.
    pub fn messages(&self) -> Tally {
        let mut all = Tally::default();
        for (_, tally) in self.tallies.iter().filter(|(tag, _)| **tag != Tag::Command) {
            all.messages += tally.messages;
            all.bytes += tally.bytes;
            all.worked += tally.worked;
        }
        all
    }

    /// The record of one kind.
    pub fn tally(&self, tag: Tag) -> Tally {
        self.tallies.get(&tag).copied().unwrap_or_default()
    }

    /// Handling starts.
    pub fn begin(inputs: &[Input]) -> Begun {
        let tag = match inputs.first() {
            Some(Input::Message { bytes, .. }) => Tag::of(bytes),
            Some(Input::Command { .. }) => Tag::Command,
            _ => Tag::Other,
        };
        Begun(tag, Stopwatch::start())
    }

    /// Handling ends.
    pub fn end(&mut self, Begun(tag, watch): Begun) {
        let worked = watch.worked();
        self.tallies.entry(tag).or_default().worked += worked;
        self.last = Some((tag, worked));
    }

    /// The cost of handling the last input, if it was of this kind.
    pub fn last(&self, tag: Tag) -> Duration {
        self.last.filter(|(last, _)| *last == tag).map_or(Duration::ZERO, |(_, worked)| worked)
    }

    /// Passes a message on, or another one in its place.
    ///
    /// # Errors
    /// If it is malformed.
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
