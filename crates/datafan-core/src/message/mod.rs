//! The messages between members: protocol version 3.
//!
//! A message consists of the version byte, a tag and a body; `docs/protocol.md` specifies every byte. Each
//! message has exactly one encoding. Counts, lengths, order and sums are checked while reading, before memory
//! is allocated. Signatures and hashes are not verified here; the engine does that.

mod data;
mod hello;
mod nodes;

pub use data::{Delta, Items, Tombstones, Want, encode_delta, encode_range};
pub(crate) use hello::decode_addresses;
pub use hello::{Hello, Refusal};
pub use nodes::{Ask, ChildAnswer, HeadAnswer, HeadChild, Hints, NodeAnswer};

use crate::{
    claim::Claim,
    codec::{DecodeError, Reader, Writer, malformed},
    connector::{Frame, Lane},
    hash::Hash,
    head::Head,
    id::MemberId,
    item::Item,
    limits::*,
    runs::RunId,
};
use alloc::{boxed::Box, vec::Vec};

/// The version byte of every message. Other versions are refused.
pub const PROTOCOL_VERSION: u8 = 3;

/// One message. Deltas are decoded in two steps: first the head, then the data if it is needed.
#[derive(Clone, PartialEq, Debug)]
pub enum Message<'a> {
    /// The first message of each side. It is boxed because it is larger than the others and rare.
    Hello(Box<Hello>),
    /// Accepts a Hello: the link is up.
    Welcome,
    /// Refuses a Hello; the link is closed.
    Refuse(Refusal),
    /// A commit that the receiver did not request.
    Push(Delta<'a>),
    /// Heads whose data the sender holds. The receiver did not request them.
    Announce(Vec<Head>),
    /// The root of the sender's trie of heads.
    Round(Hash),
    /// Asks for nodes of the trie of heads.
    AskHeads(Vec<Ask>),
    /// The answer to `AskHeads`, slot by slot.
    Heads(Vec<HeadAnswer>),
    /// Asks for the data after given timestamps.
    Pull(Vec<Want>),
    /// The answer to a `Pull`, with the data.
    Delta(Delta<'a>),
    /// The answer to a `Pull` if the delta would be too large or tombstones are missing: the receiver has to
    /// reconcile.
    DeltaUnavailable(Head),
    /// The answer to a `Pull` if the sender has nothing newer.
    UpToDate(MemberId),
    /// Asks for nodes of a shard's trie.
    AskNodes(Request),
    /// The answer to `AskNodes`, slot by slot.
    Nodes(u32, Vec<NodeAnswer>),
    /// Asks for all items in slots of a shard's trie.
    AskRanges(Request),
    /// The answer to `AskRanges`, slot by slot.
    Ranges(u32, Vec<Vec<Item>>),
    /// The answer to `AskNodes` or `AskRanges` if the sender does not have the requested state, with the head
    /// that it has.
    StateChanged(u32, Option<Head>),
    /// Owners whose pushes the sender gets from other peers.
    Prune(Vec<MemberId>),
    /// Owners whose pushes the sender wants.
    Graft(Vec<MemberId>),
    /// Asks a silent peer whether it is alive.
    Probe,
    /// The answer to a `Probe`.
    Alive,
    /// Heads of divergent copies of the receiver's shard that the sender keeps.
    Diverged(Vec<Head>),
    /// Another process with the receiver's key is, or was recently, linked with the sender.
    OtherRun {
        /// The run of that process.
        run: RunId,
        /// How long that process has run, in microseconds.
        age_micros: u64,
    },
    /// A signed claim of a process that it began before another process with the same key. Sent by that
    /// process, or relayed to the other one.
    Claim(Claim),
}

/// A request about one state of one shard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// Chosen by the requester; the answer repeats it.
    pub id: u32,
    /// The owner of the shard.
    pub owner: MemberId,
    /// The root of the requested state.
    pub root: Hash,
    /// The requested slots.
    pub slots: Vec<Ask>,
}

