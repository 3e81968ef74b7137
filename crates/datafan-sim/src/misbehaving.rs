//! A misbehaving relay: how it alters the messages of its honest engine.

use crate::{
    scenario::ViolationsAbout,
    world::{Fate, Passing},
};
use datafan_core::{
    claim::Claim,
    hash::Hash,
    head::Head,
    id::{MemberId, MeshId},
    identity::Identity,
    message::{ChildAnswer, Delta, HeadAnswer, HeadChild, Message, NodeAnswer, Want, encode_delta},
    runs::RunId,
    time::Timestamp,
};
use datafan_testkit::rng::Rng;

/// Alters messages: flips, drops, truncates, delays, replays and invents, also so that only a check against a
/// signature or a hash can tell.
pub struct MisbehavingRelay {
    rng: Rng,
    mesh: MeshId,
    key: Identity,
    about: ViolationsAbout,
    /// Old messages, to be replayed.
    heard: Vec<Vec<u8>>,
}

/// Number of messages kept for replay.
const HEARD_MAX: usize = 64;

impl MisbehavingRelay {
    /// A relay with a member's own key.
    pub fn new(rng: Rng, mesh: MeshId, key: Identity, about: ViolationsAbout) -> Self {
        Self { rng, mesh, key, about, heard: Vec::new() }
    }

    /// What happens to an altered message.
    pub fn violate(&mut self, passing: &Passing<'_>) -> Fate {
        let bytes = passing.bytes;
        if self.about == ViolationsAbout::Ranges {
            return match Message::decode(bytes) {
                Ok(message @ Message::Ranges(..)) => self.invent(&message).map_or(Fate::Pass, Fate::Become),
                Ok(_) | Err(_) => Fate::Pass,
            };
        }
        if self.heard.len() < HEARD_MAX {
            self.heard.push(bytes.to_vec());
        } else if self.rng.chance(1, 8) {
            let at = self.rng.index(HEARD_MAX);
            self.heard[at] = bytes.to_vec();
        }
        match self.rng.below(12) {
            0 => Fate::Lose,
            1 => Fate::Delay(self.rng.below(3_000_000)),
            2 => Fate::Twice,
            3 => Fate::Become(bytes[..self.rng.index(bytes.len())].to_vec()),
            4 => Fate::Become(self.flip(bytes)),
            5 => Fate::Become(self.rng.pick(&self.heard).clone()),
            6 => Fate::Followed(vec![self.rng.pick(&self.heard).clone()]),
            _ => match Message::decode(bytes).ok().and_then(|message| self.invent(&message)) {
                Some(invented) if self.rng.chance(1, 2) => Fate::Become(invented),
                Some(invented) => Fate::Followed(vec![invented]),
                None => Fate::Become(self.flip(bytes)),
            },
        }
    }

    fn flip(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let at = self.rng.index(bytes.len());
        bytes[at] ^= 1 << self.rng.below(8);
        bytes
    }

    /// A message of the same kind with different content, correctly encoded.
    fn invent(&mut self, message: &Message<'_>) -> Option<Vec<u8>> {
        Some(match message {
            Message::Push(delta) => self.delta(delta, |delta| Message::Push(delta).encode())?,
            Message::Delta(delta) => self.delta(delta, |delta| Message::Delta(delta).encode())?,
            Message::Announce(heads) => {
                Message::Announce(heads.iter().map(|head| self.head(*head)).collect()).encode()
            }
            Message::Diverged(heads) => {
                Message::Diverged(heads.iter().map(|head| self.head(*head)).collect()).encode()
            }
            Message::DeltaUnavailable(head) => Message::DeltaUnavailable(self.head(*head)).encode(),
            Message::StateChanged(id, head) => {
                Message::StateChanged(*id, head.map(|head| self.head(head))).encode()
            }
            Message::Round(_) => Message::Round(Hash(self.rng.array())).encode(),
            Message::Heads(answers) => {
                Message::Heads(answers.iter().map(|answer| self.head_answer(answer)).collect()).encode()
            }
            Message::Nodes(id, answers) => {
                let answers = answers.iter().map(|answer| self.node_answer(answer)).collect();
                Message::Nodes(*id, answers).encode()
            }
            Message::Ranges(id, ranges) => {
                let mut ranges = ranges.clone();
                for items in &mut ranges {
                    match self.rng.below(3) {
                        0 => drop(items.pop()),
                        _ => items
                            .iter_mut()
                            .for_each(|item| item.value = b"invented by a relay".as_slice().into()),
                    }
                }
                Message::Ranges(*id, ranges).encode()
            }
            Message::Pull(wants) => {
                let since = Timestamp(self.rng.next_u64() >> self.rng.below(64));
                let want = |want: &Want| Want { owner: want.owner, since };
                Message::Pull(wants.iter().map(want).collect()).encode()
            }
            Message::UpToDate(_) => Message::UpToDate(MemberId(self.rng.array())).encode(),
            Message::Prune(owners) => Message::Graft(owners.clone()).encode(),
            Message::Graft(owners) => Message::Prune(owners.clone()).encode(),
            Message::Hello(_) | Message::Welcome | Message::Refuse(_) => return None,
            Message::OtherRun { .. } => {
                let (run, age_micros) = (RunId(self.rng.array()), self.rng.next_u64() >> self.rng.below(64));
                Message::OtherRun { run, age_micros }.encode()
            }
            Message::Claim(claim) => {
                Message::Claim(Claim { older: RunId(self.rng.array()), ..*claim }).encode()
            }
            Message::Probe | Message::Alive => return None,
            Message::AskHeads(_) | Message::AskNodes(_) | Message::AskRanges(_) => return None,
        })
    }

