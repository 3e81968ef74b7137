//! Recovery from a full disk: the member continues with what is on the disk. Its readers wait for that, and
//! its peers link again.

use super::{Member, NOBODY, Turn};
use crate::{
    error::{CommitError, StopReason},
    queue::Waiting,
};
use datafan_core::{
    connector::Connector,
    engine::{Input, OpenError, Outbox},
    store::{ReadEnd, Store, StoreError},
};
use std::{
    mem,
    time::{Duration, Instant},
};
use tracing::{info, warn};

/// How long running reads may take to finish.
const FINISH_TIMEOUT: Duration = Duration::from_secs(2);
/// How often to check the disk.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

impl<S: Store, C: Connector> Member<S, C> {
    /// Continues with what is on disk; `what` is the error of the system.
    ///
    /// # Errors
    /// If the store cannot be opened again.
    pub(super) fn reopened(mut self, what: &str) -> Result<Self, StopReason> {
        warn!(what, "the disk is or was full, so the store is opened again from disk");
        self.current.pause(FINISH_TIMEOUT, ReadEnd::Reopened);
        self.forget(what);
        let clock = self.clock;
        let opened = self.engine.reopen(clock.now());
        self.engine = opened.map_err(|error| match error {
            OpenError::Store(error) => StopReason::Store(error),
            error => StopReason::Store(StoreError::Failed { what: error.to_string() }),
        })?;
        let (heads, snapshot) = (self.engine.heads(), self.engine.snapshot());
        self.shared.change(|board| {
            self.current.replace(snapshot);
            board.reset(heads);
        });
        let told = self.told.again().map(|command| Input::Command { ticket: NOBODY, command });
        match &mut self.kept {
            Some(kept) => kept.inputs.extend(told),
            None => self.told_next = told.collect(),
        }
        Ok(self)
    }

    /// Drops everything in progress: none of it was reported to anybody.
    fn forget(&mut self, what: &str) {
        (self.out, self.turn) = (Outbox::new(), Turn::default());
        for peer in mem::take(&mut self.linked) {
            self.outgoing.connector().close(peer, "its disk was full");
            self.outgoing.forget(peer);
        }
        self.ready.clear();
        self.told_next.clear();
        self.shared.change(|board| board.links = 0);
        for Waiting { reply, permit } in mem::take(&mut self.tickets).into_values() {
            // The caller may be gone.
            let _ = reply.send(Err(CommitError::DiskFull { what: what.to_owned() }));
            drop(permit);
        }
    }

    /// Logs when the disk is full and when there is room again; opens the store again if that is needed.
    pub(super) fn look_at_disk(&mut self) -> Result<(), StoreError> {
        match (self.engine.disk_full(), self.was_full) {
            (Some(why), false) => warn!(why, "the disk is full, so nothing is written until there is room"),
            (None, true) => info!("the disk has room again"),
            _ => {}
        }
        self.was_full = self.engine.disk_full().is_some();
        let now = Instant::now();
        if self.next_look > now {
            return Ok(());
        }
        self.next_look = now + LOOK_INTERVAL;
        match self.engine.has_room_again()? {
            true => Err(StoreError::Full { what: "the disk has room again".to_owned() }),
            false => Ok(()),
        }
    }

    /// When to check an idle member's disk: rarely, since a member wakes up for its rounds anyway, except
    /// while it is full.
    pub(super) fn disk_wake(&self) -> Instant {
        self.next_look + if self.was_full { Duration::ZERO } else { 2 * LOOK_INTERVAL }
    }
}
