//! `verify --repair`: what can be read of damaged shards is kept.

use super::{
    Failure,
    verify::{ASIDE, Looked, ShardReport},
};
use datafan_core::{
    item::Item,
    repair::Repair,
    store::{Page, ShardNumber, StoreError, StoreSnapshot},
    time::Timestamp,
};
use std::sync::Arc;

/// Repairs each damaged shard. A state that is kept aside stays as it is: no neighbour completes it.
pub fn repair(looked: &mut Looked<'_>, shards: &mut [ShardReport]) -> Result<(), Failure> {
    let member = looked.home.member_key().map_err(Failure::new)?.map(|key| key.id());
    let authority = looked.home.authority_key().map_err(Failure::new)?.map(|key| key.id());
    for shard in shards.iter_mut().filter(|shard| !shard.findings.is_empty() && shard.kind != ASIDE) {
        let own = Some(shard.id) == member || Some(shard.id) == authority;
        let mut repair = Repair::begin(&looked.snapshot()?, shard.number, shard.id).map_err(Failure::new)?;
        let mut next = Some(Timestamp::ZERO);
        while let Some(from) = next {
            let (items, rest) = readable(looked, shard.number, from)?;
            next = rest;
            let store = looked.store.as_mut().expect("open, since a snapshot was taken");
            repair.add(store, &items).map_err(Failure::new)?;
        }
        shard.kept = Some(repair.items);
        drop(looked.snapshot()?);
        let store = looked.store.as_mut().expect("open, since a snapshot was taken");
        repair.finish(store, own).map_err(Failure::new)?;
    }
    Ok(())
}

/// The next items that can be read, from `from` on, and where to go on.
fn readable(
    looked: &mut Looked<'_>,
    shard: ShardNumber,
    from: Timestamp,
) -> Result<(Vec<Arc<Item>>, Option<Timestamp>), Failure> {
    for rows in [PAGE_ROWS, 1] {
        if let Some(items) = page(looked, shard, from, rows)? {
            let next = items.last().and_then(|item| item.timestamp.next());
            return Ok((items, next));
        }
    }
    // The row that is next cannot be read, and nobody knows its timestamp: the first from which reading works is sought.
    let (mut fails, mut works) = (from.0, u64::MAX);
    while works - fails > 1 {
        let middle = fails + (works - fails) / 2;
        match page(looked, shard, Timestamp(middle), 1)? {
            Some(_) => works = middle,
            None => fails = middle,
        }
    }
    Ok((Vec::new(), Some(Timestamp(works)).filter(|works| *works < Timestamp::MAX)))
}

/// A page; `None` where its rows cannot be read.
fn page(
    looked: &mut Looked<'_>,
    shard: ShardNumber,
    from: Timestamp,
    rows: usize,
) -> Result<Option<Vec<Arc<Item>>>, Failure> {
    match looked.snapshot()?.log(shard, from..=Timestamp::MAX, Page::rows(rows)) {
        Ok(items) => Ok(Some(items)),
        Err(StoreError::Damaged { .. }) => Ok(None),
        Err(error) => Err(Failure::new(error)),
    }
}

/// Rows that are read at once.
const PAGE_ROWS: usize = 1_024;
