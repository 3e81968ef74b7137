//! Places, branches and nodes, their bytes and hashes.

use crate::{
    codec::{DecodeError, Reader, Writer, malformed},
    hash::{Hash, Hasher},
};
use alloc::vec::Vec;
use core::ops::RangeInclusive;

/// A level and a prefix. It identifies a node, or a slot that contains at most one topmost node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// 0 (a single position) to 16 (the whole axis).
    pub level: u8,
    /// The position without its lowest `level` digits; 0 at level 16.
    pub prefix: u64,
}

/// A leaf's contribution to its ancestors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leaf {
    /// Bytes of key and value.
    pub bytes: u64,
    /// The leaf's hash.
    pub hash: Hash,
}

/// A subtree as its parent sees it: place, size and hash. At level 0 it is a leaf.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Branch {
    /// The place of the top node or leaf.
    pub place: Place,
    /// Number of leaves below, at least 1.
    pub count: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// The hash of the top node or leaf.
    pub hash: Hash,
}

/// A node: two to sixteen children in ascending order, each in a slot of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// Level 1 to 16, and the prefix that all children share.
    pub place: Place,
    /// The children, in ascending order of position.
    pub children: Vec<Branch>,
}

impl Place {
    /// The whole axis.
    pub const ALL: Self = Self { level: LEVELS, prefix: 0 };

    /// The place at `level` that contains `position`.
    pub fn containing(position: u64, level: u8) -> Self {
        Self { level, prefix: position.checked_shr(4 * u32::from(level)).unwrap_or(0) }
    }

    /// The smallest place that contains both.
    pub fn joining(a: u64, b: u64) -> Self {
        let bits = 64 - (a ^ b).leading_zeros();
        Self::containing(a, bits.div_ceil(4) as u8)
    }

    /// Its first position.
    pub fn first(&self) -> u64 {
        self.prefix.checked_shl(4 * u32::from(self.level)).unwrap_or(0)
    }

    /// Its last position.
    pub fn last(&self) -> u64 {
        let span = 1u64.checked_shl(4 * u32::from(self.level)).map_or(u64::MAX, |n| n - 1);
        self.first() | span
    }

    /// Its positions.
    pub fn span(&self) -> RangeInclusive<u64> {
        self.first()..=self.last()
    }

    /// Whether `other` lies in this place or equals it.
    pub fn contains(&self, other: &Place) -> bool {
        other.level <= self.level && Self::containing(other.first(), self.level) == *self
    }

    /// The digit of the child slot of this node that `position` falls in. The place has level 1 or more.
    pub fn digit_of(&self, position: u64) -> u8 {
        (position >> (4 * (self.level - 1))) as u8 & 15
    }

    /// The slot of child `digit`. The place has level 1 or more.
    pub fn slot(&self, digit: u8) -> Self {
        let prefix = if self.level == LEVELS { 0 } else { self.prefix << 4 };
        Self { level: self.level - 1, prefix: prefix | u64::from(digit) }
    }

    /// Whether level and prefix are consistent.
    pub fn is_valid(&self) -> bool {
        self.level <= LEVELS && Self::containing(self.first(), self.level) == *self
    }

    /// Appends level and prefix.
    pub fn encode(&self, out: &mut Writer) {
        out.byte(self.level).varint(self.prefix);
    }

    /// Decodes a place and checks that it is valid.
    pub fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let place = Self { level: input.byte()?, prefix: input.varint()? };
        if place.is_valid() { Ok(place) } else { Err(malformed("place")) }
    }
}

impl Branch {
    /// A leaf.
    pub fn leaf(position: u64, leaf: Leaf) -> Self {
        let place = Place { level: 0, prefix: position };
        Self { place, count: 1, bytes: leaf.bytes, hash: leaf.hash }
    }

    /// Appends place, count, bytes, hash.
    pub fn encode(&self, out: &mut Writer) {
        self.place.encode(out);
        out.varint(self.count).varint(self.bytes).hash(&self.hash);
    }

    /// Decodes what [`Branch::encode`] wrote.
    pub fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let place = Place::decode(input)?;
        let branch = Self { place, count: input.varint()?, bytes: input.varint()?, hash: input.hash()? };
        let leaf = branch.place.level == 0;
        if branch.count == 0 || leaf != (branch.count == 1) {
            return Err(malformed("branch"));
        }
        Ok(branch)
    }
}