impl Message<'_> {
    /// The frame to send. Answers that carry data take the bulk lane.
    pub fn frame(&self) -> Frame {
        let lane = match self {
            Self::Delta(_) | Self::Nodes(..) | Self::Ranges(..) => Lane::Bulk,
            Self::AskNodes(_) | Self::AskRanges(_) | Self::Pull(_) | Self::StateChanged(..) => Lane::Small,
            Self::Hello(_) | Self::Welcome | Self::Refuse(_) | Self::Push(_) | Self::Announce(_) => {
                Lane::Small
            }
            Self::Round(_)
            | Self::AskHeads(_)
            | Self::Heads(_)
            | Self::DeltaUnavailable(_)
            | Self::UpToDate(_) => Lane::Small,
            Self::Prune(_) | Self::Graft(_) | Self::Diverged(_) | Self::Probe | Self::Alive => Lane::Small,
            Self::OtherRun { .. } | Self::Claim(_) => Lane::Small,
        };
        Frame { lane, bytes: self.encode().into() }
    }

    /// Whether the message brings unrequested news, which the receiver has to check at some cost.
    pub(crate) fn is_unrequested_news(&self) -> bool {
        matches!(self, Self::Push(_) | Self::Announce(_) | Self::Round(_) | Self::Heads(_))
            || matches!(self, Self::Diverged(_) | Self::OtherRun { .. } | Self::Claim(_))
    }

    /// The encoded bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.byte(PROTOCOL_VERSION).byte(self.tag());
        match self {
            Self::Hello(hello) => hello.encode(&mut out),
            Self::Welcome | Self::Probe | Self::Alive => {}
            Self::Refuse(refusal) => {
                out.byte(*refusal as u8);
            }
            Self::Push(delta) | Self::Delta(delta) => delta.encode(&mut out),
            Self::Announce(heads) | Self::Diverged(heads) => {
                out.list(heads, |out, head| head.encode(out));
            }
            Self::Round(root) => {
                out.hash(root);
            }
            Self::AskHeads(asks) => {
                out.list(asks, |out, ask| ask.encode(out));
            }
            Self::Heads(answers) => {
                out.list(answers, |out, answer| answer.encode(out));
            }
            Self::Pull(wants) => {
                out.list(wants, |out, want| want.encode(out));
            }
            Self::DeltaUnavailable(head) => head.encode(&mut out),
            Self::UpToDate(owner) => {
                out.id(owner);
            }
            Self::AskNodes(request) | Self::AskRanges(request) => request.encode(&mut out),
            Self::Nodes(id, answers) => {
                out.varint(u64::from(*id)).list(answers, |out, answer| answer.encode(out));
            }
            Self::Ranges(id, ranges) => {
                out.varint(u64::from(*id)).list(ranges, |out, items| encode_range(items, out));
            }
            Self::StateChanged(id, head) => {
                out.varint(u64::from(*id)).option(head.as_ref(), |out, head| head.encode(out));
            }
            Self::Prune(owners) | Self::Graft(owners) => {
                out.list(owners, |out, owner| {
                    out.id(owner);
                });
            }
            Self::OtherRun { run, age_micros } => {
                out.raw(&run.0).fixed(*age_micros);
            }
            Self::Claim(claim) => claim.encode(&mut out),
        }
        out.finish()
    }

    fn tag(&self) -> u8 {
        match self {
            Self::Hello(_) => 1,
            Self::Welcome => 2,
            Self::Refuse(_) => 3,
            Self::Push(_) => 4,
            Self::Announce(_) => 5,
            Self::Round(_) => 6,
            Self::AskHeads(_) => 7,
            Self::Heads(_) => 8,
            Self::Pull(_) => 9,
            Self::Delta(_) => 10,
            Self::DeltaUnavailable(_) => 11,
            Self::UpToDate(_) => 12,
            Self::AskNodes(_) => 13,
            Self::Nodes(..) => 14,
            Self::AskRanges(_) => 15,
            Self::Ranges(..) => 16,
            Self::StateChanged(..) => 17,
            Self::Prune(_) => 18,
            Self::Graft(_) => 19,
            Self::Probe => 20,
            Self::Alive => 21,
            Self::Diverged(_) => 22,
            Self::OtherRun { .. } => 23,
            Self::Claim(_) => 24,
        }
    }
}

