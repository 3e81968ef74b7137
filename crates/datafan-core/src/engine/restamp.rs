//! Repairs an own shard that was written while the clock was far ahead: items beyond the bound get timestamps
//! within it, and heads signed in that time become invalid forever.
//!
//! Items within the bound keep their timestamps: others may have accepted them, and later writes must have
//! later timestamps. `_sys/restamped` lists the spans of invalid timestamps. Every member that holds the
//! shard refuses heads in these spans, so nobody can replay such a head when the clock has reached it.

use super::{
    command_error::RestampError,
    handlers::{Gossip, Replication},
    recovery::PAGE_ROWS,
    replicas::invalid_spans::{self, RESTAMPED_KEY, Span, add_span},
};
use crate::{
    engine::rejection::Rejection,
    head::Head,
    id::MemberId,
    item::{Item, Key},
    runs::RUNS_KEY,
    shard::Edit,
    store::{HeldTombstones, Page, ShardChange, ShardNumber, ShardRecord, Store, StoreError},
    time::{SECOND, Timestamp},
    trie::{Branch, root_hash},
};
use alloc::{sync::Arc, vec::Vec};

/// A shard that is ahead of the bound by no more than this is not restamped: other members accept it soon.
const WAIT_MICROS: u64 = 60 * SECOND;

impl<S: Store> Replication<'_, S> {
    /// Gives the items of own shards that are beyond the bound timestamps within it, and makes the heads of
    /// that time invalid. Either all own shards are restamped or none. Returns the number of restamped items,
    /// or `None` if this has to be tried again a moment later, when the clock has advanced.
    pub(super) fn restamp(&mut self) -> Result<Result<Option<u64>, RestampError>, StoreError> {
        let far = Timestamp(self.cx.clock_bound().0.saturating_add(WAIT_MICROS));
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

    /// Whether an own shard can be restamped now (true) or a moment later (false).
    fn check_restamp(&mut self, owner: &MemberId) -> Result<bool, RestampError> {
        let n = self.own_items(owner) + 1;
        let others_bound = self.others_bound();
        let behind_seconds = others_bound.0.saturating_sub(self.cx.clock_bound().0) / SECOND;
        let is_off = behind_seconds * SECOND > WAIT_MICROS;
        if self.own[owner].last() <= others_bound && is_off {
            return Err(RestampError::ClockOff { behind_seconds });
        }
        if let Some((before, _)) = self.own[owner].pauses().around(self.cx.clock_bound().max(others_bound)) {
            return match self.replicas.check_bound(self.cx, owner, before, n) {
                Err(_) if is_off => Err(RestampError::ClockOff { behind_seconds }),
                Err(why) => Err(why.into()),
                Ok(()) => Ok(true),
            };
        }
        // There was no pause in the writes around the bound, or none was recorded. Others may have accepted
        // what was within the bound when the restamp was requested. Of the rest they can get at most the last
        // head, which is further ahead.
        let bound = self.cx.clock_bound();
        let before = self.own.restamps_after(owner, bound);
        Ok(self.replicas.check_bound(self.cx, owner, before, n).is_ok())
    }

    fn restamp_own(&mut self, owner: MemberId) -> Result<u64, StoreError> {
        self.flush()?;
        let (before, first) = self.edge(&owner);
        let last = self.own[&owner].last();
        let old = self.replicas[&owner].whole().map(|(shard, _)| shard);
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
        let mut spans = self.replicas.invalid_spans().of(&owner).to_vec();
        for span in self.own[&owner].pauses().used(first, last) {
            add_span(&mut spans, span, before);
        }
        named.value = invalid_spans::encode(&spans).into();
        self.build_fresh(owner, &mut fresh, &[Arc::new(named)])?;
        self.replicas.set_invalid_spans(&owner, spans);
        self.show_fresh(owner, &fresh, old)?;
        Ok(n_restamped)
    }

    /// The last own timestamp that others may have accepted, and the first one that becomes invalid.
    fn edge(&self, owner: &MemberId) -> (Timestamp, Timestamp) {
        let bound = self.cx.clock_bound().max(self.others_bound());
        let own = &self.own[owner];
        own.pauses().around(bound).unwrap_or_else(|| {
            let before = own.restamps_after().unwrap_or(bound);
            // The gap leaves room for restamped items, and for writes until the clock reaches its end.
            (before, Timestamp(before.0.saturating_add(WAIT_MICROS)))
        })
    }

    /// The last timestamp that most peers accept according to their clocks.
    fn others_bound(&self) -> Timestamp {
        let wall = self.links.median_wall(self.cx.now.time).unwrap_or(Timestamp::ZERO);
        Timestamp(wall.0.saturating_add(self.cx.config.clock_ahead_micros))
    }

    /// The number of items of an own shard.
    fn own_items(&self, owner: &MemberId) -> u64 {
        self.replicas.get(owner).and_then(|owner| owner.head()).map_or(0, |head| head.items)
    }

    /// An item with the next timestamp.
    fn stamped(&self, fresh: &mut Fresh, item: &Item) -> Item {
        let before = fresh.last;
        fresh.last = self.replicas.next_own(self.cx, &fresh.owner, before);
        fresh.first.get_or_insert((before, fresh.last));
        Item { timestamp: fresh.last, ..item.clone() }
    }

    /// Adds items to the shard being rebuilt. Its record is `Dead` until it becomes visible.
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
        change.record = Some(ShardRecord::dead(owner).into());
        self.disk.stage(fresh.shard, change);
        Ok(())
    }

    /// Makes the rebuilt shard visible. Its head has the timestamp of the item that lists the spans.
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
        let head = self.own.sign_earlier(head, fresh.first, self.cx, self.disk);
        if let Some(old) = old {
            self.disk.retire(owner, old);
        }
        let record = ShardRecord::whole(head, root, HeldTombstones { since: timestamp, rows: 0 });
        self.cx.on_own_commit();
        self.cx.stats.commits += 1;
        self.adopt(fresh.shard, record, ShardChange::default());
        self.flush()?;
        self.list_expiries(&owner)
    }
}

impl<S: Store> Gossip<'_, S> {
    /// Handles an invalid head of ours that a peer accepted because its clock allowed it. Once our clock
    /// allows it, own timestamps continue above that head, so that the peer accepts our state.
    pub(super) fn outrank_invalid(&mut self, peer: MemberId, head: &Head, end: Timestamp) {
        let ours = self.replicas.get(&head.owner).and_then(|owner| owner.head());
        let later = ours.is_none_or(|ours| ours.order() < head.order());
        if !later
            || head.owner != self.cx.me
            || self.replicas.check_bound(self.cx, &head.owner, end, 1).is_err()
        {
            return;
        }
        if !self.cx.check_signature(head) {
            return self.links.penalize(self.cx, peer, Rejection::Signature);
        }
        self.own.use_up_to(&head.owner, end, self.disk);
        self.own.outrank(Timestamp::ZERO);
    }
}

/// A shard that is being rebuilt.
struct Fresh {
    owner: MemberId,
    shard: ShardNumber,
    root: Option<Branch>,
    /// The last timestamp before the restamped items, and the first one of them.
    first: Option<Span>,
    /// The last timestamp that was assigned.
    last: Timestamp,
}
