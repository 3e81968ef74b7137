//! A link: the one connection that two members agreed to keep.

use crate::{
    ending::{self, Code},
    hello::{LinkId, Run},
    intake::Intake,
    outbox::Outbox,
};
use datafan_core::{
    connector::{Address, Direction},
    id::MemberId,
};
use quinn::Connection;
use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// The origin of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) direction: Direction,
    /// The dialled address, if we dialled.
    pub(crate) dialled: Option<Address>,
}

pub(crate) struct Link {
    pub(crate) peer: MemberId,
    pub(crate) id: LinkId,
    /// The peer's run.
    pub(crate) peer_run: Run,
    pub(crate) origin: Origin,
    pub(crate) connection: Connection,
    pub(crate) since: Instant,
    pub(crate) outbox: Outbox,
    /// By lane.
    pub(crate) intakes: [Intake; 2],
    /// Why we close it; the first reason wins.
    ending: Mutex<Option<(Code, String)>>,
}

impl Link {
    pub(crate) fn new(
        peer: MemberId,
        id: LinkId,
        peer_run: Run,
        origin: Origin,
        connection: Connection,
    ) -> Self {
        let (outbox, intakes, ending) = <_>::default();
        Self { peer, id, peer_run, origin, connection, since: Instant::now(), outbox, intakes, ending }
    }

    /// Whether it is closed, or will be once its small lane is sent.
    pub(crate) fn is_closing(&self) -> bool {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Closes the connection now.
    pub(crate) fn end(&self, code: Code, reason: &str) {
        self.set_ending(code, reason);
        self.close_now();
    }

    /// Closes the connection once the small lane is sent.
    pub(crate) fn close(&self, reason: &str) {
        self.set_ending(Code::Closed, reason);
        self.outbox.close();
    }

    /// Closes the connection with the recorded reason.
    pub(crate) fn close_now(&self) {
        // A second close would hide why the connection is gone.
        if self.connection.close_reason().is_some() {
            return;
        }
        let ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        let (code, reason) = ending.as_ref().map_or((Code::Closed, ""), |(code, reason)| (*code, reason));
        self.connection.close(code.into(), ending::truncate(reason).as_bytes());
    }

    /// The peer's address as text.
    pub(crate) fn address(&self) -> Address {
        match &self.origin.dialled {
            Some(address) => address.clone(),
            None => self.connection.remote_address().to_string().into(),
        }
    }

    fn set_ending(&self, code: Code, reason: &str) {
        let mut ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        ending.get_or_insert_with(|| (code, reason.into()));
    }

    pub(crate) fn own_reason(&self) -> Option<String> {
        let ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        ending.as_ref().map(|(_, reason)| reason.clone())
    }
}
