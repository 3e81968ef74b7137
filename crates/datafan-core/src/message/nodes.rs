//! Requests for nodes, and their answers.

use crate::{
    codec::{DecodeError, Reader, Writer, malformed},
    hash::Hash,
    head::Head,
    trie::{Branch, Node, Place},
};
use alloc::vec::Vec;

/// One requested slot. The answer is the topmost node at or below it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ask {
    /// The slot.
    pub slot: Place,
    /// The hash of the branch that the requester expects there.
    pub hash: Hash,
    /// The requester's own node there, as hints.
    pub hints: Option<Hints>,
}

/// The first four bytes of the hashes of a node's children. A hint is not a proof: two hashes may share these
/// bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hints {
    /// The place of the requester's node.
    pub place: Place,
    /// Digit and first bytes of the hash of each child, in ascending order of digit.
    pub children: Vec<(u8, [u8; 4])>,
}

impl Hints {
    /// The hints of `node`.
    pub fn of(node: &Node) -> Self {
        let hint = |child: &Branch| {
            let [a, b, c, d, ..] = child.hash.0;
            (node.place.digit_of(child.place.first()), [a, b, c, d])
        };
        Self { place: node.place, children: node.children.iter().map(hint).collect() }
    }

    /// Whether the requester has a child with this digit whose hash starts with the same bytes.
    pub fn has(&self, digit: u8, hash: &Hash) -> bool {
        self.children.iter().any(|(d, begin)| *d == digit && hash.0.starts_with(begin))
    }

    fn encode(&self, out: &mut Writer) {
        self.place.encode(out);
        out.raw(&mask_of(self.children.iter().map(|(digit, _)| *digit)).to_be_bytes());
        for (_, begin) in &self.children {
            out.raw(begin);
        }
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let place = node_place(input)?;
        let mask = u16::from_be_bytes(input.array()?);
        let children = digits(mask).map(|digit| Ok((digit, input.array()?))).collect::<Result<_, _>>()?;
        Ok(Self { place, children })
    }
}

impl Ask {
    pub(super) fn encode(&self, out: &mut Writer) {
        self.slot.encode(out);
        out.hash(&self.hash).option(self.hints.as_ref(), |out, hints| hints.encode(out));
    }

    pub(super) fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let slot = Place::decode(input)?;
        Ok(Self { slot, hash: input.hash()?, hints: input.option(Hints::decode)? })
    }
}

/// A node as it is sent. Children that match the hints are only named.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeAnswer {
    /// The node's place.
    pub place: Place,
    /// The children, in ascending order of digit.
    pub children: Vec<(u8, ChildAnswer)>,
}

/// One child of such a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChildAnswer {
    /// The child matches the hint.
    Same,
    /// The child does not match a hint.
    Other {
        /// Number of leaves below.
        count: u64,
        /// Bytes of their keys and values.
        bytes: u64,
        /// Its hash.
        hash: Hash,
    },
}

impl NodeAnswer {
    pub(super) fn encode(&self, out: &mut Writer) {
        self.place.encode(out);
        let others = self.children.iter().filter(|(_, child)| *child != ChildAnswer::Same);
        let masks = (mask_of(self.children.iter().map(|(d, _)| *d)), mask_of(others.map(|(d, _)| *d)));
        out.raw(&masks.0.to_be_bytes()).raw(&masks.1.to_be_bytes());
        for (_, child) in &self.children {
            if let ChildAnswer::Other { count, bytes, hash } = child {
                out.varint(*count).varint(*bytes).hash(hash);
            }
        }
    }

    pub(super) fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let place = node_place(input)?;
        let (present, sent) = masks(input)?;
        let child = |digit| {
            if sent & (1u16 << digit) == 0 {
                return Ok((digit, ChildAnswer::Same));
            }
            let (count, bytes, hash) = (input.varint()?, input.varint()?, input.hash()?);
            if count == 0 {
                return Err(malformed("count"));
            }
            Ok((digit, ChildAnswer::Other { count, bytes, hash }))
        };
        let children = digits(present).map(child).collect::<Result<_, _>>()?;
        Ok(Self { place, children })
    }
}

/// The content of a slot of the trie of heads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HeadAnswer {
    /// The slot is empty.
    Empty,
    /// One head.
    Leaf(Head),
    /// A node.
    Node {
        /// Its place.
        place: Place,
        /// The children, in ascending order of digit.
        children: Vec<(u8, HeadChild)>,
    },
}

/// One child of a node of the trie of heads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeadChild {
    /// The child matches the hint.
    Same,
    /// A head.
    Leaf(Head),
    /// A node with this hash.
    Node(Hash),
}

impl HeadAnswer {
    pub(super) fn encode(&self, out: &mut Writer) {
        match self {
            Self::Empty => {
                out.byte(0);
            }
            Self::Leaf(head) => head.encode(out.byte(1)),
            Self::Node { place, children } => {
                place.encode(out.byte(2));
                let others = children.iter().filter(|(_, child)| *child != HeadChild::Same);
                let masks = (mask_of(children.iter().map(|(d, _)| *d)), mask_of(others.map(|(d, _)| *d)));
                out.raw(&masks.0.to_be_bytes()).raw(&masks.1.to_be_bytes());
                for (_, child) in children {
                    match child {
                        HeadChild::Same => {}
                        HeadChild::Leaf(head) => head.encode(out.byte(0)),
                        HeadChild::Node(hash) => {
                            out.byte(1).hash(hash);
                        }
                    }
                }
            }
        }
    }

    pub(super) fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match input.byte()? {
            0 => return Ok(Self::Empty),
            1 => return Head::decode(input).map(Self::Leaf),
            2 => {}
            _ => return Err(malformed("head answer")),
        }
        let place = node_place(input)?;
        let (present, sent) = masks(input)?;
        let child = |digit| {
            if sent & (1u16 << digit) == 0 {
                return Ok((digit, HeadChild::Same));
            }
            let child = match input.byte()? {
                0 => HeadChild::Leaf(Head::decode(input)?),
                1 => HeadChild::Node(input.hash()?),
                _ => return Err(malformed("head child")),
            };
            Ok((digit, child))
        };
        let children = digits(present).map(child).collect::<Result<_, _>>()?;
        Ok(Self::Node { place, children })
    }
}

fn node_place(input: &mut Reader<'_>) -> Result<Place, DecodeError> {
    let place = Place::decode(input)?;
    if place.level == 0 { Err(malformed("node level")) } else { Ok(place) }
}

/// The digits that are present (two or more) and, among them, the digits whose child is sent.
fn masks(input: &mut Reader<'_>) -> Result<(u16, u16), DecodeError> {
    let present = u16::from_be_bytes(input.array()?);
    let sent = u16::from_be_bytes(input.array()?);
    if present.count_ones() < 2 || sent & !present != 0 {
        return Err(malformed("digits"));
    }
    Ok((present, sent))
}

fn mask_of(digits: impl Iterator<Item = u8>) -> u16 {
    digits.fold(0, |mask, digit| mask | (1u16 << digit))
}

fn digits(mask: u16) -> impl Iterator<Item = u8> {
    (0..16).filter(move |digit| mask & (1u16 << digit) != 0)
}
