//! Repairing a shard whose clock was far ahead for a while: its items get timestamps of the present, and the heads of that
//! while are void for ever.
//!
//! `_sys/restamped` names the spans of timestamps that are void. Everybody who holds the shard refuses heads from them, so
//! nobody can play one back when its time has come.

use super::{Engine, Outbox, recovery::PAGE_ROWS};
use crate::{
    codec::{DecodeError, Reader, Writer},
    head::Head,
    id::MemberId,
    item::{Item, Key},
    runs::RUNS_KEY,
    shard::{Edit, View},
    store::{Page, ShardChange, ShardNumber, ShardRecord, ShardState, Store, StoreError},
    time::Timestamp,
    trie::{Branch, root_hash},
};
use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};

/// The key of the void spans of an owner's timestamps.
pub const RESTAMPED_KEY: &str = "_sys/restamped";

const RESTAMPED_VERSION: u8 = 1;
/// Most void spans of one owner; the oldest are forgotten.
const SPANS_MAX: usize = 16;

/// From one timestamp to another, both included.
pub(super) type Span = (Timestamp, Timestamp);

/// Void spans by owner; those of most members are none.
#[derive(Default)]
pub(super) struct Voids(BTreeMap<MemberId, Vec<Span>>);

impl Voids {
    fn set(&mut self, owner: &MemberId, spans: Vec<Span>) {
        match spans.is_empty() {
            true => self.0.remove(owner),
            false => self.0.insert(*owner, spans),
        };
    }

    fn of(&self, owner: &MemberId) -> &[Span] {
        self.0.get(owner).map_or(&[], Vec::as_slice)
    }

    /// The end of the span that `at` lies in.
    pub(super) fn end(&self, owner: &MemberId, at: Timestamp) -> Option<Timestamp> {
        if self.0.is_empty() {
            return None;
        }
        self.of(owner).iter().find(|(first, last)| *first <= at && at <= *last).map(|(_, last)| *last)
    }
}

/// Whether a value of [`RESTAMPED_KEY`] makes `at` void.
pub(super) fn names(value: &[u8], at: Timestamp) -> bool {
    decode(value).is_ok_and(|spans| spans.iter().any(|(first, last)| *first <= at && at <= *last))
}

fn encode(spans: &[Span]) -> Vec<u8> {
    let mut out = Writer::new();
    out.byte(RESTAMPED_VERSION).list(spans, |out, (first, last)| {
        out.fixed(first.0).fixed(last.0);
    });
    out.finish()
}

fn decode(bytes: &[u8]) -> Result<Vec<Span>, DecodeError> {
    let mut input = Reader::new(bytes);
    let found = input.byte()?;
    if found != RESTAMPED_VERSION {
        return Err(DecodeError::Version { found, known: RESTAMPED_VERSION });
    }
    let spans = input
        .list("void spans", SPANS_MAX, |input| Ok((Timestamp(input.fixed()?), Timestamp(input.fixed()?))))?;
    input.end()?;
    Ok(spans)
}

impl<S: Store> Engine<S> {
    /// Takes over the void spans that an owner's shard names.
    pub(super) fn learn_voids(&mut self, owner: &MemberId, value: &[u8]) {
        match decode(value) {
            Ok(spans) => self.voids.set(owner, spans),
            Err(_) => self.stats.refuse("restamped"),
        }
    }

    /// Whether a head that is held lies so far ahead of our clock, and of most clocks around, that a credible one may
    /// replace it, if it makes it void.
    pub(super) fn is_set_aside(&self, held: &Head) -> bool {
        let bound = |wall: Timestamp| wall.0.saturating_add(self.config.clock_ahead_micros);
        self.is_too_late(held.timestamp)
            && self.wall_around().is_some_and(|wall| held.timestamp.0 > bound(wall))
    }

    /// What the clocks of our peers show, by and large: the one in the middle. None without links.
    pub(super) fn wall_around(&self) -> Option<Timestamp> {
        let up = self.links.values().filter(|link| link.is_up());
        let mut walls: Vec<Timestamp> = up.filter_map(|link| link.wall(self.now.time)).collect();
        walls.sort_unstable();
        walls.get(walls.len() / 2).copied()
    }

    /// Whether a timestamp is further ahead of our clock than others may be.
    pub(super) fn is_too_late(&self, at: Timestamp) -> bool {
        at.0 > self.now.wall.0.saturating_add(self.config.clock_ahead_micros)
    }

    /// Gives the items of own shards that lie ahead of our clock timestamps of the present, and makes the heads of that
    /// time void. Returns how many items that were.
    pub(super) fn restamp(&mut self, out: &mut Outbox) -> Result<u64, StoreError> {
        let ahead = self.own.iter().filter(|(_, own)| self.is_too_late(own.last));
        let ahead: Vec<MemberId> = ahead.map(|(owner, _)| *owner).collect();
        let mut n_restamped = 0;
        for owner in ahead {
            n_restamped += self.restamp_own(owner, out)?;
        }
        Ok(n_restamped)
    }

