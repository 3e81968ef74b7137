//! Hearing of heads, and taking in deltas.

use super::roster::keeps_members;
use super::{
    Engine,
    learned::{How, Learned},
    replaced::Replaced,
    replicas::{Owner, Reason, Refused, Transfer},
    verdict::Verdict,
};
use crate::engine::rejection::Rejection;
use crate::{
    head::Head,
    id::MemberId,
    message::Delta,
    runs::RUNS_KEY,
    shard::Edit,
    store::{ShardChange, ShardNumber, ShardRecord, ShardState, Store, StoreError},
    time::{Time, Timestamp},
    trie::root_hash,
};
use alloc::{sync::Arc, vec::Vec};

impl<S: Store> Engine<S> {
    /// Hears of a head that `from` holds; fetched at `fetch_at` if nobody pushed it by then.
    pub(super) fn learn(&mut self, from: MemberId, head: &Head, fetch_at: Time) -> Learned {
        let learned = self.judge_head(from, head);
        if learned == Learned::Newer {
            self.note_known(from, head, fetch_at.max(self.fetch_at(&head.owner)));
        }
        learned
    }

    /// What hearing of a head that `from` holds comes to; one that is wanted is yet to be noted.
    fn judge_head(&mut self, from: MemberId, head: &Head) -> Learned {
        if self.cx.is_own(&head.owner) {
            return self.judge_own_head(from, head);
        }
        if self.replicas.holds_since_lately(head) {
            self.links.set_position(&from, &head.owner, None);
            return Learned::Known;
        }
        let state = self.replicas.get(&head.owner);
        let held = state.and_then(Owner::head);
        if held.is_some_and(|held| held.order() == head.order()) {
            self.links.set_position(&from, &head.owner, None);
            return Learned::Known;
        }
        if let Some(held) = held.filter(|held| held.timestamp == head.timestamp).copied() {
            self.compare_heads(&held, head);
        }
        let state = self.replicas.get(&head.owner);
        let held = state.and_then(Owner::head);
        let reason = match self.verdict(head) {
            Verdict::Good => None,
            Verdict::Refused(reason) => Some(reason),
            Verdict::Unknown => {
                self.cx.stats.reject(Rejection::UnknownOwner);
                return Learned::Refused;
            }
        };
        let (known, refused) = state.map_or((None, None), |state| (state.known(), state.refused()));
        // A clock that was too far ahead may since have been reached; the other reasons stay as they are.
        let reached = |refused: Refused| refused.reason == Reason::Clock && reason.is_none();
        if refused.is_some_and(|refused| refused.order == head.order() && !reached(refused)) {
            return Learned::Refused;
        }
        if !self.is_newer(head, held) {
            self.links.set_position(&from, &head.owner, Some(head.timestamp));
            return Learned::Older;
        }
        if known.is_some_and(|known| known == *head) {
            return Learned::Newer;
        }
        if !self.cx.check_signature(head) {
            self.links.penalize(&mut self.cx, from, Rejection::Signature);
            return Learned::Refused;
        }
        if let Some(reason) = reason {
            self.replicas.refuse(&mut self.cx, head, reason);
            return Learned::Refused;
        }
        Learned::Newer
    }

    /// Notes a wanted head that `from` holds.
    fn note_known(&mut self, from: MemberId, head: &Head, fetch_at: Time) {
        self.links.set_position(&from, &head.owner, Some(head.timestamp));
        let known = self.replicas.know_owner(&head.owner).known();
        if known.is_some_and(|known| known == *head) {
            self.replicas.hurry(&head.owner, from, fetch_at);
        } else if known.is_none_or(|known| self.is_newer(head, Some(&known))) {
            self.replicas.count(&self.cx, &head.owner, 1, 0);
            self.replicas.know(head, from, fetch_at);
        } else {
            self.replicas.relist(&head.owner);
        }
    }

    pub(super) fn on_announce(&mut self, from: MemberId, heads: &[Head]) {
        for head in heads {
            if self.links.is_penalized(&from, self.cx.time()) {
                return;
            }
            let known = self.replicas.get(&head.owner).and_then(|owner| owner.known());
            if known.is_some_and(|known| known.order() > head.order()) {
                // More is wanted already: not worth a look at its signature.
                self.links.set_position(&from, &head.owner, Some(head.timestamp));
            } else if !self.replicas.hold_back(&mut self.cx, head, from) {
                let learned = self.learn(from, head, self.cx.now.time);
                if learned == Learned::Older {
                    self.cx.stats.reject(Rejection::StaleHead);
                }
                if matches!(learned, Learned::Older | Learned::Known) {
                    self.note_redundant(from, &head.owner, 0);
                }
            }
        }
    }

