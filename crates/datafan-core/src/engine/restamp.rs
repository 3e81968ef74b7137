//! Repairing a shard whose clock was far ahead for a while: what lies beyond the bound gets timestamps within
//! it, and the heads of that while are invalid for ever.
//!
//! What lies within the bound stays: others may have taken it, and what follows has to be later than that.
//! `_sys/restamped` names the spans of timestamps that are invalid. Everybody who holds the shard refuses
//! heads from them, so nobody can play one back when its time has come.

use super::{CommandError, Engine, commit::Refusable, recovery::PAGE_ROWS};
use crate::{
    codec::{DecodeError, Reader, Writer},
    head::Head,
    id::MemberId,
    item::{Item, Key},
    runs::RUNS_KEY,
    shard::Edit,
    store::{Page, ShardChange, ShardNumber, ShardRecord, ShardState, Store, StoreError},
    time::{SECOND, Timestamp},
    trie::{Branch, root_hash},
};
use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};

/// The key of the void spans of an owner's timestamps.
pub const RESTAMPED_KEY: &str = "_sys/restamped";

const RESTAMPED_VERSION: u8 = 1;
/// Most invalid spans of one owner. Beyond that those are forgotten that end before its head, which replaces
/// whatever is from them; else the two with the least between them become one.
const SPANS_MAX: usize = 16;
/// What lies no further beyond the bound than this is waited for: others take it before they can hear of
/// anything else.
const WAIT_MICROS: u64 = 60 * SECOND;

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

    /// The first timestamp from `at` on that lies in no span.
    pub(super) fn next(&self, owner: &MemberId, mut at: Timestamp) -> Timestamp {
        while let Some(end) = self.end(owner, at) {
            at = end.next().expect("the clock is bounded, so time does not end");
        }
        at
    }

    /// The last timestamp that `n` writes, at least one, after `last` can take, at most.
    fn reach(&self, owner: &MemberId, last: Timestamp, n: u64) -> Timestamp {
        let after = |at: Timestamp| Timestamp(at.0.saturating_add(n));
        let mut reach = after(last);
        let over = |reach, (from, to): &Span| *from <= reach && last < *to && after(*to) > reach;
        while let Some((_, to)) = self.of(owner).iter().find(|span| over(reach, span)) {
            reach = after(*to);
        }
        reach
    }
}

