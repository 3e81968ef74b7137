//! What a member's own shard lost and got back, or lacks beside a divergent copy: item by item.
//!
//! Two things are told. What came back: the visible items, and deletions, since the state that the disk had.
//! And how each divergent copy differs from the visible state since both diverged, in both directions, so
//! that its owner can take back what it misses.

use crate::{
    hash::Hash,
    id::MemberId,
    item::{Item, Key},
    recovered::Recovered,
    store::{Meta, Page, ShardNumber, ShardState, StoreError, StoreSnapshot},
    time::Timestamp,
};
use alloc::{format, sync::Arc, vec::Vec};
use core::ops::RangeInclusive;

/// One key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Which.
    pub key: Key,
    /// What became of it.
    pub state: State,
    /// What came back, or what a divergent copy has; `None` for a deletion.
    pub item: Option<Arc<Item>>,
    /// When that was written; of a deletion in a divergent copy nothing is known, so 0.
    pub timestamp: Timestamp,
}

/// What became of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It came back from the mesh, or its deletion did.
    Back,
    /// A divergent copy has it, and the visible shard has nothing of this key, or what it had when both diverged.
    Lacking,
    /// A divergent copy has it, and the visible shard has another state of it, written since.
    Newer,
}

/// Where to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor(Part, Timestamp);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Back,
    BackDeleted,
    /// Items of the divergent copies, those that end last first.
    Copy(usize),
    CopyDeleted(usize),
}

impl Cursor {
    /// From the beginning.
    pub const START: Self = Self(Part::Back, Timestamp::ZERO);
}

/// A divergent copy.
struct Copied {
    shard: ShardNumber,
    /// Up to where it shares its past with the visible state.
    diverged: Timestamp,
    root: Hash,
}

/// The roots of the divergent copies of `owner` in the order in which they are listed.
///
/// # Errors
/// If the store fails.
pub fn divergent_roots<V: StoreSnapshot>(snapshot: &V, owner: &MemberId) -> Result<Vec<Hash>, StoreError> {
    Ok(copies(snapshot, owner)?.into_iter().map(|copy| copy.root).collect())
}

/// The next differences of `owner`'s shard, a member's own, and where to go on; `None` at the end. A page may
/// be empty.
///
/// # Errors
/// If the store fails, or what it holds is damaged.
pub fn differences<V: StoreSnapshot>(
    snapshot: &V,
    owner: &MemberId,
    from: Cursor,
) -> Result<(Vec<Difference>, Option<Cursor>), StoreError> {
    let Cursor(part, at) = from;
    let visible = snapshot.whole(owner)?.map(|(shard, _)| shard);
    let copies = copies(snapshot, owner)?;
    let (found, rest) = match part {
        Part::Back => back(snapshot, visible, at)?,
        Part::BackDeleted => back_deleted(snapshot, visible, at)?,
        Part::Copy(n) => copied(snapshot, copies.get(n), visible, at)?,
        Part::CopyDeleted(n) => copied_deleted(snapshot, copies.get(n), visible, at)?,
    };
    let next = match (rest, part) {
        (Some(rest), _) => Some(Cursor(part, rest)),
        (None, Part::Back) => Some(Cursor(Part::BackDeleted, Timestamp::ZERO)),
        (None, Part::BackDeleted) => Some(Cursor(Part::Copy(0), Timestamp::ZERO)),
        (None, Part::Copy(n)) => Some(Cursor(Part::CopyDeleted(n), Timestamp::ZERO)),
        (None, Part::CopyDeleted(n)) => {
            (n + 1 < copies.len()).then_some(Cursor(Part::Copy(n + 1), Timestamp::ZERO))
        }
    };
    Ok((found, next))
}

type Found = (Vec<Difference>, Option<Timestamp>);

fn recovered<V: StoreSnapshot>(snapshot: &V) -> Result<Option<Recovered>, StoreError> {
    let Some(bytes) = snapshot.meta(Meta::Recovered)? else { return Ok(None) };
    let damaged = |error| StoreError::Damaged { what: format!("recovery: {error}") };
    Recovered::decode(&bytes).map(Some).map_err(damaged)
}

fn back<V: StoreSnapshot>(
    snapshot: &V,
    shard: Option<ShardNumber>,
    at: Timestamp,
) -> Result<Found, StoreError> {
    let Some((shard, span)) = given_back(snapshot, shard, at)? else { return Ok((Vec::new(), None)) };
    let (items, rest) = page(snapshot, shard, *span.start(), *span.end())?;
    let users = items.into_iter().filter(|item| !item.key.is_system());
    let found = users.map(|item| Difference {
        key: item.key.clone(),
        state: State::Back,
        timestamp: item.timestamp,
        item: Some(item),
    });
    Ok((found.collect(), rest))
}

