//! Applies deltas.

use super::{
    handlers::Replication,
    learned::{How, Learned},
    replaced::Replaced,
    replicas::Reason,
    roster::keeps_members,
};
use crate::{
    engine::rejection::Rejection,
    head::Head,
    id::MemberId,
    message::Delta,
    runs::RUNS_KEY,
    shard::Edit,
    store::{HeldTombstones, ShardChange, ShardNumber, ShardRecord, Store, StoreError},
    time::Timestamp,
    trie::root_hash,
};
use alloc::{sync::Arc, vec::Vec};

impl<S: Store> Replication<'_, S> {
    /// Handles a delta. It is applied if it leads from our state to its head.
    pub(super) fn on_delta(
        &mut self,
        from: MemberId,
        delta: &Delta<'_>,
        mut how: How<'_>,
    ) -> Result<(), StoreError> {
        let owner = delta.head.owner;
        let mut pulls = self.exchange();
        if how == How::Pulled && (pulls.is_of_earlier_pull(from, delta) || !pulls.end_pull(from, &owner)) {
            if !pulls.is_late(from, delta) {
                self.cx.stats.reject(Rejection::Unasked);
                return Ok(());
            }
            how = How::Late;
        }
        if self.is_deferred(from, &delta.head, how) || !self.is_news(from, &delta.head, how) {
            return Ok(());
        }
        let (position, now) = (self.replicas.get_or_insert(&owner).timestamp(), self.cx.now.time);
        if delta.base > position {
            self.gossip().want_head(from, &delta.head, now);
            // A pull states our position, so its answer must start there.
            if how == How::Pulled {
                self.links.penalize(self.cx, from, Rejection::WrongAnswer);
            }
            return Ok(());
        }
        if position < delta.head.timestamp && self.apply_delta(from, delta, how)? {
            return Ok(());
        }
        let refused = self.replicas[&owner].refused();
        let refused = refused.is_some_and(|refused| refused.order == delta.head.order());
        if !refused {
            self.gossip().want_head(from, &delta.head, now);
        }
        match how {
            // A push may lack tombstones or be forged. Other peers are asked first, and their pushes are
            // still accepted.
            How::Pushed(_) if !refused => self.replicas.deprioritize(&owner, from),
            How::Pulled if !refused && !self.links.is_penalized(&from, self.cx.time()) => {
                self.exchange().reconcile(from, &delta.head)
            }
            How::Pushed(_) | How::Pulled | How::Late => {}
        }
        Ok(())
    }

    /// Whether a delta is put off because the disk is full or its owner exceeds the rate limit. Its head is
    /// remembered then.
    fn is_deferred(&mut self, from: MemberId, head: &Head, how: How<'_>) -> bool {
        let pushed = matches!(how, How::Pushed(_));
        let is_full = self.disk.full().is_some();
        if is_full {
            self.cx.stats.reject(Rejection::DiskFull);
        } else if pushed && self.replicas.hold_back(self.cx, head, from) {
            return true;
        }
        let is_deferred = is_full || pushed && self.replicas.has_lost_push(&head.owner);
        if is_deferred {
            let next_round = self.cx.next_round;
            self.gossip().learn(from, head, next_round);
        }
        is_deferred
    }

    /// Whether the head of a delta is newer. Redundant pushes are counted.
    fn is_news(&mut self, from: MemberId, head: &Head, how: How<'_>) -> bool {
        let learned = self.gossip().judge_head(from, head);
        if let How::Pushed(message) = how
            && matches!(learned, Learned::Known | Learned::Older)
        {
            if learned == Learned::Older {
                self.cx.stats.reject(Rejection::StaleHead);
            }
            self.exchange().prune_redundant(from, &head.owner, message.len());
        }
        learned == Learned::Newer
    }

    /// Tries a delta on top of the held state. Returns false, with nothing changed, if the result does not
    /// match its head.
    pub(super) fn apply_delta(
        &mut self,
        from: MemberId,
        delta: &Delta<'_>,
        how: How<'_>,
    ) -> Result<bool, StoreError> {
        let Ok((items, tombstones)) = delta.contents() else {
            self.links.penalize(self.cx, from, Rejection::Malformed);
            return Ok(false);
        };
        let owner = delta.head.owner;
        let state = &self.replicas[&owner];
        let position = state.timestamp();
        let (shard, root, mut tombstones_held) = match state.whole() {
            Some((shard, record)) => (shard, record.root, state.tombstones()),
            None => (self.disk.new_shard(), None, HeldTombstones::default()),
        };
        let n_items = items.len();
        let view = self.disk.view(shard);
        let mut edit = Edit::new(view);
        for (at, key) in tombstones.iter().filter(|(at, _)| *at > position) {
            edit.delete(*at, key)?;
        }
        let late = items.last().is_some_and(|item| item.timestamp > delta.head.timestamp);
        let news: Vec<_> = items.into_iter().filter(|item| item.timestamp > position).map(Arc::new).collect();
        edit.put_all(&news)?;
        edit.forget_tombstones_of_live_keys()?;
        let (root, mut change) = edit.finish(root)?;
        let sums = root.as_ref().map_or((0, 0), |root| (root.count, root.bytes));
        if root_hash(root.as_ref()) != delta.head.root {
            self.cx.stats.reject(Rejection::Delta);
            return Ok(false);
        }
        if late || sums != (delta.head.items, delta.head.bytes) {
            self.replicas.refuse_invalid(self.cx, &delta.head);
            return Ok(false);
        }
        if let Some(done) = self.before_delta(&delta.head, shard, &change)? {
            return Ok(done);
        }
        if position == Timestamp::ZERO {
            // A delta with base 0 has no tombstones.
            tombstones_held.since = delta.head.timestamp;
        }
        self.disk.trim_tombstones(shard, &mut tombstones_held, &mut change, self.cx.config.tombstones_max)?;
        // Tombstones are not verified, so a message with tombstones is not relayed unchanged. Nor is one with
        // more items than were needed.
        let verified = tombstones.is_empty() && change.log.values().flatten().count() == n_items;
        let message = match how {
            How::Pushed(message) if verified && delta.base == position => Some(message),
            How::Pushed(_) | How::Pulled | How::Late => None,
        };
        self.exchange().cancel_transfer(&owner);
        self.cx.stats.applied += 1;
        let told = self.replicas[&owner].known() == Some(delta.head);
        // A head that was known before was counted then.
        self.replicas.count(self.cx, &owner, u64::from(!told), delta.bytes() as u64);
        self.own.on_own_head(&delta.head, self.disk);
        self.adopt(shard, ShardRecord::whole(delta.head, root, tombstones_held), change);
        self.exchange().graft_sender(from, &owner);
        self.exchange().on_delta_applied(from, delta, message);
        Ok(true)
    }

    /// Checks whether a verified change may be applied. `None` if it may; else the result of `apply_delta`.
    pub(super) fn before_delta(
        &mut self,
        head: &Head,
        shard: ShardNumber,
        change: &ShardChange,
    ) -> Result<Option<bool>, StoreError> {
        let owner = head.owner;
        let is_roster = owner == self.cx.config.mesh.authority();
        if is_roster && !keeps_members(self.cx, self.disk, self.replicas, &self.disk.view(shard), change)? {
            self.refuse_roster(head);
            return Ok(Some(false));
        }
        // A commit that does not change the runs continues from the held state.
        if owner != self.cx.me && !change.keys.contains_key(RUNS_KEY) {
            return Ok(None);
        }
        let new = self.disk.view_with(shard, Some(change));
        Ok(match self.judge_replacement(&owner, &new)? {
            Replaced::Continued => None,
            // The held state has to be kept, so a reconciliation builds the new state beside it.
            Replaced::Diverged(_) => Some(false),
            // The delta extends the held state; otherwise its root would not match the head.
            Replaced::Taken { diverged, .. } => {
                self.gossip().begin_contest(head, diverged);
                Some(true)
            }
        })
    }

    pub(super) fn refuse_roster(&mut self, head: &Head) {
        if let Some(held) = self.replicas.roster_head().copied() {
            let alarm = super::Alarm::RosterShrinks { refused: *head, held };
            self.cx.alarm(alarm);
        }
        self.replicas.refuse(self.cx, head, Reason::Roster);
        self.replicas.forget(&head.owner);
    }
}