/// Adds a span to those of an owner whose head will be at `head`.
fn add_span(spans: &mut Vec<Span>, span: Span, head: Timestamp) {
    spans.push(span);
    spans.sort_unstable();
    while spans.len() > SPANS_MAX {
        if let Some(past) = spans.iter().position(|(_, last)| *last < head) {
            spans.remove(past);
            continue;
        }
        let between = |at: &usize| spans[at + 1].0.0.saturating_sub(spans[*at].1.0);
        let at = (0..spans.len() - 1).min_by_key(between).expect("there are several");
        let (_, last) = spans.remove(at + 1);
        spans[at].1 = spans[at].1.max(last);
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
            Err(_) => self.cx.stats.refuse("restamped"),
        }
    }

    /// Whether a head that is held lies so far ahead of our clock, and of most clocks around, that a credible
    /// one may replace it, if it makes it void.
    pub(super) fn is_set_aside(&self, held: &Head) -> bool {
        let bound = |wall: Timestamp| wall.0.saturating_add(self.cx.config.clock_ahead_micros);
        self.is_too_late(held.timestamp)
            && self.wall_around().is_some_and(|wall| held.timestamp.0 > bound(wall))
    }

    /// What the clocks of our peers show, by and large: the one in the middle. None without links.
    pub(super) fn wall_around(&self) -> Option<Timestamp> {
        let up = self.links.values().filter(|link| link.is_up());
        let mut walls: Vec<Timestamp> = up.filter_map(|link| link.wall(self.cx.now.time)).collect();
        walls.sort_unstable();
        walls.get(walls.len() / 2).copied()
    }

    /// Whether a timestamp is further ahead of our clock than others may be.
    pub(super) fn is_too_late(&self, at: Timestamp) -> bool {
        at.0 > self.cx.now.wall.0.saturating_add(self.cx.config.clock_ahead_micros)
    }

    /// The last timestamp that others accept by our clock.
    pub(super) fn bound(&self) -> Timestamp {
        Timestamp(self.cx.now.wall.0.saturating_add(self.cx.config.clock_ahead_micros))
    }

    /// Why `n` more own writes after `last`, at least one, might not all lie within the bound.
    pub(super) fn check_bound(&self, owner: &MemberId, last: Timestamp, n: u64) -> Refusable<()> {
        let before = Timestamp(self.cx.now.wall.0.saturating_sub(1));
        self.check_within(self.voids.reach(owner, last.max(before), n))
    }

    /// Why a timestamp is not within the bound.
    pub(super) fn check_within(&self, at: Timestamp) -> Refusable<()> {
        if at <= self.bound() {
            return Ok(());
        }
        let ahead_seconds = at.0.saturating_sub(self.cx.now.wall.0) / SECOND;
        Err(CommandError::ClockBehind {
            ahead_seconds,
            limit_seconds: self.cx.config.clock_ahead_micros / SECOND,
        })
    }

    /// Gives the items of own shards that lie beyond the bound timestamps within it, and makes the heads of
    /// that time invalid. Returns how many items that were. All own shards are restamped, or none; `None`
    /// where the clock has to go on for a moment first.
    pub(super) fn restamp(&mut self) -> Result<Refusable<Option<u64>>, StoreError> {
        let far = Timestamp(self.bound().0.saturating_add(WAIT_MICROS));
        let ahead = self.own.iter().filter(|(_, own)| own.last() > far);
        let ahead: Vec<MemberId> = ahead.map(|(owner, _)| *owner).collect();
        for owner in &ahead {
            match self.check_restamp(owner) {
                Ok(true) => {}
                Ok(false) => return Ok(Ok(None)),
                Err(error) => return Ok(Err(error)),
            }
        }
        let mut n_restamped = 0;
        for owner in ahead {
            n_restamped += self.restamp_own(owner)?;
        }
        Ok(Ok(Some(n_restamped)))
    }

    /// Whether an own shard can be restamped now, or a moment later.
    fn check_restamp(&mut self, owner: &MemberId) -> Refusable<bool> {
        let n = self.own_items(owner) + 1;
        let others_bound = self.others_bound();
        let behind_seconds = others_bound.0.saturating_sub(self.bound().0) / SECOND;
        let is_off = behind_seconds * SECOND > WAIT_MICROS;
        if self.own[owner].last() <= others_bound && is_off {
            return Err(CommandError::ClockOff { behind_seconds });
        }
        if let Some((before, _)) = self.own[owner].pauses().around(self.bound().max(others_bound)) {
            return match self.check_bound(owner, before, n) {
                Err(_) if is_off => Err(CommandError::ClockOff { behind_seconds }),
                checked => checked.map(|()| true),
            };
        }
        // The writes went on across the bound, or nothing is known of them. What was within the bound when
        // this was asked for may be taken; of what was not, others can get at most the last head by now, and
        // that lies further ahead.
        let bound = self.bound();
        let before = self.own.restamps_after(owner, bound);
        Ok(self.check_bound(owner, before, n).is_ok())
    }

    fn restamp_own(&mut self, owner: MemberId) -> Result<u64, StoreError> {
        self.flush()?;
        let (before, first) = self.edge(&owner);
        let last = self.own[&owner].last();
        let old = self.owners[&owner].whole().map(|(shard, _)| shard);
        let mut fresh = Fresh { owner, shard: self.disk.new_shard(), root: None, first: None, last: before };
        let mut n_restamped = 0;
        let mut from = old.map(|_| Timestamp::ZERO);
        while let (Some(old), Some(at)) = (old, from) {
            let (items, rest) = self.disk.view(old).log(at..=Timestamp::MAX, Page::rows(PAGE_ROWS))?;
            from = rest;
            let mut kept = Vec::with_capacity(items.len());
            for item in items.into_iter().filter(|item| item.key.as_str() != RESTAMPED_KEY) {
                let is_kept = item.timestamp <= before;
                n_restamped += u64::from(!is_kept && item.key.as_str() != RUNS_KEY);
                kept.push(if is_kept { item } else { Arc::new(self.stamped(&mut fresh, &item)) });
            }
            self.build_fresh(owner, &mut fresh, &kept)?;
            self.flush()?;
        }
        let key = Key::new(RESTAMPED_KEY).expect("a key");
        let named = Item { key, timestamp: Timestamp::ZERO, expiry: None, value: Arc::default() };
        let mut named = self.stamped(&mut fresh, &named);
        let mut spans = self.voids.of(&owner).to_vec();
        for span in self.own[&owner].pauses().used(first, last) {
            add_span(&mut spans, span, before);
        }
        named.value = encode(&spans).into();
        self.build_fresh(owner, &mut fresh, &[Arc::new(named)])?;
        self.voids.set(&owner, spans);
        self.show_fresh(owner, &fresh, old)?;
        Ok(n_restamped)
    }

    /// The last own timestamp that others may have taken, and where those begin that are made invalid.
    fn edge(&self, owner: &MemberId) -> (Timestamp, Timestamp) {
        let bound = self.bound().max(self.others_bound());
        let own = &self.own[owner];
        own.pauses().around(bound).unwrap_or_else(|| {
            let before = own.restamps_after().unwrap_or(bound);
            // Between them is room for what is restamped, and for writes until the clock gets there.
            (before, Timestamp(before.0.saturating_add(WAIT_MICROS)))
        })
    }

    /// The last timestamp that most peers accept by their clocks.
    fn others_bound(&self) -> Timestamp {
        let wall = self.wall_around().unwrap_or(Timestamp::ZERO);
        Timestamp(wall.0.saturating_add(self.cx.config.clock_ahead_micros))
    }

    /// How many items an own shard has.
    fn own_items(&self, owner: &MemberId) -> u64 {
        self.owners.get(owner).and_then(|owner| owner.head()).map_or(0, |head| head.items)
    }

    /// An item with the next timestamp.
    fn stamped(&self, fresh: &mut Fresh, item: &Item) -> Item {
        let before = fresh.last;
        fresh.last = self.next_own(&fresh.owner, before);
        fresh.first.get_or_insert((before, fresh.last));
        Item { timestamp: fresh.last, ..item.clone() }
    }

    /// A peer holds a head of ours that we have made invalid, as its clock let it take it. Once our clock
    /// lets us, we go on above it, so that the peer takes what we have.
    pub(super) fn outrank_invalid(&mut self, peer: MemberId, head: &Head, end: Timestamp) {
        let ours = self.owners.get(&head.owner).and_then(|owner| owner.head());
        let later = ours.is_none_or(|ours| ours.order() < head.order());
        if !later || head.owner != self.cx.me || self.check_bound(&head.owner, end, 1).is_err() {
            return;
        }
        if !self.cx.check_signature(head) {
            return self.links.penalize(&mut self.cx, peer, "signature");
        }
        self.own.use_up_to(&head.owner, end, &mut self.disk);
        self.own.outrank(Timestamp::ZERO);
    }

    /// Adds items to the shard that is built anew. It counts as left over until it is shown.
    fn build_fresh(
        &mut self,
        owner: MemberId,
        fresh: &mut Fresh,
        items: &[Arc<Item>],
    ) -> Result<(), StoreError> {
        let mut edit = Edit::new(self.disk.view(fresh.shard));
        edit.put_all(items)?;
        let (root, mut change) = edit.finish(fresh.root)?;
        fresh.root = root;
        change.record = Some(ShardRecord { root, ..ShardRecord::new(owner, ShardState::Dead) }.into());
        self.disk.stage(fresh.shard, change);
        Ok(())
    }

    /// Makes the shard that was built anew the visible one. Its head has the timestamp of the item that names
    /// the spans.
    fn show_fresh(
        &mut self,
        owner: MemberId,
        fresh: &Fresh,
        old: Option<ShardNumber>,
    ) -> Result<(), StoreError> {
        let (root, timestamp) = (fresh.root, fresh.last);
        let (items, bytes) = root.as_ref().map_or((0, 0), |root| (root.count, root.bytes));
        let head =
            Head { owner, timestamp, items, bytes, root: root_hash(root.as_ref()), signature: [0; 64] };
        let head = self.own.sign_earlier(head, fresh.first, &self.cx, &mut self.disk);
        if let Some(old) = old {
            self.disk.retire(owner, old);
        }
        let graves_floor = timestamp;
        let fresh_record = ShardRecord::new(owner, ShardState::Whole);
        let record = ShardRecord { head: Some(head), root, graves_floor, ..fresh_record };
        self.cx.on_own_commit();
        self.cx.stats.commits += 1;
        self.adopt(fresh.shard, record, ShardChange::default());
        self.flush()?;
        self.list_expiries(&owner)
    }
}