fn back_deleted<V: StoreSnapshot>(
    snapshot: &V,
    shard: Option<ShardNumber>,
    at: Timestamp,
) -> Result<Found, StoreError> {
    let Some((shard, span)) = given_back(snapshot, shard, at)? else { return Ok((Vec::new(), None)) };
    // One commit may leave as many tombstones at one timestamp as a reconciliation removes items: all of them are one
    // page.
    let tombstones = snapshot.tombstones(shard, span, Page { rows: usize::MAX, bytes: usize::MAX })?;
    let users = tombstones.into_iter().filter(|(_, key)| !key.is_system());
    let found = users.map(|(timestamp, key)| Difference { key, state: State::Back, item: None, timestamp });
    Ok((found.collect(), None))
}

/// What the mesh gave back of a shard, from `at` on.
fn given_back<V: StoreSnapshot>(
    snapshot: &V,
    shard: Option<ShardNumber>,
    at: Timestamp,
) -> Result<Option<(ShardNumber, RangeInclusive<Timestamp>)>, StoreError> {
    let (Some(recovered), Some(shard)) = (recovered(snapshot)?, shard) else { return Ok(None) };
    let first = recovered.from.next().map(|first| first.max(at));
    Ok(first.map(|first| (shard, first..=recovered.to)))
}

/// The divergent copies of `owner`, those that end last first: so what was written last is taken back first.
fn copies<V: StoreSnapshot>(snapshot: &V, owner: &MemberId) -> Result<Vec<Copied>, StoreError> {
    let mut found = Vec::new();
    for (shard, record) in snapshot.shards()? {
        match record.state {
            ShardState::Divergent { head, diverged, .. } if record.owner == *owner => {
                found.push((head.timestamp, Copied { shard, diverged, root: head.root }));
            }
            _ => {}
        }
    }
    found.sort_by_key(|(end, _)| core::cmp::Reverse(*end));
    Ok(found.into_iter().map(|(_, copy)| copy).collect())
}

fn copied<V: StoreSnapshot>(
    snapshot: &V,
    copy: Option<&Copied>,
    visible: Option<ShardNumber>,
    at: Timestamp,
) -> Result<Found, StoreError> {
    let Some(Copied { shard, diverged, .. }) = copy else { return Ok((Vec::new(), None)) };
    let Some(first) = diverged.next().map(|first| first.max(at)) else { return Ok((Vec::new(), None)) };
    let (items, rest) = page(snapshot, *shard, first, Timestamp::MAX)?;
    let mut found = Vec::new();
    for item in items.into_iter().filter(|item| !item.key.is_system()) {
        let here = match visible {
            Some(visible) => snapshot.timestamp_of(visible, item.key.as_str())?,
            None => None,
        };
        let present = match (visible, here) {
            (Some(visible), Some(here)) => snapshot.item(visible, here)?,
            _ => None,
        };
        let same = |present: &Arc<Item>| present.value == item.value && present.expiry == item.expiry;
        if present.as_ref().is_some_and(same) {
            continue;
        }
        let state = if here.is_some_and(|here| here > *diverged) { State::Newer } else { State::Lacking };
        found.push(Difference { key: item.key.clone(), state, timestamp: item.timestamp, item: Some(item) });
    }
    Ok((found, rest))
}

/// What was there when both diverged, still is in the visible shard, and is gone from the copy.
fn copied_deleted<V: StoreSnapshot>(
    snapshot: &V,
    copy: Option<&Copied>,
    visible: Option<ShardNumber>,
    at: Timestamp,
) -> Result<Found, StoreError> {
    let (Some(Copied { shard, diverged, .. }), Some(visible)) = (copy, visible) else {
        return Ok((Vec::new(), None));
    };
    let (items, rest) = page(snapshot, visible, at, *diverged)?;
    let mut found = Vec::new();
    for item in items.into_iter().filter(|item| !item.key.is_system()) {
        if snapshot.timestamp_of(*shard, item.key.as_str())?.is_none() {
            let (key, timestamp) = (item.key.clone(), Timestamp::ZERO);
            found.push(Difference { key, state: State::Lacking, item: None, timestamp });
        }
    }
    Ok((found, rest))
}

/// A page of a shard's items, and where the next one begins.
fn page<V: StoreSnapshot>(
    snapshot: &V,
    shard: ShardNumber,
    first: Timestamp,
    last: Timestamp,
) -> Result<(Vec<Arc<Item>>, Option<Timestamp>), StoreError> {
    if first > last {
        return Ok((Vec::new(), None));
    }
    let items = snapshot.log(shard, first..=last, Page::rows(PAGE_ROWS))?;
    let rest = items.last().and_then(|item| item.timestamp.next()).filter(|next| *next <= last);
    Ok((items, rest))
}

/// Items that are read at once.
const PAGE_ROWS: usize = 256;