    /// Another delta under the same head, or the same delta under another head.
    fn delta(&mut self, delta: &Delta<'_>, encode: impl Fn(Delta<'_>) -> Vec<u8>) -> Option<Vec<u8>> {
        let (mut items, mut tombstones) = delta.contents().ok()?;
        let (mut head, mut base) = (delta.head, delta.base);
        match self.rng.below(6) {
            0 => items.iter_mut().for_each(|item| item.value = b"invented by a relay".as_slice().into()),
            1 => drop(items.pop()),
            2 => tombstones.clear(),
            3 => head = self.head(head),
            4 => base = Timestamp(base.0.saturating_sub(self.rng.below(1_000_000))),
            _ => {
                // Items move within the delta, in a valid order.
                let at = Timestamp(head.timestamp.0);
                let last = items.pop()?;
                items.push(datafan_core::item::Item { timestamp: at, expiry: Some(Timestamp(1)), ..last });
            }
        }
        let body = encode_delta(base, &items, &tombstones);
        Some(encode(Delta::new(head, base, &body)))
    }

    /// Another head: with a different field, an old one, or one signed by the relay itself.
    fn head(&mut self, head: Head) -> Head {
        let mut head = head;
        match self.rng.below(6) {
            0 => head.timestamp = Timestamp(head.timestamp.0 + 1 + self.rng.below(1_000_000)),
            1 => head.items += 1,
            2 => head.root = Hash(self.rng.array()),
            4 => head.owner = self.key.id(),
            // What it signs under its own name is not a false message but a version of its shard.
            5 if head.owner != self.key.id() => {
                head.timestamp = Timestamp(head.timestamp.0 + 1);
                let mine = Head { owner: self.key.id(), ..head }.signed(&self.mesh, &self.key);
                head.signature = mine.signature;
            }
            _ => head.signature[self.rng.index(64)] ^= 1,
        }
        head
    }

    fn head_answer(&mut self, answer: &HeadAnswer) -> HeadAnswer {
        match answer {
            HeadAnswer::Empty => HeadAnswer::Empty,
            HeadAnswer::Leaf(head) => HeadAnswer::Leaf(self.head(*head)),
            HeadAnswer::Node { place, children } => {
                let child = |(digit, child): &(u8, HeadChild)| {
                    let child = match child {
                        HeadChild::Leaf(head) if self.rng.chance(1, 2) => HeadChild::Leaf(self.head(*head)),
                        HeadChild::Node(_) if self.rng.chance(1, 2) => {
                            HeadChild::Node(Hash(self.rng.array()))
                        }
                        other => *other,
                    };
                    (*digit, child)
                };
                HeadAnswer::Node { place: *place, children: children.iter().map(child).collect() }
            }
        }
    }

    fn node_answer(&mut self, answer: &NodeAnswer) -> NodeAnswer {
        let child = |(digit, child): &(u8, ChildAnswer)| {
            let child = match *child {
                ChildAnswer::Other { count, bytes, hash } => match self.rng.below(4) {
                    0 => ChildAnswer::Other { count: count + 1, bytes, hash },
                    1 => ChildAnswer::Other { count, bytes, hash: Hash(self.rng.array()) },
                    2 => ChildAnswer::Same,
                    _ => ChildAnswer::Other { count, bytes, hash },
                },
                ChildAnswer::Same => ChildAnswer::Same,
            };
            (*digit, child)
        };
        NodeAnswer { place: answer.place, children: answer.children.iter().map(child).collect() }
    }
}