    pub(super) fn on_gap(&mut self, from: MemberId, head: &Head) {
        // An answer that comes late, after a push has brought the data, is no fault.
        if !self.end_pull(from, &head.owner) {
            self.cx.stats.reject(Rejection::Unasked);
            return;
        }
        let learned = self.learn(from, head, self.cx.now.time);
        if learned == Learned::Newer {
            self.descend(from, head);
        }
    }

    pub(super) fn on_nothing(&mut self, from: MemberId, owner: &MemberId) {
        if self.end_pull(from, owner) {
            self.cx.stats.reject(Rejection::Moved);
            self.links.set_position(&from, owner, None);
        } else {
            self.cx.stats.reject(Rejection::Unasked);
        }
    }

    /// Ends the pull of `owner` from `from`; false if there was none.
    fn end_pull(&mut self, from: MemberId, owner: &MemberId) -> bool {
        let expected = self.links.get_mut(&from).and_then(|link| link.requests.end_pull(owner));
        let Some(Transfer::Pull { from: asked, deadline, .. }) =
            self.replicas.get(owner).and_then(|state| state.transfer())
        else {
            return false;
        };
        let sent = Time(deadline.0.saturating_sub(self.cx.config.request_micros));
        let ours = *asked == from;
        if ours {
            self.replicas.end_transfer(owner);
            self.links.on_answer(&from, expected.unwrap_or(0), sent, self.cx.now.time);
        }
        ours
    }

    /// Whether a delta answers a pull that was given up, and nothing has come in its place.
    fn is_late(&mut self, from: MemberId, delta: &Delta<'_>) -> bool {
        let owner = delta.head.owner;
        let held = self.replicas.get(&owner).map_or(Timestamp::ZERO, Owner::timestamp);
        let Some(link) = self.links.get_mut(&from) else { return false };
        delta.base == held && link.requests.end_late_pull(&owner, delta.base)
    }

    /// Whether a delta answers a pull that was given up, and not the one that is under way: it begins before
    /// that one, and may lack the graves of what is held by now, as all that begin with nothing do.
    fn is_of_earlier_pull(&self, from: MemberId, delta: &Delta<'_>) -> bool {
        let transfer = self.replicas.get(&delta.head.owner).and_then(|state| state.transfer());
        matches!(transfer, Some(Transfer::Pull { from: asked, since, .. }) if *asked == from && delta.base < *since)
    }

    /// A delta: applied if it leads from where we are to its head.
    pub(super) fn on_delta(
        &mut self,
        from: MemberId,
        delta: &Delta<'_>,
        mut how: How<'_>,
    ) -> Result<(), StoreError> {
        let owner = delta.head.owner;
        if how == How::Pulled && (self.is_of_earlier_pull(from, delta) || !self.end_pull(from, &owner)) {
            if !self.is_late(from, delta) {
                self.cx.stats.reject(Rejection::Unasked);
                return Ok(());
            }
            how = How::Late;
        }
        if self.disk.full().is_some() {
            self.cx.stats.reject(Rejection::DiskFull);
            self.learn(from, &delta.head, self.cx.next_round);
            return Ok(());
        }
        let pushed = matches!(how, How::Pushed(_));
        let bytes = if let How::Pushed(message) = how { message.len() } else { 0 };
        if pushed && self.replicas.hold_back(&mut self.cx, &delta.head, from) {
            return Ok(());
        }
        if pushed && self.replicas.has_lost_push(&owner) {
            self.learn(from, &delta.head, self.cx.next_round);
            return Ok(());
        }
        match self.judge_head(from, &delta.head) {
            Learned::Newer => {}
            Learned::Older if pushed => {
                self.cx.stats.reject(Rejection::StaleHead);
                self.note_redundant(from, &owner, bytes);
                return Ok(());
            }
            Learned::Known if pushed => {
                self.note_redundant(from, &owner, bytes);
                return Ok(());
            }
            Learned::Known | Learned::Older | Learned::Refused => return Ok(()),
        }
        let position = self.replicas.know_owner(&owner).timestamp();
        if delta.base > position {
            self.note_known(from, &delta.head, self.cx.now.time);
            // Whoever is asked for what came after our position answers from there.
            if how == How::Pulled {
                self.links.penalize(&mut self.cx, from, Rejection::WrongAnswer);
            }
            return Ok(());
        }
        if position < delta.head.timestamp && self.apply_delta(from, delta, how)? {
            return Ok(());
        }
        let refused = self.replicas[&owner].refused();
        let refused = refused.is_some_and(|refused| refused.order == delta.head.order());
        if !refused {
            self.note_known(from, &delta.head, self.cx.now.time);
        }
        match how {
            // What was pushed may lack graves, or be made up: others are asked first, and their pushes still
            // count.
            How::Pushed(_) if !refused => self.replicas.doubt(&owner, from),
            How::Pulled if !refused && !self.links.is_penalized(&from, self.cx.time()) => {
                self.descend(from, &delta.head)
            }
            How::Pushed(_) | How::Pulled | How::Late => {}
        }
        Ok(())
    }