    fn restamp_own(&mut self, owner: MemberId, out: &mut Outbox) -> Result<u64, StoreError> {
        self.flush(out)?;
        let (before, first) = self.jump(&owner)?;
        let span = (first, self.own[&owner].last);
        let old = self.owners[&owner].whole().map(|(shard, _)| shard);
        let next = before.next().unwrap_or(before).max(self.now.wall);
        let mut fresh = Fresh { shard: self.new_shard(), root: None, next };
        let mut n_restamped = 0;
        let mut from = old.map(|_| Timestamp::ZERO);
        while let (Some(old), Some(at)) = (old, from) {
            let (items, rest) = self.view(old).log(at..=Timestamp::MAX, Page::rows(PAGE_ROWS))?;
            from = rest;
            let kept = items.into_iter().filter(|item| item.key.as_str() != RESTAMPED_KEY);
            let kept: Vec<Arc<Item>> = kept
                .map(|item| if item.timestamp < first { item } else { fresh.stamp(&item, &mut n_restamped) })
                .collect();
            self.build_fresh(owner, &mut fresh, &kept)?;
            self.flush(out)?;
        }
        let mut spans = self.voids.of(&owner).to_vec();
        spans.push(span);
        spans.drain(..spans.len().saturating_sub(SPANS_MAX));
        let key = Key::new(RESTAMPED_KEY).expect("a key");
        let named = Item { key, timestamp: fresh.next, expiry: None, value: encode(&spans).into() };
        self.build_fresh(owner, &mut fresh, &[Arc::new(named)])?;
        self.voids.set(&owner, spans);
        self.show_fresh(owner, &fresh, old, out)?;
        Ok(n_restamped)
    }

    /// Between which own timestamps the clock jumped ahead of what it is now: the last one before, and the first one after.
    fn jump(&self, owner: &MemberId) -> Result<Span, StoreError> {
        let (own, wall) = (&self.own[owner], self.now.wall);
        if let Some(jump) = own.runs.jump_over(wall) {
            return Ok(jump);
        }
        // Forgotten: what is there tells most of it.
        let Some((shard, _)) = self.owners[owner].whole() else { return Ok((wall, own.last)) };
        let after = wall.next().unwrap_or(wall);
        let first = self.view(shard).log(after..=Timestamp::MAX, Page::rows(1))?.0;
        Ok((wall, first.first().map_or(own.last, |item| item.timestamp)))
    }

    /// Adds items to the shard that is built anew. It counts as left over until it is shown.
    fn build_fresh(
        &mut self,
        owner: MemberId,
        fresh: &mut Fresh,
        items: &[Arc<Item>],
    ) -> Result<(), StoreError> {
        let pending = self.pending_change(fresh.shard);
        let mut edit = Edit::new(View::new(&*self.snapshot, fresh.shard, pending));
        edit.put_all(items)?;
        let (root, mut change) = edit.finish(fresh.root)?;
        fresh.root = root;
        change.record = Some(ShardRecord { root, ..ShardRecord::new(owner, ShardState::Dead) }.into());
        self.write(fresh.shard, change);
        Ok(())
    }

    /// Makes the shard that was built anew the visible one. Its head has the timestamp of the item that names the spans.
    fn show_fresh(
        &mut self,
        owner: MemberId,
        fresh: &Fresh,
        old: Option<ShardNumber>,
        out: &mut Outbox,
    ) -> Result<(), StoreError> {
        let (root, timestamp) = (fresh.root, fresh.next);
        let (items, bytes) = root.as_ref().map_or((0, 0), |root| (root.count, root.bytes));
        let head =
            Head { owner, timestamp, items, bytes, root: root_hash(root.as_ref()), signature: [0; 64] };
        let own = self.own.get_mut(&owner).expect("an own shard");
        let head = head.signed(&self.config.mesh, &own.identity);
        own.begin_again(&head);
        self.write_runs();
        self.write_bounds();
        if let Some(old) = old {
            self.bury_shard(owner, old);
        }
        let graves_floor = timestamp;
        let fresh_record = ShardRecord::new(owner, ShardState::Whole);
        let record = ShardRecord { head: Some(head), root, graves_floor, ..fresh_record };
        self.own_unsynced = true;
        self.stats.commits += 1;
        self.adopt(fresh.shard, record, ShardChange::default(), out);
        self.flush(out)?;
        self.list_expiries(&owner)
    }
}

/// A shard that is built anew.
struct Fresh {
    shard: ShardNumber,
    root: Option<Branch>,
    /// The next timestamp.
    next: Timestamp,
}

impl Fresh {
    fn stamp(&mut self, item: &Item, n_stamped: &mut u64) -> Arc<Item> {
        let timestamp = self.next;
        self.next = timestamp.next().expect("the clock is bounded, so time does not end");
        *n_stamped += u64::from(item.key.as_str() != RUNS_KEY);
        Arc::new(Item { timestamp, ..item.clone() })
    }
}