/// A shard that is built anew.
struct Fresh {
    owner: MemberId,
    shard: ShardNumber,
    root: Option<Branch>,
    /// After which timestamp, and with which one, what is restamped begins.
    first: Option<Span>,
    /// The last timestamp that was given.
    last: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(first: u64, last: u64) -> Span {
        (Timestamp(first), Timestamp(last))
    }

    #[test]
    fn writes_step_over_what_is_invalid() {
        let (owner, mut invalid) = (MemberId([1; 32]), Voids::default());
        invalid.set(&owner, [span(100, 199), span(200, 299), span(1_000, 1_999)].into());
        assert_eq!(invalid.next(&owner, Timestamp(99)), Timestamp(99));
        assert_eq!(invalid.next(&owner, Timestamp(150)), Timestamp(300));
        assert_eq!(invalid.next(&MemberId([2; 32]), Timestamp(150)), Timestamp(150));
        let reach = |first, n| invalid.reach(&owner, Timestamp(first), n).0;
        assert_eq!(reach(10, 50), 60);
        assert_eq!(reach(60, 50), 349, "over both, and all of them behind");
        assert_eq!(reach(99, 1), 300);
        assert_eq!(reach(299, 50), 349, "what lies before does not matter");
        assert_eq!(reach(60, 800), 2_799);
    }

    #[test]
    fn there_are_few_spans_and_none_that_matters_is_forgotten() {
        let mut spans: Vec<Span> = (0..16).map(|n| span(1_000 * n, 1_000 * n + 500)).collect();
        add_span(&mut spans, span(90_000, 90_500), Timestamp(2_200));
        assert_eq!(spans.len(), SPANS_MAX);
        assert_eq!((spans[0], spans[15]), (span(1_000, 1_500), span(90_000, 90_500)));
        add_span(&mut spans, span(7_550, 7_900), Timestamp(0));
        assert_eq!(spans.len(), SPANS_MAX);
        assert!(spans.contains(&span(7_000, 7_900)), "{spans:?}");
        add_span(&mut spans, span(20_000, 20_500), Timestamp(0));
        assert!(spans.iter().any(|(first, last)| first.0 <= 1_000 && last.0 >= 1_500), "{spans:?}");
    }
}
