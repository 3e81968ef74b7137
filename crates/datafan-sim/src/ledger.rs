//! The record of a simulated mesh, seen from outside: every head that an owner made, who holds which, and
//! what was written and acknowledged.
//!
//! Checkers and measures read it; it is updated with every event, at a cost that follows the change.

use crate::{
    store::{SharedDisk, SharedSnapshot, State},
    world::World,
};
use datafan_core::{
    engine::Ticket, hash::Hash, head::Head, id::MemberId, item::Key, time::Time, time::Timestamp,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A world whose members share equal data.
pub type Mesh = World<SharedDisk>;

/// The number of an owner: that of its member; the roster's is one more than the last member's.
pub type Owner = usize;

/// A head by its number among those that its owner made, from 1; 0 for none.
pub type Position = u32;

/// A head that an owner made.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    /// The head.
    pub head: Head,
    /// When it became visible at its owner.
    pub at: Time,
}

/// The record of one owner.
#[derive(Default)]
pub struct Owned {
    made: Vec<Made>,
    by_order: BTreeMap<(Timestamp, Hash), Position>,
    /// Heads up to this timestamp are on the owner's disk.
    synced: Timestamp,
    /// The head at which all members must end.
    target: Position,
    /// Running members that count and have reached it.
    n_there: usize,
    /// The writes under each key, from the last acknowledged one on.
    asked: BTreeMap<Key, Vec<Asked>>,
}

/// A requested write: its command, and the first bytes of the value; `None` for a deletion.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The command.
    pub ticket: Ticket,
    /// The value's tag.
    pub tag: Option<[u8; 16]>,
    /// Whether it was acknowledged.
    pub acknowledged: bool,
}

/// How the shard of a revoked owner ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// Frozen at this head.
    Keep(Position),
    /// Dropped.
    Drop,
}

/// The record of a mesh.
pub struct Ledger {
    n_members: usize,
    owned: Vec<Owned>,
    /// Per member and owner the visible head; empty while the member does not run.
    positions: Vec<Vec<Position>>,
    /// Members that run and count.
    n_running: usize,
    /// Excused members: what they hold, and who holds their shards, does not count.
    excused: BTreeSet<usize>,
    /// Members that were restored from an older copy: their last writes that nobody else received are lost.
    restored: BTreeSet<usize>,
    /// Owners that were revoked.
    endings: BTreeMap<Owner, Ending>,
    /// Commits that became visible at members that did not make them.
    n_deliveries: u64,
}

/// A commit that became visible at a member.
pub struct Applied<'a> {
    /// The member.
    pub member: usize,
    /// The owner.
    pub owner: Owner,
    /// The previously visible head.
    pub before: Position,
    /// The visible head; 0 if the shard is gone.
    pub now: Position,
    /// The visible state; `None` if the shard is gone.
    pub state: Option<&'a Arc<State>>,
    /// When the head was made.
    pub made_at: Time,
}

impl Ledger {
    /// The record of a mesh of `n_members` that does not run yet. `excused` members do not count.
    pub fn new(n_members: usize, excused: BTreeSet<usize>) -> Self {
        Self {
            n_members,
            owned: (0..=n_members).map(|_| Owned::default()).collect(),
            positions: vec![Vec::new(); n_members],
            n_running: 0,
            excused,
            restored: BTreeSet::new(),
            endings: BTreeMap::new(),
            n_deliveries: 0,
        }
    }

    /// The owner of the roster.
    pub fn roster(&self) -> Owner {
        self.n_members
    }

    /// All owners.
    pub fn owners(&self) -> std::ops::RangeInclusive<Owner> {
        0..=self.n_members
    }

    /// The member that writes an owner's shard.
    pub fn writer(&self, owner: Owner) -> usize {
        if owner == self.roster() { 0 } else { owner }
    }

    /// The number of the owner with this id.
    pub fn owner(&self, world: &Mesh, id: &MemberId) -> Option<Owner> {
        if *id == world.mesh_id().authority() { Some(self.roster()) } else { world.index(id) }
    }

    /// The id of an owner.
    pub fn id(&self, world: &Mesh, owner: Owner) -> MemberId {
        if owner == self.roster() { world.mesh_id().authority() } else { world.id(owner) }
    }

    /// The name of an owner in messages.
    pub fn name(&self, owner: Owner) -> String {
        if owner == self.roster() { "the roster".into() } else { format!("m{owner}") }
    }

    /// A head by its number.
    pub fn made(&self, owner: Owner, position: Position) -> Option<&Made> {
        self.owned[owner].made.get(position.checked_sub(1)? as usize)
    }

    /// The number of a head that its owner made, by timestamp and root.
    pub fn find(&self, owner: Owner, order: &(Timestamp, Hash)) -> Option<Position> {
        let owned = &self.owned[owner];
        // Mostly it is the last one.
        match owned.made.last() {
            Some(last) if last.head.order() == *order => Some(owned.made.len() as Position),
            _ => owned.by_order.get(order).copied(),
        }
    }

