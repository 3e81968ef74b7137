//! Commands. Some are answered at once. Changes of own shards are checked on arrival and carried out and
//! answered when the own shards may be written.

use super::{
    command_error::{AddressError, CommandError, RosterError, WriteError},
    discovery::{ADDRESSES_KEY, check_addresses, encode_addresses},
    effect::{Answer, Committed, Effect, Ticket},
    handlers::Commits,
    input::{Immediate, OwnChange, Write},
    not_writable::NotWritable,
    own::Confirmed,
};
use crate::{
    connector::Address,
    hash::Hash,
    id::MemberId,
    identity::is_admissible,
    item::Key,
    roster::{Revoked, RosterChangeError},
    store::{Store, StoreError},
    time::Timestamp,
};
use alloc::{collections::VecDeque, vec::Vec};

impl<S: Store> Commits<'_, S> {
    /// Carries out a command that is answered at once.
    pub(super) fn on_immediate(&mut self, ticket: Ticket, immediate: Immediate) {
        let done = match immediate {
            Immediate::Publish(addresses) => {
                check_addresses(&addresses).map(|()| self.own.publish(addresses))
            }
            Immediate::Connect { address, expected } => self.connect(address, expected),
        };
        match done {
            Ok(()) => self.cx.answer_unchanged(ticket, self.replicas.timestamp(&self.cx.me)),
            Err(error) => self.cx.refuse(ticket, error),
        }
    }

    fn connect(&mut self, address: Address, expected: Option<MemberId>) -> Result<(), AddressError> {
        self.replication().check_connect(&address, expected.as_ref())?;
        if self.discovery.dialer.add_user((expected, address)) {
            return Ok(());
        }
        Err(AddressError::TooManyToDial)
    }

    /// Checks a change of an own shard as far as possible now, and queues it for a commit.
    pub(super) fn on_change(&mut self, ticket: Ticket, change: OwnChange) {
        if let Err(error) = self.check_change(&change) {
            return self.cx.refuse(ticket, error);
        }
        if matches!(change, OwnChange::DiscardDivergent { .. }) && !self.divergent.has(&self.cx.me) {
            return self.cx.answer_unchanged(ticket, self.replicas.timestamp(&self.cx.me));
        }
        self.own.push_waiting(ticket, change);
    }

    /// Checks that are possible when a change arrives.
    fn check_change(&mut self, change: &OwnChange) -> Result<(), CommandError> {
        self.disk.check_room().map_err(|why| change.refused(why))?;
        match change {
            OwnChange::Commit(writes) => self.check_commit(writes)?,
            OwnChange::DiscardDivergent { .. } | OwnChange::Restamp => {}
            OwnChange::CloseForks { owner } => self.check_closing(owner)?,
            OwnChange::Admit { id, .. } => self.check_admission(id)?,
            OwnChange::Revoke { .. } => self.replication().check_roster(1)?,
            OwnChange::ChangeRoster(changes) => self.replication().check_roster(changes.len())?,
        }
        Ok(())
    }

    fn check_commit(&mut self, writes: &[Write]) -> Result<(), WriteError> {
        // Only new writes are refused here. Waiting ones stay queued, because a peer that refuses us may
        // still have an old roster.
        self.check_not_refused(&self.cx.me)?;
        self.replication().check_writes(writes)
    }

    fn check_admission(&mut self, id: &MemberId) -> Result<(), RosterError> {
        if !is_admissible(id) {
            return Err(RosterChangeError::UnsoundKey { id: *id }.into());
        }
        self.replication().check_roster(1)
    }

    /// Commits the waiting changes of own shards that are confirmed.
    pub(super) fn commit_waiting(&mut self) -> Result<(), StoreError> {
        if !self.own.has_waiting() {
            return self.commit_system();
        }
        let mut waiting = self.own.take_waiting();
        let mut later = VecDeque::new();
        while let Some((ticket, change)) = waiting.pop_front() {
            let owner = self.cx.owner_of(&change);
            // A restamp must work while the bound of the clock forbids other writes.
            let is_restamp = matches!(change, OwnChange::Restamp);
            match if is_restamp { self.is_confirmed(&owner) } else { self.may_write(&owner) } {
                Ok(true) => {}
                Ok(false) => {
                    later.push_back((ticket, change));
                    continue;
                }
                Err(why) => {
                    self.cx.refuse(ticket, change.refused(why));
                    continue;
                }
            }
            match change {
                OwnChange::DiscardDivergent { roots } => self.discard_divergent(ticket, roots.as_deref())?,
                OwnChange::Restamp => {
                    if !self.restamp(ticket)? {
                        later.push_back((ticket, change));
                    }
                }
                OwnChange::Commit(_)
                | OwnChange::Admit { .. }
                | OwnChange::Revoke { .. }
                | OwnChange::ChangeRoster(_)
                | OwnChange::CloseForks { .. } => {
                    waiting.push_front((ticket, change));
                    self.replication().commit_group(owner, &mut waiting)?;
                }
            }
        }
        self.own.put_back_waiting(later);
        self.commit_system()
    }

    fn discard_divergent(&mut self, ticket: Ticket, roots: Option<&[Hash]>) -> Result<(), StoreError> {
        self.replication().end_divergent(roots)?;
        let timestamp = self.replicas[&self.cx.me].timestamp();
        let answer = Answer::Committed(Committed { timestamp, changed: 0 });
        self.cx.emit_after_sync(Effect::Answer { ticket, answer });
        Ok(())
    }

    /// Restamps the own shards and answers. False if it has to be tried again a moment later, when the clock
    /// has advanced.
    fn restamp(&mut self, ticket: Ticket) -> Result<bool, StoreError> {
        let changed = self.replication().restamp()?;
        let timestamp = self.replicas.get(&self.cx.me).map_or(Timestamp::ZERO, |me| me.timestamp());
        let answer = match changed {
            Ok(Some(changed)) => Answer::Committed(Committed { timestamp, changed }),
            Ok(None) => return Ok(false),
            Err(error) => Answer::Refused(error.into()),
        };
        self.cx.emit_in_order(Effect::Answer { ticket, answer });
        Ok(true)
    }

    /// Whether own commits are possible now. An error says why they will not be possible soon.
    pub(super) fn may_write(&self, owner: &MemberId) -> Result<bool, NotWritable> {
        let confirmed = self.is_confirmed(owner)?;
        if confirmed {
            self.replicas.check_bound(self.cx, owner, self.own[owner].last(), 1)?;
        }
        Ok(confirmed)
    }

    /// Whether an own shard is confirmed and may be written, apart from the bound of the clock.
    pub(super) fn is_confirmed(&self, owner: &MemberId) -> Result<bool, NotWritable> {
        self.disk.check_room()?;
        let own = &self.own[owner];
        if self.members.of(self.replicas, owner).is_some_and(|membership| !membership.is_active()) {
            return Err(Revoked { id: *owner }.into());
        }
        self.check_role(owner)?;
        match own.confirmed() {
            Confirmed::Foreign(timestamp) => Err(NotWritable::ForeignHead { timestamp }),
            Confirmed::Not | Confirmed::Recovering { .. } | Confirmed::Contested(_) => Ok(false),
            Confirmed::Yes => {
                self.check_not_refused(owner).map(|()| !self.key_conflicts.hold_writes(self.cx.now.time))
            }
        }
    }

    /// Commits system items that are due (addresses and links), and removes items that expired long ago.
    pub(super) fn commit_system(&mut self) -> Result<(), StoreError> {
        let due = self.own.is_system_due() || self.is_links_check_due();
        if !due {
            return Ok(());
        }
        let may = self.may_write(&self.cx.me);
        if !matches!(may, Ok(true)) {
            self.postpone_links(may.is_ok());
            return Ok(());
        }
        let mut writes = Vec::new();
        let publishes = self.own.begin_system();
        if publishes {
            let addresses = self.own.addresses();
            let key = Key::new(ADDRESSES_KEY).expect("a key");
            writes.push(Write::Put { key, value: encode_addresses(addresses).into(), expiry: None });
        }
        self.links_writes(&mut writes)?;
        self.replication().expired_writes(&mut writes)?;
        if self
            .replicas
            .check_bound(self.cx, &self.cx.me, self.own[&self.cx.me].last(), writes.len() as u64 + 2)
            .is_err()
        {
            // The clock lacks a few microseconds; the next round tries again.
            self.own.postpone_system(publishes);
            return Ok(());
        }
        let me = self.cx.me;
        self.replication().commit_writes(me, &writes)?;
        if self.own.take_outranks() {
            self.replication().commit_outranking()?;
        }
        Ok(())
    }
}