impl Node {
    /// The hash in the domain of `domain` ([`Hasher::NODE`] for shards).
    pub fn hash(&self, domain: u8) -> Hash {
        let digit = |child: &Branch| self.place.digit_of(child.place.first());
        let children = self.children.iter();
        node_hash(
            domain,
            self.place,
            children.map(|child| (digit(child), child.count, child.bytes, child.hash)),
        )
    }

    /// The branch that a parent keeps for this node; `None` if the sums overflow.
    pub fn branch(&self, domain: u8) -> Option<Branch> {
        let mut sums = (0u64, 0u64);
        for child in &self.children {
            sums = (sums.0.checked_add(child.count)?, sums.1.checked_add(child.bytes)?);
        }
        Some(Branch { place: self.place, count: sums.0, bytes: sums.1, hash: self.hash(domain) })
    }

    /// The child in the slot of `digit`.
    pub fn child(&self, digit: u8) -> Option<&Branch> {
        self.children.iter().find(|child| self.place.digit_of(child.place.first()) == digit)
    }

    /// The bytes that stores keep: a count, then the children. The place is the key of the row.
    ///
    /// A child is its level, its first position relative to the node's, its count unless it is a leaf, its
    /// bytes and its hash.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.list(&self.children, |out, child| {
            out.byte(child.place.level);
            let skipped = child.place.prefix & low_digits(self.place.level - child.place.level);
            out.varint(skipped);
            if child.place.level > 0 {
                out.varint(child.count);
            }
            out.varint(child.bytes).hash(&child.hash);
        });
        out.finish()
    }

    /// Decodes what [`Node::encode`] wrote for `place`.
    pub fn decode(place: Place, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        if place.level == 0 || !place.is_valid() {
            return Err(malformed("node"));
        }
        let children = input.list("children", 16, |input| {
            let level = input.byte()?;
            let skipped = input.varint()?;
            if level >= place.level || skipped > low_digits(place.level - level) {
                return Err(malformed("child"));
            }
            let above = if place.level == LEVELS { 0 } else { place.prefix << (4 * (place.level - level)) };
            let count = if level > 0 { input.varint()? } else { 1 };
            let place = Place { level, prefix: above | skipped };
            Ok(Branch { place, count, bytes: input.varint()?, hash: input.hash()? })
        })?;
        input.end()?;
        let node = Self { place, children };
        if node.is_well_formed() { Ok(node) } else { Err(malformed("node")) }
    }

    /// Whether there are two or more children in ascending order, each in a slot of its own inside the node,
    /// and those with count 1 are exactly the leaves.
    pub fn is_well_formed(&self) -> bool {
        let inside =
            |child: &Branch| child.place.level < self.place.level && self.place.contains(&child.place);
        let digit = |child: &Branch| self.place.digit_of(child.place.first());
        self.children.len() >= 2
            && self.children.iter().all(|child| inside(child) && child.count >= 1)
            && self.children.iter().all(|child| (child.place.level == 0) == (child.count == 1))
            && self.children.windows(2).all(|pair| digit(&pair[0]) < digit(&pair[1]))
    }
}

/// The hash of the node at `place` whose children are (digit, count, bytes, hash), ascending by digit.
pub fn node_hash(domain: u8, place: Place, children: impl Iterator<Item = (u8, u64, u64, Hash)>) -> Hash {
    let mut hasher = Hasher::new(domain);
    hasher.bytes(&[place.level]).u64(place.prefix);
    for (digit, count, bytes, hash) in children {
        hasher.bytes(&[digit]).u64(count).u64(bytes).bytes(&hash.0);
    }
    hasher.finish()
}

fn low_digits(n: u8) -> u64 {
    1u64.checked_shl(4 * u32::from(n)).map_or(u64::MAX, |n| n - 1)
}

/// Levels of the trie: 16 digits of 4 bits.
pub const LEVELS: u8 = 16;

/// Where nodes are read from: a store's snapshot, a layer of changes, a map.
pub trait Nodes {
    /// The error of a read.
    type Error;
    /// The node at `place`, which exists.
    fn node(&self, place: Place) -> Result<Node, Self::Error>;
}

/// The hash that represents the whole set.
pub fn root_hash(root: Option<&Branch>) -> Hash {
    root.map_or_else(Hash::empty, |branch| branch.hash)
}