    /// Up to which timestamp an owner's heads are on its disk.
    pub fn synced(&self, owner: Owner) -> Timestamp {
        self.owned[owner].synced
    }

    /// Whether a head is on its owner's disk. The absence of a head is.
    pub fn is_synced(&self, owner: Owner, position: Position) -> bool {
        self.made(owner, position).is_none_or(|made| made.head.timestamp <= self.synced(owner))
    }

    /// The head at which all members must end.
    pub fn target(&self, owner: Owner) -> Position {
        self.owned[owner].target
    }

    /// The head of an owner that is visible at a member.
    pub fn position(&self, member: usize, owner: Owner) -> Position {
        self.positions[member].get(owner).copied().unwrap_or(0)
    }

    /// The values that an owner may hold under its keys.
    pub fn asked(&self, owner: Owner) -> &BTreeMap<Key, Vec<Asked>> {
        &self.owned[owner].asked
    }

    /// Records what a member is told to write.
    pub fn ask(&mut self, member: usize, key: Key, asked: Asked) {
        let writes = self.owned[member].asked.entry(key).or_default();
        // Of several writes of one key in one commit, the last one counts.
        writes.retain(|before| before.ticket != asked.ticket);
        writes.push(asked);
    }

    /// Records that a command was refused: none of it was written.
    pub fn refused(&mut self, member: usize, ticket: Ticket) {
        for asked in self.owned[member].asked.values_mut() {
            asked.retain(|asked| asked.ticket != ticket);
        }
    }

    /// Records that a command was acknowledged: earlier values under its keys are gone for good.
    pub fn acknowledged(&mut self, member: usize, ticket: Ticket) {
        for asked in self.owned[member].asked.values_mut() {
            if let Some(last) = asked.iter().rposition(|asked| asked.ticket == ticket) {
                asked[last].acknowledged = true;
                asked.drain(..last);
            }
        }
    }

    /// Whether a member runs.
    pub fn runs(&self, member: usize) -> bool {
        !self.positions[member].is_empty()
    }

    /// Number of members, running or not.
    pub fn n_members(&self) -> usize {
        self.n_members
    }

    /// Commits that became visible at members that did not make them.
    pub fn n_deliveries(&self) -> u64 {
        self.n_deliveries
    }

    /// Records that a member's disk was replaced by an older copy: its earlier writes do not count any more.
    pub fn forget_promises(&mut self, member: usize) {
        self.restored.insert(member);
        self.owned[member].asked.clear();
    }

    /// Whether a member was restored from an older copy.
    pub fn was_restored(&self, member: usize) -> bool {
        self.restored.contains(&member)
    }

    /// Ends the faults. Last writes that only a restored disk or a dead member had are lost. All must end at
    /// the greatest head that any member holds.
    pub fn aim_at_what_is_left(&mut self) {
        let gone = (0..self.n_members).filter(|member| !self.runs(*member) || self.was_restored(*member));
        for owner in gone.collect::<Vec<_>>() {
            if self.ending(owner).is_none() {
                let held = (0..self.n_members).map(|member| self.position(member, owner));
                let left = held.max_by_key(|at| self.made(owner, *at).map(|made| made.head.order()));
                self.aim(owner, left.unwrap_or(0));
            }
        }
    }

    /// Records that an owner was revoked.
    pub fn end(&mut self, owner: Owner, ending: Ending) {
        self.endings.insert(owner, ending);
        let target = match ending {
            Ending::Keep(position) => position,
            Ending::Drop => 0,
        };
        self.aim(owner, target);
    }

    /// How a revoked owner ends.
    pub fn ending(&self, owner: Owner) -> Option<Ending> {
        self.endings.get(&owner).copied()
    }

    /// Whether a member counts.
    pub fn counts(&self, member: usize) -> bool {
        !self.excused.contains(&member)
    }

    /// Pairs of running members and owners that count, and how many of them have reached their final head.
    pub fn pairs(&self) -> (u64, u64) {
        let owners = || self.owners().filter(|owner| self.counts(*owner));
        let pairs: usize = owners().map(|_| self.n_running).sum();
        let there: usize = owners().map(|owner| self.owned[owner].n_there).sum();
        (pairs as u64, there as u64)
    }

    /// Whether every running member holds its final heads.
    pub fn is_converged(&self) -> bool {
        let (pairs, there) = self.pairs();
        pairs == there
    }

    /// The first pair that has not reached its final head: member, owner, the current head and the final one.
    pub fn first_behind(&self) -> Option<(usize, Owner, Position, Position)> {
        let members = (0..self.n_members).filter(|member| self.runs(*member) && self.counts(*member));
        let owners = || self.owners().filter(|owner| self.counts(*owner));
        let mut pairs = members.flat_map(|member| owners().map(move |owner| (member, owner)));
        pairs.find_map(|(member, owner)| {
            let (found, wanted) = (self.position(member, owner), self.target(owner));
            (found != wanted).then_some((member, owner, found, wanted))
        })
    }

