//! Lists, item by item, what a member's own shard recovered from the mesh, and how it differs from divergent
//! copies.
//!
//! There are two parts. The first lists what came back: visible items and deletions after the state that the
//! disk had. The second lists how each divergent copy differs, in both directions, from the visible state
//! since both diverged, so that the owner can take back what is missing.

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

/// One difference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The key.
    pub key: Key,
    /// What happened to it.
    pub state: State,
    /// The item that came back, or that a divergent copy has; `None` for a deletion.
    pub item: Option<Arc<Item>>,
    /// When it was written. 0 for a deletion in a divergent copy, whose time is not known.
    pub timestamp: Timestamp,
}

/// What happened to a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It came back from the mesh, or its deletion did.
    Back,
    /// A divergent copy has it. The visible shard does not have the key, or has the item from before both
    /// diverged.
    Lacking,
    /// A divergent copy has it, and the visible shard has another item with this key, written after both
    /// diverged.
    Newer,
}

/// Where the next page starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor(Part, Timestamp);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Back,
    BackDeleted,
    /// Items of the divergent copies, ordered by their last timestamp, latest first.
    Copy(usize),
    CopyDeleted(usize),
}

impl Cursor {
    /// The first page.
    pub const START: Self = Self(Part::Back, Timestamp::ZERO);
}

/// A divergent copy.
struct Copied {
    shard: ShardNumber,
    /// The timestamp up to which it equals the visible state.
    diverged: Timestamp,
    root: Hash,
}

/// The roots of the divergent copies of `owner`, in the order in which [`differences`] lists the copies.
///
/// # Errors
/// If the store fails.
pub fn divergent_roots<V: StoreSnapshot>(snapshot: &V, owner: &MemberId) -> Result<Vec<Hash>, StoreError> {
    Ok(copies(snapshot, owner)?.into_iter().map(|copy| copy.root).collect())
}

/// The next page of differences of `owner`'s shard, which is the member's own, and where the following page
/// starts; `None` at the end. A page may be empty.
///
/// # Errors
/// If the store fails or is damaged.
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
    // One commit may leave many tombstones with the same timestamp, one for each item that a reconciliation
    // removed, so one page holds all of them.
    let tombstones = snapshot.tombstones(shard, span, Page { rows: usize::MAX, bytes: usize::MAX })?;
    let users = tombstones.into_iter().filter(|(_, key)| !key.is_system());
    let found = users.map(|(timestamp, key)| Difference { key, state: State::Back, item: None, timestamp });
    Ok((found.collect(), None))
}

/// The span of a shard that the mesh gave back, starting at `at`.
fn given_back<V: StoreSnapshot>(
    snapshot: &V,
    shard: Option<ShardNumber>,
    at: Timestamp,
) -> Result<Option<(ShardNumber, RangeInclusive<Timestamp>)>, StoreError> {
    let (Some(recovered), Some(shard)) = (recovered(snapshot)?, shard) else { return Ok(None) };
    let first = recovered.from.next().map(|first| first.max(at));
    Ok(first.map(|first| (shard, first..=recovered.to)))
}

/// The divergent copies of `owner`, ordered by their last timestamp, latest first: the latest writes are
/// taken back first.
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

/// Items from before both diverged that are still in the visible shard and are missing from the copy.
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

/// A page of a shard's items, and where the next page starts.
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

/// Items read at a time.
const PAGE_ROWS: usize = 256;