    /// Tries a delta on top of what is held. False where it does not lead to its head; then nothing changed.
    pub(super) fn apply_delta(
        &mut self,
        from: MemberId,
        delta: &Delta<'_>,
        how: How<'_>,
    ) -> Result<bool, StoreError> {
        let Ok((items, graves)) = delta.contents() else {
            self.links.penalize(&mut self.cx, from, Rejection::Malformed);
            return Ok(false);
        };
        let owner = delta.head.owner;
        let state = &self.replicas[&owner];
        let position = state.timestamp();
        let (shard, mut record) = match state.whole() {
            Some((shard, record)) => (shard, (**record).clone()),
            None => (self.disk.new_shard(), ShardRecord::new(owner, ShardState::Whole)),
        };
        let n_items = items.len();
        let view = self.disk.view(shard);
        let mut edit = Edit::new(view);
        for (at, key) in graves.iter().filter(|(at, _)| *at > position) {
            edit.bury(*at, key)?;
        }
        let late = items.last().is_some_and(|item| item.timestamp > delta.head.timestamp);
        let news: Vec<_> = items.into_iter().filter(|item| item.timestamp > position).map(Arc::new).collect();
        edit.put_all(&news)?;
        edit.forget_graves_of_live_keys()?;
        let (root, mut change) = edit.finish(record.root)?;
        let sums = root.as_ref().map_or((0, 0), |root| (root.count, root.bytes));
        if root_hash(root.as_ref()) != delta.head.root {
            self.cx.stats.reject(Rejection::Delta);
            return Ok(false);
        }
        if late || sums != (delta.head.items, delta.head.bytes) {
            self.refuse_void(&delta.head);
            return Ok(false);
        }
        if let Some(done) = self.before_delta(&delta.head, shard, &change)? {
            return Ok(done);
        }
        if position == Timestamp::ZERO {
            // A delta from nothing brings no graves.
            record.graves_floor = delta.head.timestamp;
        }
        record.head = Some(delta.head);
        record.root = root;
        self.disk.trim_graves(shard, &mut record, &mut change, self.cx.config.graves_max)?;
        // Graves prove nothing, so a message with some does not go on as it is; nor one with more than was
        // needed.
        let verified = graves.is_empty() && change.log.values().flatten().count() == n_items;
        let message = match how {
            How::Pushed(message) if verified && delta.base == position => Some(message),
            How::Pushed(_) | How::Pulled | How::Late => None,
        };
        self.cancel_transfer(&owner);
        self.cx.stats.applied += 1;
        let told = self.replicas[&owner].known() == Some(delta.head);
        // A head that was heard of before was counted then.
        self.replicas.count(&self.cx, &owner, u64::from(!told), delta.bytes() as u64);
        self.own.on_own_head(&delta.head, &mut self.disk);
        self.adopt(shard, record, change);
        self.note_brought(from, &owner);
        self.note_told(from, delta, message);
        Ok(true)
    }

    /// What a verified change comes to where it is not to be applied: whether that is all there is to do.
    fn before_delta(
        &mut self,
        head: &Head,
        shard: ShardNumber,
        change: &ShardChange,
    ) -> Result<Option<bool>, StoreError> {
        let owner = head.owner;
        let is_roster = owner == self.cx.config.mesh.authority();
        if is_roster && !keeps_members(&self.cx, &self.disk, &self.replicas, &self.disk.view(shard), change)?
        {
            self.refuse_roster(head);
            return Ok(Some(false));
        }
        // Whoever leaves the runs as they are goes on from what is held.
        if owner != self.cx.me && !change.keys.contains_key(RUNS_KEY) {
            return Ok(None);
        }
        let new = self.disk.view_with(shard, Some(change));
        Ok(match self.judge_replacement(&owner, &new)? {
            Replaced::Continued => None,
            // What is held has to be kept: the comparison builds the new state beside it.
            Replaced::Diverged(_) => Some(false),
            // It is what is held and more, or it would not have become what its head says.
            Replaced::Taken { diverged, .. } => {
                self.contest(head, diverged);
                Some(true)
            }
        })
    }

    pub(super) fn refuse_roster(&mut self, head: &Head) {
        if let Some(held) = self.replicas.roster_head().copied() {
            let alarm = super::Alarm::RosterShrinks { refused: *head, held };
            self.cx.alarm(alarm);
        }
        self.replicas.refuse(&mut self.cx, head, Reason::Roster);
        self.replicas.forget(&head.owner);
    }

    /// Whether a head is good and newer than what is held.
    pub(super) fn is_wanted(&self, head: &Head) -> bool {
        let held = self.replicas.get(&head.owner).and_then(|state| state.head());
        matches!(self.verdict(head), Verdict::Good) && self.is_newer(head, held)
    }
}
