//! Own writes: checked on arrival, committed in groups, answered when they are on disk.

use super::{
    command_error::{CommandError, RosterError, WriteError},
    effect::{Answer, Committed, Effect, Ticket},
    expired::Reclaimed,
    group::Group,
    growth::Growth,
    handlers::Replication,
    input::{OwnChange, Write},
};
use crate::{
    head::Head,
    id::MemberId,
    item::{Item, Key},
    limits::{COMMIT_BYTES_MAX, COMMIT_WRITES_MAX},
    roster::{GrantChange, RosterChange},
    shard::Edit,
    store::{HeldTombstones, ShardChange, ShardNumber, ShardRecord, Store, StoreError},
    time::Timestamp,
    trie::{Branch, root_hash},
};
use alloc::{
    collections::{BTreeMap, VecDeque},
    string::String,
    sync::Arc,
    vec::Vec,
};

/// Waiting changes, in order.
type Waiting = VecDeque<(Ticket, OwnChange)>;

impl<S: Store> Replication<'_, S> {
    pub(super) fn check_writes(&self, writes: &[Write]) -> Result<(), WriteError> {
        let (n, bytes) = (writes.len(), writes.iter().map(Write::bytes).sum::<usize>());
        if n > COMMIT_WRITES_MAX {
            return Err(WriteError::TooManyWrites { writes: n });
        }
        for write in writes {
            let key = || String::from(write.key().as_str());
            if write.key().is_system() {
                return Err(WriteError::SystemKey { key: key() });
            }
            if let Write::Put { expiry: Some(Timestamp::ZERO), .. } = write {
                return Err(WriteError::ExpiryZero { key: key() });
            }
            if let Write::Put { value, .. } = write
                && value.len() > self.cx.config.value_bytes_max
            {
                let (len, limit) = (value.len(), self.cx.config.value_bytes_max);
                return Err(WriteError::ValueTooLong { key: key(), len, limit });
            }
        }
        if bytes > COMMIT_BYTES_MAX {
            return Err(WriteError::CommitTooLarge { bytes });
        }
        Ok(())
    }

    /// Commits the first waiting change, which belongs to `owner`, and as many after it as fit in one commit.
    pub(super) fn commit_group(&mut self, owner: MemberId, waiting: &mut Waiting) -> Result<(), StoreError> {
        let mut group = Group::default();
        let own = self.own_shard(&owner);
        let mut last = self.own[&owner].last();
        let mut edit = Edit::new(self.disk.view(own.shard));
        self.record_run(&owner, &mut edit, &mut last)?;
        let named = last;
        let mut growth = Growth::of(own.root.as_ref());
        // Each roster change is checked against the committed entries, so it is a commit of its own.
        let alone = owner == self.cx.config.mesh.authority();
        while let Some((ticket, change)) = waiting.pop_front() {
            if alone && !group.answers.is_empty() {
                waiting.push_front((ticket, change));
                break;
            }
            let writes = match self.writes_of(&change, &owner)? {
                Ok(Some(writes)) => writes,
                Ok(None) => {
                    waiting.push_front((ticket, change));
                    break;
                }
                Err(error) => {
                    group.refused.push((ticket, error.into()));
                    continue;
                }
            };
            let bytes = writes.iter().map(Write::bytes).sum::<usize>();
            if group.writes > 0 && !group.has_room(writes.len(), bytes) {
                waiting.push_front((ticket, change));
                break;
            }
            let mut nested = edit.nested();
            let before = last;
            let (changed, grown) = self.apply_writes(&owner, &writes, &mut last, &mut nested)?;
            let within = if last == before { Ok(()) } else { self.cx.check_within(last) };
            let quota = self.check_quota(&owner, growth.plus(grown), grown)?;
            match within.map_err(|why| change.refused(why)).and(quota.map_err(CommandError::from)) {
                Ok(()) => {
                    let parts = nested.into_parts();
                    edit.absorb(parts);
                    growth = growth.plus(grown);
                    group.add(ticket, Committed { timestamp: last, changed }, writes.len(), bytes);
                }
                Err(error) => {
                    last = before;
                    match self.reclaim(&error, &owner, &mut group, &mut last, &mut edit)? {
                        Reclaimed::Nothing => group.refused.push((ticket, error)),
                        Reclaimed::Room(freed) => {
                            growth = growth.plus(freed);
                            waiting.push_front((ticket, change));
                        }
                        Reclaimed::Later => {
                            waiting.push_front((ticket, change));
                            break;
                        }
                    }
                }
            }
        }
        if last == named {
            last = self.own[&owner].last();
        }
        let (root, change) = edit.finish(own.root)?;
        let refused = core::mem::take(&mut group.refused);
        refused.into_iter().for_each(|(ticket, error)| self.cx.refuse(ticket, error));
        self.commit_own(owner, own, root, change, last)?;
        self.answer_group(&owner, group);
        Ok(())
    }

    fn answer_group(&mut self, owner: &MemberId, group: Group) {
        for (ticket, mut committed) in group.answers {
            if committed.changed == 0 {
                committed.timestamp = self.replicas[owner].timestamp();
            }
            self.cx.emit_in_order(Effect::Answer { ticket, answer: Answer::Committed(committed) });
        }
    }

    fn own_shard(&mut self, owner: &MemberId) -> Own {
        match self.replicas[owner].whole() {
            Some((shard, record)) => {
                Own { shard, root: record.root, tombstones: self.replicas[owner].tombstones() }
            }
            None => Own { shard: self.disk.new_shard(), root: None, tombstones: HeldTombstones::default() },
        }
    }

    /// The writes of a change of `owner`'s shard; `None` if it cannot be grouped with others, or changes
    /// another own shard.
    fn writes_of(
        &self,
        change: &OwnChange,
        owner: &MemberId,
    ) -> Result<Result<Option<Vec<Write>>, RosterError>, StoreError> {
        if self.cx.owner_of(change) != *owner {
            return Ok(Ok(None));
        }
        let writes = match change {
            OwnChange::Commit(writes) => Ok(last_writes(writes)),
            OwnChange::Restamp | OwnChange::DiscardDivergent { .. } => return Ok(Ok(None)),
            OwnChange::CloseForks { owner } => Ok(self.closing_writes(owner)),
            OwnChange::Admit { id, name } => {
                let (id, name, terms) = (*id, name.clone(), GrantChange::default());
                self.roster_writes(&[RosterChange::Admit { id, name, terms }])?
            }
            OwnChange::Revoke { id, disposition } => {
                let (id, disposition) = (*id, *disposition);
                self.roster_writes(&[RosterChange::Revoke { id, disposition, at: None }])?
            }
            OwnChange::ChangeRoster(changes) => self.roster_writes(changes)?,
        };
        Ok(writes.map(Some))
    }

    /// Applies writes with distinct keys in order. Each effective write takes the next timestamp. Returns how
    /// many of them are visible to readers, and how the shard grows.
    pub(super) fn apply_writes(
        &self,
        owner: &MemberId,
        writes: &[Write],
        last: &mut Timestamp,
        edit: &mut Edit<'_, super::disk::Snapshot<S>>,
    ) -> Result<(u64, Growth), StoreError> {
        let mut growth = Growth::default();
        let (mut changed, mut puts) = (0, Vec::new());
        let keys: Vec<&Key> = writes.iter().map(Write::key).collect();
        for (write, old) in writes.iter().zip(edit.timestamps_of(&keys)?) {
            let old = match old {
                Some(at) => edit.item(at)?,
                None => None,
            };
            let new = match write {
                Write::Put { value, expiry, .. } => {
                    let same = |old: &Arc<Item>| old.value == *value && old.expiry == *expiry;
                    if old.as_ref().is_some_and(|old| same(old) && old.is_live(self.cx.now.wall)) {
                        continue;
                    }
                    Some((value, expiry))
                }
                Write::Delete { .. } if old.is_none() => continue,
                Write::Delete { .. } => None,
            };
            let timestamp = self.replicas.next_own(self.cx, owner, *last);
            *last = timestamp;
            // An expired item was hidden already, so its removal is not a visible change.
            let is_shown = new.is_some() || old.as_ref().is_some_and(|old| old.is_live(self.cx.now.wall));
            changed += u64::from(is_shown);
            if let Some(old) = &old {
                growth = growth.plus(Growth { items: -1, bytes: -(old.bytes() as i64) });
                if let Some(expiry) = old.expiry {
                    edit.change().expiries.insert((expiry, old.timestamp), false);
                }
            }
            let key = write.key();
            match new {
                Some((value, expiry)) => {
                    let item = Item { key: key.clone(), timestamp, expiry: *expiry, value: value.clone() };
                    growth = growth.plus(Growth { items: 1, bytes: item.bytes() as i64 });
                    if let Some(expiry) = item.expiry {
                        edit.change().expiries.insert((expiry, timestamp), true);
                    }
                    puts.push((Arc::new(item), old.map(|old| old.timestamp)));
                }
                None => edit.delete(timestamp, key)?,
            }
        }
        edit.put_new(puts);
        Ok((changed, growth))
    }

    /// Signs and writes the result of an edit. Does nothing if the edit changed nothing.
    fn commit_own(
        &mut self,
        owner: MemberId,
        own: Own,
        root: Option<Branch>,
        mut change: ShardChange,
        last: Timestamp,
    ) -> Result<(), StoreError> {
        if last == self.own[&owner].last() {
            return Ok(());
        }
        let (items, bytes) = root.as_ref().map_or((0, 0), |root| (root.count, root.bytes));
        let head =
            Head { owner, timestamp: last, items, bytes, root: root_hash(root.as_ref()), signature: [0; 64] };
        let head = self.own.sign(head, self.cx, self.disk);
        let Own { shard, mut tombstones, .. } = own;
        self.disk.trim_tombstones(shard, &mut tombstones, &mut change, self.cx.config.tombstones_max)?;
        self.cx.on_own_commit();
        self.cx.stats.commits += 1;
        self.adopt(shard, ShardRecord::whole(head, root, tombstones), change);
        self.flush()
    }

    /// Commits a head that replaces the copies of the own shard that other members hold.
    pub(super) fn commit_outranking(&mut self) -> Result<(), StoreError> {
        let abandoned = self.own.take_abandoned();
        if abandoned > Timestamp::ZERO || !self.own.is_run_named(self.replicas, &self.cx.me) {
            return self.rewrite_runs(|history| history.abandon(abandoned));
        }
        let owner = self.cx.me;
        let own = self.own_shard(&owner);
        let (root, last) = (own.root, self.replicas.next_own(self.cx, &owner, self.own[&owner].last()));
        self.commit_own(owner, own, root, ShardChange::default(), last)
    }

    /// Commits writes of system items, with distinct keys, to an own shard.
    pub(super) fn commit_writes(&mut self, owner: MemberId, writes: &[Write]) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        let own = self.own_shard(&owner);
        let mut last = self.own[&owner].last();
        let mut edit = Edit::new(self.disk.view(own.shard));
        self.record_run(&owner, &mut edit, &mut last)?;
        let named = last;
        self.apply_writes(&owner, writes, &mut last, &mut edit)?;
        if last == named {
            return Ok(());
        }
        let (root, change) = edit.finish(own.root)?;
        self.commit_own(owner, own, root, change, last)
    }
}

/// An own shard before a commit. A shard that does not exist yet has no items.
struct Own {
    shard: ShardNumber,
    root: Option<Branch>,
    tombstones: HeldTombstones,
}

/// The writes without those that a later write of the same key supersedes.
fn last_writes(writes: &[Write]) -> Vec<Write> {
    let last: BTreeMap<&Key, usize> =
        writes.iter().enumerate().map(|(at, write)| (write.key(), at)).collect();
    writes
        .iter()
        .enumerate()
        .filter(|(at, write)| last[write.key()] == *at)
        .map(|(_, write)| write.clone())
        .collect()
}
