//! Commands: judged when they come, carried out when the own shards may be written, answered.

use super::{
    discovery::{ADDRESSES_KEY, check_addresses, encode_addresses},
    effect::{Answer, CommandError, Committed, Effect, Ticket},
    handlers::Commits,
    input::{Command, Write},
    own::Confirmed,
};
use crate::{
    id::MemberId,
    item::Key,
    limits::USER_ADDRESSES_MAX,
    store::{Store, StoreError},
    time::Timestamp,
};
use alloc::{collections::VecDeque, vec::Vec};

impl<S: Store> Commits<'_, S> {
    pub(super) fn on_command(&mut self, ticket: Ticket, command: Command) {
        let checked = match &command {
            // What waits already is not given up: a peer that refuses may have yet to hear of us.
            Command::Commit(writes) => {
                self.is_taken_from_here(&self.cx.me).and_then(|()| self.replication().check_writes(writes))
            }
            Command::Publish(addresses) => check_addresses(addresses),
            Command::Connect { address, expected } => {
                self.replication().check_connect(address, expected.as_ref())
            }
            Command::DiscardDivergent { .. } | Command::Restamp => Ok(()),
            Command::CloseForks { owner } => self.check_closing(owner),
            Command::Admit { .. } | Command::Revoke { .. } | Command::ChangeRoster(_) => {
                self.replication().check_roster(&command)
            }
            Command::ApplySignedRoster(_) => unreachable!("taken in like a message"),
        };
        if let Err(error) = checked {
            return self.cx.refuse(ticket, error);
        }
        match command {
            Command::Publish(addresses) => {
                self.own.publish(addresses);
                self.cx.answer_unchanged(ticket, self.replicas.timestamp(&self.cx.me));
            }
            Command::Connect { address, expected } => {
                if self.discovery.dialer.add_user((expected, address)) {
                    self.cx.answer_unchanged(ticket, self.replicas.timestamp(&self.cx.me));
                } else {
                    let (what, limit) = ("number of addresses to dial", USER_ADDRESSES_MAX);
                    let answer = Answer::Refused(CommandError::Limit { what, limit });
                    self.cx.emit(Effect::Answer { ticket, answer });
                }
            }
            Command::DiscardDivergent { .. } if !self.divergent.has(&self.cx.me) => {
                self.cx.answer_unchanged(ticket, self.replicas.timestamp(&self.cx.me));
            }
            Command::Commit(_)
            | Command::DiscardDivergent { .. }
            | Command::Restamp
            | Command::CloseForks { .. }
            | Command::Admit { .. }
            | Command::Revoke { .. }
            | Command::ChangeRoster(_) => {
                self.own.push_waiting(ticket, command);
            }
            Command::ApplySignedRoster(_) => unreachable!("taken in like a message"),
        }
    }

    /// Commits what waits, as far as the own shards are confirmed.
    pub(super) fn commit_waiting(&mut self) -> Result<(), StoreError> {
        if !self.own.has_waiting() {
            return self.commit_system();
        }
        let mut waiting = self.own.take_waiting();
        let mut later = VecDeque::new();
        while let Some((ticket, command)) = waiting.pop_front() {
            let owner = match command {
                Command::CloseForks { .. }
                | Command::Admit { .. }
                | Command::Revoke { .. }
                | Command::ChangeRoster(_) => self.cx.config.mesh.authority(),
                Command::Commit(_)
                | Command::Publish(_)
                | Command::Connect { .. }
                | Command::DiscardDivergent { .. }
                | Command::Restamp
                | Command::ApplySignedRoster(_) => self.cx.me,
            };
            let restamps = matches!(command, Command::Restamp);
            match if restamps { self.is_confirmed(&owner) } else { self.may_write(&owner) } {
                Ok(true) if matches!(command, Command::DiscardDivergent { .. }) => {
                    let Command::DiscardDivergent { roots } = command else { continue };
                    self.replication().end_divergent(roots.as_deref())?;
                    let timestamp = self.replicas[&owner].timestamp();
                    let answer = Answer::Committed(Committed { timestamp, changed: 0 });
                    self.cx.emit_after_sync(Effect::Answer { ticket, answer });
                }
                Ok(true) if restamps => {
                    let changed = self.replication().restamp()?;
                    let timestamp =
                        self.replicas.get(&owner).map_or(Timestamp::ZERO, |owner| owner.timestamp());
                    let answer = match changed {
                        Ok(Some(changed)) => Answer::Committed(Committed { timestamp, changed }),
                        Ok(None) => {
                            later.push_back((ticket, command));
                            continue;
                        }
                        Err(error) => Answer::Refused(error),
                    };
                    self.cx.emit_in_order(Effect::Answer { ticket, answer });
                }
                Ok(true) => {
                    waiting.push_front((ticket, command));
                    self.replication().commit_group(owner, &mut waiting)?;
                }
                Ok(false) => later.push_back((ticket, command)),
                Err(error) => self.cx.refuse(ticket, error),
            }
        }
        self.own.put_back_waiting(later);
        self.commit_system()
    }

    /// Whether there is room for what an own shard is to hold.
    pub(super) fn has_room(&self) -> Result<(), CommandError> {
        self.disk.full().map_or(Ok(()), |why| Err(CommandError::DiskFull { why: why.into() }))
    }

    /// Whether a command can be carried out as far as the disk goes: those that write nothing always can.
    pub(super) fn has_room_for(&self, command: &Command) -> Result<(), CommandError> {
        match command {
            Command::Publish(_) | Command::Connect { .. } => Ok(()),
            _ => self.has_room(),
        }
    }

    /// Whether own commits may be made now; an error says why not for long.
    pub(super) fn may_write(&self, owner: &MemberId) -> Result<bool, CommandError> {
        let confirmed = self.is_confirmed(owner)?;
        if confirmed {
            self.replicas.check_bound(self.cx, owner, self.own[owner].last(), 1)?;
        }
        Ok(confirmed)
    }

    /// Whether an own shard is as the mesh knows it.
    pub(super) fn is_confirmed(&self, owner: &MemberId) -> Result<bool, CommandError> {
        self.has_room()?;
        let own = &self.own[owner];
        if self.members.of(self.replicas, owner).is_some_and(|membership| !membership.is_active()) {
            return Err(CommandError::Revoked { id: *owner });
        }
        self.may_own(owner)?;
        match own.confirmed() {
            Confirmed::Foreign(timestamp) => Err(CommandError::ForeignHead { timestamp }),
            Confirmed::Not | Confirmed::Recovering { .. } | Confirmed::Contested(_) => Ok(false),
            Confirmed::Yes => {
                self.is_taken_from_here(owner).map(|()| !self.key_conflicts.hold_writes(self.cx.now.time))
            }
        }
    }

    /// Writes of the system's own: where we can be dialled, and the removal of what has long expired.
    pub(super) fn commit_system(&mut self) -> Result<(), StoreError> {
        let due = self.own.is_system_due() || self.is_links_look_due();
        if !due {
            return Ok(());
        }
        let may = self.may_write(&self.cx.me);
        if !matches!(may, Ok(true)) {
            self.put_off_links(may.is_ok());
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
            // For want of a few microseconds: the next round comes back to it.
            self.own.put_off_system(publishes);
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
