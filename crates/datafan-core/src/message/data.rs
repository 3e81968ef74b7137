//! Deltas and ranges, which carry items.

use crate::{
    codec::{DecodeError, Reader, Writer, malformed},
    head::Head,
    id::MemberId,
    item::{Item, Key},
    limits::{DELTA_ITEMS_MAX, DELTA_TOMBSTONES_MAX, ITEM_OVERHEAD_MAX, RANGE_ITEMS_MAX, SLOTS_MAX},
    time::Timestamp,
};
use alloc::{borrow::Borrow, vec::Vec};

/// A request for everything in a shard after `since`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Want {
    /// The owner of the shard.
    pub owner: MemberId,
    /// The timestamp of the head that the requester holds; 0 for none.
    pub since: Timestamp,
}

impl Want {
    pub(super) fn encode(&self, out: &mut Writer) {
        out.id(&self.owner).fixed(self.since.0);
    }

    pub(super) fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { owner: input.id()?, since: Timestamp(input.fixed()?) })
    }
}

/// The changes from any state at or after `base` to the head: live items and tombstones with timestamps in
/// (base, head]. [`Delta::contents`] decodes them when they are needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delta<'a> {
    /// The head after the delta.
    pub head: Head,
    /// The earliest timestamp to which it applies.
    pub base: Timestamp,
    body: &'a [u8],
}

/// Items of a delta, in ascending order of timestamp.
pub type Items = Vec<Item>;
/// Tombstones of a delta, in ascending order of timestamp and key.
pub type Tombstones = Vec<(Timestamp, Key)>;

impl<'a> Delta<'a> {
    /// A delta with a body from [`encode_delta`].
    pub fn new(head: Head, base: Timestamp, body: &'a [u8]) -> Self {
        Self { head, base, body }
    }

    /// Size of the encoded items and tombstones in bytes.
    pub fn bytes(&self) -> usize {
        self.body.len()
    }

    pub(super) fn encode(&self, out: &mut Writer) {
        self.head.encode(out);
        out.fixed(self.base.0).raw(self.body);
    }

    pub(super) fn decode(input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let head = Head::decode(input)?;
        let base = Timestamp(input.fixed()?);
        let body = input.take(input.left())?;
        Ok(Self { head, base, body })
    }

    /// Decodes items and tombstones, which must be in ascending order and later than the base. An item later
    /// than the head is not refused here; it makes the head invalid. A tombstone later than the head is
    /// malformed.
    pub fn contents(&self) -> Result<(Items, Tombstones), DecodeError> {
        let mut input = Reader::new(self.body);
        let mut at = self.base;
        let items = input.list("items", DELTA_ITEMS_MAX, |input| {
            at = later(at, input.varint()?)?;
            Item::decode_body(at, input)
        })?;
        let mut last: Option<(Timestamp, Key)> = None;
        let tombstones = input.list("tombstones", DELTA_TOMBSTONES_MAX, |input| {
            let ahead = input.varint()?;
            let before = last.as_ref().map_or(self.base, |tombstone| tombstone.0);
            let timestamp = before.0.checked_add(ahead).map(Timestamp).ok_or(malformed("timestamp"))?;
            let tombstone = (timestamp, input.key()?);
            let in_order = last.as_ref().is_none_or(|last| *last < tombstone);
            if timestamp <= self.base || timestamp > self.head.timestamp || !in_order {
                return Err(malformed("tombstone"));
            }
            last = Some(tombstone.clone());
            Ok(tombstone)
        })?;
        input.end()?;
        Ok((items, tombstones))
    }
}

/// The timestamp `ahead` (at least 1) after `before`.
fn later(before: Timestamp, ahead: u64) -> Result<Timestamp, DecodeError> {
    let at = before.0.checked_add(ahead).map(Timestamp).ok_or(malformed("timestamp"))?;
    if ahead == 0 { Err(malformed("timestamp")) } else { Ok(at) }
}

/// Encodes the body of a delta: items, each with the distance from the previous one (the first from the
/// base), then tombstones in the same way.
pub fn encode_delta<I: Borrow<Item>>(
    base: Timestamp,
    items: &[I],
    tombstones: &[(Timestamp, Key)],
) -> Vec<u8> {
    let mut out = Writer::new();
    let bytes = items.iter().map(|item| item.borrow().bytes() as usize + ITEM_OVERHEAD_MAX).sum::<usize>();
    let tombstone_bytes =
        tombstones.iter().map(|(_, key)| key.as_str().len() + ITEM_OVERHEAD_MAX).sum::<usize>();
    out.reserve(bytes + tombstone_bytes + ITEM_OVERHEAD_MAX);
    let mut before = base;
    out.list(items, |out, item| {
        let item: &Item = item.borrow();
        out.varint(item.timestamp.0 - before.0);
        before = item.timestamp;
        item.encode_body(out);
    });
    let mut before = base;
    out.list(tombstones, |out, (timestamp, key)| {
        out.varint(timestamp.0 - before.0).prefixed(key.as_str().as_bytes());
        before = *timestamp;
    });
    out.finish()
}

/// Encodes a range: a count, then items in ascending order, each with the distance from the previous one (the
/// first from 0).
pub fn encode_range<I: Borrow<Item>>(items: &[I], out: &mut Writer) {
    let mut before = Timestamp::ZERO;
    out.list(items, |out, item| {
        let item: &Item = item.borrow();
        out.varint(item.timestamp.0 - before.0);
        before = item.timestamp;
        item.encode_body(out);
    });
}

/// Decodes the ranges of one answer. The limit on items applies to all ranges together.
pub(super) fn decode_ranges(input: &mut Reader<'_>) -> Result<Vec<Vec<Item>>, DecodeError> {
    let mut left = RANGE_ITEMS_MAX;
    input.list("slots", SLOTS_MAX, |input| {
        let mut at = Timestamp::ZERO;
        let items = input.list("items", left, |input| {
            at = later(at, input.varint()?)?;
            Item::decode_body(at, input)
        })?;
        left -= items.len();
        Ok(items)
    })
}