    /// Records a commit that became visible at a member, with the state that is visible there now.
    ///
    /// # Errors
    /// The visible state, if its owner never made it.
    pub fn applied<'a>(
        &mut self,
        now: Time,
        member: usize,
        owner: Owner,
        state: Option<&'a Arc<State>>,
    ) -> Result<Applied<'a>, String> {
        let before = self.position(member, owner);
        let head = state.and_then(|state| state.record()).and_then(|record| record.head().copied());
        let own = self.writer(owner) == member;
        let position = match head {
            None => 0,
            Some(head) => match self.find(owner, &head.order()) {
                Some(position) => position,
                None if own => self.make(now, owner, head),
                None => return Err(format!("{head:?}")),
            },
        };
        // A restored member may continue from its older copy before it learns of its later heads: the
        // greatest wins.
        let greater = head.map(|head| head.order())
            > self.made(owner, self.target(owner)).map(|made| made.head.order());
        if own && position > 0 && self.ending(owner).is_none() && (greater || !self.was_restored(member)) {
            self.aim(owner, position);
        }
        self.move_to(member, owner, position);
        if !own && position > before {
            self.n_deliveries += 1;
        }
        let made_at = self.made(owner, position).map_or(now, |made| made.at);
        Ok(Applied { member, owner, before, now: position, state, made_at })
    }

    /// Records that a member's disk has its own head, and the roster's, of these timestamps.
    pub fn synced_by(&mut self, member: usize, own: Timestamp, roster: Timestamp) {
        let written = [Some((member, own)), (member == 0).then_some((self.roster(), roster))];
        for (owner, at) in written.into_iter().flatten() {
            let synced = &mut self.owned[owner].synced;
            *synced = at.max(*synced);
        }
    }

    /// Records that a member started with the content of its disk. Returns states that their owner never
    /// made.
    pub fn started(&mut self, world: &Mesh, member: usize, snapshot: &SharedSnapshot) -> Vec<String> {
        let counts = self.counts(member);
        self.n_running += usize::from(counts);
        self.positions[member] = vec![0; self.n_members + 1];
        let mut unknown = Vec::new();
        for owner in self.owners().filter(|_| counts) {
            // A member that holds nothing of a dropped owner has reached the end already.
            self.owned[owner].n_there += usize::from(self.owned[owner].target == 0);
        }
        for state in snapshot.states() {
            let Some(record) = state.record() else { continue };
            let Some(head) = record.head().copied() else { continue };
            let found = self
                .owner(world, &head.owner)
                .and_then(|owner| Some((owner, self.find(owner, &head.order())?)));
            match found {
                Some((owner, position)) if record.is_whole() => {
                    self.move_to(member, owner, position);
                }
                // A divergent copy beside the visible state: no reader sees it.
                Some(_) => {}
                None => unknown.push(format!("{head:?}")),
            }
        }
        for owner in [Some(member), (member == 0).then_some(self.roster())].into_iter().flatten() {
            // What it starts with is on its disk, including what a clean stop wrote last.
            let on_disk = self.made(owner, self.position(member, owner)).map(|made| made.head.timestamp);
            let synced = &mut self.owned[owner].synced;
            *synced = on_disk.unwrap_or_default().max(*synced);
            // What was not on its disk is gone, and possibly nobody else has it.
            if self.ending(owner).is_none() && !self.was_restored(member) {
                self.aim(owner, self.position(member, owner));
            }
        }
        unknown
    }

    /// Records that a member stopped.
    pub fn stopped(&mut self, member: usize) {
        let positions = std::mem::take(&mut self.positions[member]);
        if positions.is_empty() {
            return;
        }
        if !self.counts(member) {
            return;
        }
        self.n_running -= 1;
        for (owned, position) in self.owned.iter_mut().zip(positions) {
            owned.n_there -= usize::from(owned.target == position);
        }
    }

    fn make(&mut self, now: Time, owner: Owner, head: Head) -> Position {
        let owned = &mut self.owned[owner];
        owned.made.push(Made { head, at: now });
        let position = owned.made.len() as Position;
        owned.by_order.insert(head.order(), position);
        position
    }

    fn move_to(&mut self, member: usize, owner: Owner, position: Position) {
        let Some(held) = self.positions[member].get_mut(owner) else { return };
        let before = std::mem::replace(held, position);
        if !self.counts(member) {
            return;
        }
        let owned = &mut self.owned[owner];
        owned.n_there -= usize::from(before == owned.target);
        owned.n_there += usize::from(position == owned.target);
    }

    /// Sets the head at which all members must end.
    fn aim(&mut self, owner: Owner, target: Position) {
        if self.owned[owner].target == target {
            return;
        }
        let fresh = target as usize == self.owned[owner].made.len() && target > 0;
        let counted = self.positions.iter().enumerate().filter(|(member, _)| self.counts(*member));
        let there = counted.filter_map(|(_, held)| held.get(owner));
        // No member can have a head that was made just now.
        let n_there = if fresh && self.owned[owner].target + 1 == target {
            0
        } else {
            there.filter(|held| **held == target).count()
        };
        self.owned[owner].target = target;
        self.owned[owner].n_there = n_there;
    }
}