impl<'a> Message<'a> {
    /// Decodes a whole message.
    ///
    /// # Errors
    /// If the bytes break the format or a limit. The memory used is bounded by the length of the bytes.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(DecodeError::Limit {
                what: "message",
                len: bytes.len() as u64,
                max: MESSAGE_BYTES_MAX as u64,
            });
        }
        let mut input = Reader::new(bytes);
        let found = input.byte()?;
        if found != PROTOCOL_VERSION {
            return Err(DecodeError::Version { found, known: PROTOCOL_VERSION });
        }
        let tag = input.byte()?;
        let message = Self::decode_body(tag, &mut input)?;
        input.end()?;
        Ok(message)
    }

    fn decode_body(tag: u8, input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(match tag {
            1 => Self::Hello(Hello::decode(input)?.into()),
            2 => Self::Welcome,
            3 => Self::Refuse(Refusal::decode(input)?),
            4 => Self::Push(Delta::decode(input)?),
            5 => Self::Announce(input.list("heads", OWNERS_PER_MESSAGE_MAX, Head::decode)?),
            6 => Self::Round(input.hash()?),
            7 => Self::AskHeads(input.list("slots", HEAD_SLOTS_MAX, Ask::decode)?),
            8 => Self::Heads(input.list("slots", HEAD_SLOTS_MAX, HeadAnswer::decode)?),
            9 => Self::Pull(input.list("wants", OWNERS_PER_MESSAGE_MAX, Want::decode)?),
            10 => Self::Delta(Delta::decode(input)?),
            11 => Self::DeltaUnavailable(Head::decode(input)?),
            12 => Self::UpToDate(input.id()?),
            13 => Self::AskNodes(Request::decode(input)?),
            14 => Self::Nodes(request_id(input)?, input.list("slots", SLOTS_MAX, NodeAnswer::decode)?),
            15 => Self::AskRanges(Request::decode(input)?),
            16 => Self::Ranges(request_id(input)?, data::decode_ranges(input)?),
            17 => Self::StateChanged(request_id(input)?, input.option(Head::decode)?),
            18 => Self::Prune(input.list("owners", OWNERS_PER_MESSAGE_MAX, Reader::id)?),
            19 => Self::Graft(input.list("owners", OWNERS_PER_MESSAGE_MAX, Reader::id)?),
            20 => Self::Probe,
            21 => Self::Alive,
            _ => Self::decode_rare(tag, input)?,
        })
    }

    /// Decodes rare messages. It is out of line so that it does not slow down the common ones.
    #[cold]
    #[inline(never)]
    fn decode_rare(tag: u8, input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(match tag {
            22 => Self::Diverged(input.list("heads", DIVERGENT_COPIES_MAX, Head::decode)?),
            23 => Self::OtherRun { run: RunId(input.array()?), age_micros: input.fixed()? },
            24 => Self::Claim(Claim::decode(input)?),
            _ => return Err(malformed("tag")),
        })
    }
}

impl Request {
    fn encode(&self, out: &mut Writer) {
        out.varint(u64::from(self.id)).id(&self.owner).hash(&self.root);
        out.list(&self.slots, |out, slot| slot.encode(out));
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            id: request_id(input)?,
            owner: input.id()?,
            root: input.hash()?,
            slots: input.list("slots", SLOTS_MAX, Ask::decode)?,
        })
    }
}

fn request_id(input: &mut Reader<'_>) -> Result<u32, DecodeError> {
    u32::try_from(input.varint()?).map_err(|_| malformed("request id"))
}

#[cfg(test)]
mod tests;
